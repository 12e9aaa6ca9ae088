"""Rows of one split that stand in another too: equal ones, and ones that are nearly equal.

A model is measured on what it was trained on where they do.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from data import classes
from models.examples import Split
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import words_of
from pipelines.audit.finding import EXAMPLES, Finding

ORDER = ("train", "validation", "test")
CONTENT = {"image": "image", "sentiment": "text"}
# A finding is worth a look from this share of a split on: it can move an accuracy by that much.
SHARE = 0.005

SHINGLE = 5  # words
COMMON = 100  # a shingle that more texts hold is a stock phrase: what it says is no copy
RESEMBLANCE = 0.5

SIDE = 16  # pixels a side
CORRELATION = 0.995  # of the small pictures' pixels
NEIGHBOURS = 10
NEARER = 0.4  # than the tenth nearest picture: pictures of a smooth kind are all near each other


class Pair(NamedTuple):
    """A row of a split and the row of an earlier split that is like it."""

    later: str
    row: int
    earlier: str
    other: int
    likeness: float  # 1 for equal ones


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what the splits of a dataset, as prepared, have in common.

    Of a series windows are compared, history and targets together, and equal ones alone are told.
    """
    if facts["task"] == "forecast":
        return [_equal_windows(splits, facts)]
    content = {name: splits[name][CONTENT[facts["task"]]] for name in ORDER}
    same = equal({name: classes.digests(rows) for name, rows in content.items()})
    alike = near_texts(content) if facts["task"] == "sentiment" else near_pictures(content)
    told = {(pair.later, pair.row) for pair in same}
    return [
        _equal_rows(same, content),
        _near_rows([pair for pair in alike if (pair.later, pair.row) not in told], content, facts),
    ]


def equal(digests: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each row whose like stands in an earlier split.

    digests: split → (row,), as `data.classes` has them.
    """
    found = []
    for earlier, later in itertools.combinations(ORDER, 2):
        first = {digest: row for row, digest in reversed([*enumerate(digests[earlier])])}
        found += [
            Pair(later, row, earlier, first[digest], 1.0)
            for row, digest in enumerate(digests[later])
            if digest in first
        ]
    return _one_each(found)


def near_texts(content: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each text that shares half of its phrases with one of an earlier split.

    The resemblance is the share of common shingles, five words in a row as the tokenizer reads
    them, of all shingles of the two (Broder, On the Resemblance and Containment of Documents,
    1997); shingles that more than a hundred texts hold are no sign of a copy, and bound the work.
    """
    sizes = [len(content[name]) for name in ORDER]
    shingles, counts = _shingles(np.concatenate([content[name] for name in ORDER]))
    starts = dict(zip(ORDER, np.cumsum([0, *sizes]), strict=False))
    found = []
    for earlier, later in itertools.combinations(ORDER, 2):
        mine = slice(starts[later], starts[later] + len(content[later]))
        others = slice(starts[earlier], starts[earlier] + len(content[earlier]))
        common = (shingles[mine] @ shingles[others].T).tocoo()
        all_of_both = counts[mine][common.row] + counts[others][common.col] - common.data
        resemblance = common.data / all_of_both
        for at in np.flatnonzero(resemblance >= RESEMBLANCE):
            pair = int(common.row[at]), earlier, int(common.col[at]), float(resemblance[at])
            found.append(Pair(later, *pair))
    return _one_each(found)


def near_pictures(content: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each picture that is another of an earlier split but for its quality.

    Both are made small, and equally bright and rich in contrast; then a copy correlates by 0.995
    or more, and is far nearer than the tenth nearest picture of that split. That holds for what was
    saved anew, lightened or made noisy, and not for what was cut, turned or moved.
    """
    from sklearn.neighbors import NearestNeighbors

    small = {name: _standardised(content[name]) for name in ORDER}
    found = []
    for earlier, later in itertools.combinations(ORDER, 2):
        count = min(NEIGHBOURS, len(small[earlier]))
        searched = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(small[earlier])
        distances, rows = searched.kneighbors(small[later])
        correlation = 1 - distances[:, 0] ** 2 / 2  # of vectors of length 1
        near = (correlation >= CORRELATION) & (distances[:, 0] <= NEARER * distances[:, -1])
        found += [
            Pair(later, int(row), earlier, int(rows[row, 0]), float(correlation[row]))
            for row in np.flatnonzero(near)
        ]
    return _one_each(found)


def _shingles(texts: np.ndarray):
    """Return which shingle each text holds, int32 sparse (text, shingle) without the common ones,
    and how many different ones it has, int64 (text,)."""
    from scipy import sparse

    numbers: dict[str, int] = {}
    ids, lengths = [], []
    for text in texts:
        words = words_of(text)
        words += [""] * (SHINGLE - len(words))
        ids += [numbers.setdefault(word, len(numbers)) for word in words]
        lengths.append(len(words))
    text = np.repeat(np.arange(len(texts)), lengths)
    begins = len(ids) - SHINGLE + 1
    inside = text[:begins] == text[SHINGLE - 1 :]
    codes = _codes(np.array(ids, np.uint64), begins)[inside]
    _, column = np.unique(codes, return_inverse=True)
    held = sparse.csr_matrix(
        (np.ones(len(column), np.int32), (text[:begins][inside], column)),
        shape=(len(texts), column.max() + 1),
    )
    held.data[:] = 1  # one that comes twice counts once
    texts_with = held.getnnz(axis=0)
    return held[:, (texts_with > 1) & (texts_with <= COMMON)], held.getnnz(axis=1)


def _codes(ids: np.ndarray, begins: int) -> np.ndarray:
    """Return one uint64 for each run of five ids: a random sum of them, modulo 2 to the 64."""
    weights = np.random.default_rng(0).integers(1, 1 << 63, SHINGLE, np.uint64) * 2 + 1
    return sum(ids[place : begins + place] * weight for place, weight in enumerate(weights))


def _standardised(images: np.ndarray) -> np.ndarray:
    """Return pictures as float32 (picture, value), each with mean 0 and length 1."""
    channels = images.shape[-1] if images.dtype == np.uint8 else 3
    small = ImageInputs(SIDE, SIDE, channels, ()).to_tensor(images).reshape(len(images), -1)
    small -= small.mean(axis=1, keepdims=True)
    # A picture of one colour has no length: it stays where it is, away from all that show anything.
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)


def _one_each(pairs: list[Pair]) -> list[Pair]:
    """Return of each later row's pairs the one that is most alike, the most alike ones first."""
    best = {}
    for pair in sorted(pairs, key=lambda pair: -pair.likeness):
        best.setdefault((pair.later, pair.row), pair)
    return list(best.values())


def _equal_rows(pairs: list[Pair], content: Mapping[str, np.ndarray]) -> Finding:
    return _equality(
        "equal rows",
        "by the digest of their content, across the splits",
        pairs,
        content,
        "Prepare the data anew: data/classes.py keeps equal rows on one side of the split.",
    )


def _near_rows(pairs: list[Pair], content: Mapping[str, np.ndarray], facts: Mapping) -> Finding:
    how = {
        "sentiment": f"half or more of their runs of {SHINGLE} words in common",
        "image": f"correlation {CORRELATION} at {SIDE} x {SIDE} pixels, and no other as near",
    }
    counts = _counts(pairs)
    return Finding(
        name="near copies",
        looked=f"{_rows(content)}, across the splits: {how[facts['task']]}",
        found=_told(pairs, content, "nearly equal to one of an earlier split"),
        ok=all(count <= SHARE * len(content[name]) for name, count in counts.items()),
        advice="Look at the examples; leave one row of each pair out of the source, or give the "
        "rows that belong together to one split.",
        examples=[_example(pair) for pair in pairs[:EXAMPLES]],
        facts=counts,
    )


def _equal_windows(splits: Mapping[str, Split], facts: Mapping) -> Finding:
    windows = {name: _windows(splits[name], facts) for name in ORDER}
    digests = {name: classes.digests(rows) for name, rows in windows.items()}
    # What comes again inside one split is the series' own habit: flat, or perfectly regular.
    counts = {name: Counter(digests[name]) for name in ORDER}
    habits = {digest for one in counts.values() for digest, count in one.items() if count > 1}
    pairs = [pair for pair in equal(digests) if digests[pair.later][pair.row] not in habits]
    return _equality(
        "equal windows",
        "by history and targets, value by value",
        pairs,
        windows,
        "A stretch of the series stands in it twice: leave one out of the source.",
    )


def _equality(
    name: str, how: str, pairs: list[Pair], content: Mapping[str, np.ndarray], advice: str
) -> Finding:
    """What was found by looking for rows that are equal; there should be none."""
    return Finding(
        name=name,
        looked=f"{_rows(content)} {how}",
        found=_told(pairs, content, "equal to one of an earlier split"),
        ok=not pairs,
        advice=advice,
        examples=[_example(pair) for pair in pairs[:EXAMPLES]],
        facts=_counts(pairs),
    )


def _windows(split: Split, facts: Mapping) -> np.ndarray:
    """Return float64 (window, history + horizon)."""
    cut = SeriesInputs(facts["history"], facts["horizon"], 0.0, 1.0).windows(split)
    return np.concatenate([cut.history, cut.target], axis=1)


def _rows(content: Mapping[str, np.ndarray]) -> str:
    return " / ".join(f"{len(content[name]):,}" for name in ORDER) + " rows"


def _told(pairs: list[Pair], content: Mapping[str, np.ndarray], what: str) -> str:
    if not pairs:
        return f"none is {what}"
    counts = _counts(pairs)
    parts = [
        f"{count:,} of {name} ({count / len(content[name]):.2%})"
        for name, count in counts.items()
        if count
    ]
    return f"{' and '.join(parts)} {'is' if len(pairs) == 1 else 'are'} {what}"


def _counts(pairs: list[Pair]) -> dict[str, int]:
    """Return how many rows of each later split have their like in an earlier one."""
    return {name: sum(pair.later == name for pair in pairs) for name in ORDER[1:]}


def _example(pair: Pair) -> dict:
    return {pair.later: pair.row, pair.earlier: pair.other, "likeness": round(pair.likeness, 3)}
