"""Rows of one split that are duplicates, or near duplicates, of rows of another.

A model is measured on what it was trained on where they do.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

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
SCOPE = {
    "sentiment": f"half or more of their runs of {SHINGLE} words in common",
    "image": f"correlation {CORRELATION} at {SIDE} x {SIDE} pixels, and no other as near",
}


class Pair(NamedTuple):
    """A row of a split and the row of an earlier split that is like it."""

    later: str
    row: int
    earlier: str
    other: int
    likeness: float  # 1 for equal ones


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what the splits of a dataset, as prepared, have in common.

    Of a series windows are compared, history and targets together, and only equal ones count.
    """
    if facts["task"] == "forecast":
        return [_equal_windows(splits, facts)]
    content = {name: splits[name][CONTENT[facts["task"]]] for name in ORDER}
    same = equal({name: classes.digests(rows) for name, rows in content.items()})
    alike = near_texts(content) if facts["task"] == "sentiment" else near_images(content)
    equal_rows = {(pair.later, pair.row) for pair in same}
    return [
        _finding(
            "equal rows",
            "by the digest of their content, across the splits",
            same,
            content,
            "equal",
            "Prepare the data anew: data/classes.py keeps equal rows on one side of the split.",
        ),
        _finding(
            "near copies",
            f"across the splits: {SCOPE[facts['task']]}",
            [pair for pair in alike if (pair.later, pair.row) not in equal_rows],
            content,
            "nearly equal",
            "Look at the examples; leave one row of each pair out of the source, or give the "
            "rows that belong together to one split.",
            allowed=SHARE,
        ),
    ]


def equal(digests: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each row that is equal to one of an earlier split.

    digests: split → (row,), as `data.classes` has them.
    """
    pairs = []
    for earlier, later in itertools.combinations(ORDER, 2):
        first = {digest: row for row, digest in reversed([*enumerate(digests[earlier])])}
        pairs += [
            Pair(later, row, earlier, first[digest], 1.0)
            for row, digest in enumerate(digests[later])
            if digest in first
        ]
    return _most_alike(pairs)


def near_texts(content: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each text that shares half of its phrases with one of an earlier split.

    The resemblance is the share of common shingles, five words in a row as the tokenizer reads
    them, of all shingles of the two (Broder, On the Resemblance and Containment of Documents,
    1997); shingles that more than a hundred texts hold are no sign of a copy, and bound the work.
    """
    sizes = [len(content[name]) for name in ORDER]
    shingles, counts = _shingles(np.concatenate([content[name] for name in ORDER]))
    starts = dict(zip(ORDER, np.cumsum([0, *sizes]), strict=False))
    pairs = []
    for earlier, later in itertools.combinations(ORDER, 2):
        mine = slice(starts[later], starts[later] + len(content[later]))
        others = slice(starts[earlier], starts[earlier] + len(content[earlier]))
        common = (shingles[mine] @ shingles[others].T).tocoo()
        all_of_both = counts[mine][common.row] + counts[others][common.col] - common.data
        resemblance = common.data / all_of_both
        pairs += [
            Pair(later, int(common.row[at]), earlier, int(common.col[at]), float(resemblance[at]))
            for at in np.flatnonzero(resemblance >= RESEMBLANCE)
        ]
    return _most_alike(pairs)


def near_images(content: Mapping[str, np.ndarray]) -> list[Pair]:
    """Return a pair for each picture that is another of an earlier split but for its quality.

    Both are made small, and equally bright and rich in contrast; then a copy correlates by 0.995
    or more, and is far nearer than the tenth nearest picture of that split. That holds for what was
    saved anew, lightened or made noisy, and not for what was cut, turned or moved.
    """
    from sklearn.neighbors import NearestNeighbors

    small = {name: _standardised(content[name]) for name in ORDER}
    pairs = []
    for earlier, later in itertools.combinations(ORDER, 2):
        count = min(NEIGHBOURS, len(small[earlier]))
        nearest = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(small[earlier])
        distances, rows = nearest.kneighbors(small[later])
        correlation = 1 - distances[:, 0] ** 2 / 2  # of vectors of length 1
        near = (correlation >= CORRELATION) & (distances[:, 0] <= NEARER * distances[:, -1])
        pairs += [
            Pair(later, int(row), earlier, int(rows[row, 0]), float(correlation[row]))
            for row in np.flatnonzero(near)
        ]
    return _most_alike(pairs)


def _shingles(texts: np.ndarray) -> tuple[Any, np.ndarray]:
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
    # One number for each run of five ids: a random sum of them, modulo 2 to the 64.
    weights = np.random.default_rng(0).integers(1, 1 << 63, SHINGLE, np.uint64) * 2 + 1
    codes = np.lib.stride_tricks.sliding_window_view(np.array(ids, np.uint64), SHINGLE) @ weights
    codes = codes[inside]
    _, column = np.unique(codes, return_inverse=True)
    held = sparse.csr_matrix(
        (np.ones(len(column), np.int32), (text[:begins][inside], column)),
        shape=(len(texts), column.max() + 1),
    )
    held.data[:] = 1  # one that comes twice counts once
    texts_with = held.getnnz(axis=0)
    return held[:, (texts_with > 1) & (texts_with <= COMMON)], held.getnnz(axis=1)


def _standardised(images: np.ndarray) -> np.ndarray:
    """Return pictures as float32 (picture, value), each with mean 0 and length 1."""
    channels = images.shape[-1] if images.dtype == np.uint8 else 3
    small = ImageInputs(SIDE, SIDE, channels, ()).to_tensor(images).reshape(len(images), -1)
    small -= small.mean(axis=1, keepdims=True)
    # A picture of one colour has no length: it stays where it is, away from all that show anything.
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)


def _most_alike(pairs: list[Pair]) -> list[Pair]:
    """Return of each later row's pairs the one that is most alike, the most alike ones first."""
    best: dict[tuple[str, int], Pair] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.likeness):
        best.setdefault((pair.later, pair.row), pair)
    return list(best.values())


def _equal_windows(splits: Mapping[str, Split], facts: Mapping) -> Finding:
    windows = {name: _windows(splits[name], facts) for name in ORDER}
    digests = {name: classes.digests(rows) for name, rows in windows.items()}
    # What comes again inside one split is the series' own habit: flat, or perfectly regular.
    counts = {name: Counter(digests[name]) for name in ORDER}
    habits = {digest for one in counts.values() for digest, count in one.items() if count > 1}
    return _finding(
        "equal windows",
        "by history and targets, value by value",
        [pair for pair in equal(digests) if digests[pair.later][pair.row] not in habits],
        windows,
        "equal",
        "A stretch of the series stands in it twice: leave one out of the source.",
    )


def _finding(
    name: str,
    how: str,
    pairs: list[Pair],
    content: Mapping[str, np.ndarray],
    likeness: str,
    advice: str,
    allowed: float = 0.0,
) -> Finding:
    """The finding about pairs; allowed: the share of a split's rows that may be in one."""
    counts = {later: sum(pair.later == later for pair in pairs) for later in ORDER[1:]}
    shares = {later: count / len(content[later]) for later, count in counts.items() if count}
    parts = [f"{counts[later]:,} of {later} ({share:.2%})" for later, share in shares.items()]
    verb = "is" if len(pairs) < 2 else "are"
    rows = " / ".join(f"{len(content[split]):,}" for split in ORDER)
    return Finding(
        name=name,
        scope=f"{rows} rows{',' if allowed else ''} {how}",
        result=f"{' and '.join(parts) or 'none'} {verb} {likeness} to one of an earlier split",
        ok=all(share <= allowed for share in shares.values()),
        advice=advice,
        examples=[
            {pair.later: pair.row, pair.earlier: pair.other, "likeness": round(pair.likeness, 3)}
            for pair in pairs[:EXAMPLES]
        ],
        facts=counts,
    )


def _windows(split: Split, facts: Mapping) -> np.ndarray:
    """Return float64 (window, history + horizon)."""
    cut = SeriesInputs(facts["history"], facts["horizon"], 0.0, 1.0).windows(split)
    return np.concatenate([cut.history, cut.target], axis=1)
