"""Rows of one split that are duplicates, or near duplicates, of rows of another.

A model is measured on what it was trained on where they do.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from data import classes
from data.declared import SPLITS
from models.examples import Split
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import words_of
from pipelines.audit.finding import EXAMPLES, Finding

CONTENT = {"image": "image", "sentiment": "text"}
ROW = ["later", "row"]  # what names a row of a table of pairs
# A finding is worth a look from this share of a split on: it can move an accuracy by that much.
SHARE = 0.005

SHINGLE = 5  # words
COMMON = 100  # a shingle that more texts hold is a stock phrase: what it says is no copy
RESEMBLANCE = 0.5
HASHES = 1 << 24  # of shingles: of 5 million, in 25,000 reviews, few share one

SIDE = 16  # pixels a side
CORRELATION = 0.995  # of the small pictures' pixels
NEIGHBOURS = 10
NEARER = 0.4  # than the tenth nearest picture: pictures of a smooth kind are all near each other
SCOPE = {
    "sentiment": f"half or more of their runs of {SHINGLE} words in common",
    "image": f"correlation {CORRELATION} at {SIDE} x {SIDE} pixels, and no other as near",
}
# Row numbers of a later split, those of the rows of an earlier one that are like them, and how
# like they are: 1 for equal ones.
Alike = tuple[np.ndarray, np.ndarray, np.ndarray]


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what the splits of a dataset, as prepared, have in common.

    Of a series windows are compared, history and targets together, and only equal ones count.
    """
    if facts["task"] == "forecast":
        return [_equal_windows(splits, facts)]
    content = {name: splits[name][CONTENT[facts["task"]]] for name in SPLITS}
    same = _pairs({name: classes.digests(rows) for name, rows in content.items()}, _equal)
    alike = _near_texts(content) if facts["task"] == "sentiment" else _near_images(content)
    others = pd.concat([same, alike]).drop_duplicates(ROW).iloc[len(same) :]
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
            others,
            content,
            "nearly equal",
            "Look at the examples; leave one row of each pair out of the source, or give the "
            "rows that belong together to one split.",
            allowed=SHARE,
        ),
    ]


def _pairs(content: Mapping[str, Any], alike: Callable[[Any, Any], Alike]) -> pd.DataFrame:
    """Return each row of a split that is like one of an earlier split, with the one that is most
    like it; the most alike pairs come first.

    content: the rows of each split, in the form that `alike` takes of an earlier and a later one.
    """
    tables = []
    for earlier, later in itertools.combinations(SPLITS, 2):
        row, other, likeness = alike(content[earlier], content[later])
        table = pd.DataFrame({"row": row, "other": other, "likeness": likeness})
        tables.append(table.assign(later=later, earlier=earlier))
    pairs = pd.concat(tables).sort_values("likeness", ascending=False, kind="stable")
    return pairs.drop_duplicates(ROW)


def _equal(earlier: np.ndarray, later: np.ndarray) -> Alike:
    """Compare digests (row,)."""
    first = pd.Series(range(len(earlier)), earlier).groupby(level=0).first()
    others = first.reindex(later).to_numpy()
    rows = np.flatnonzero(~np.isnan(others))
    return rows, others[rows].astype(int), np.ones(len(rows))


def _near_texts(content: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the texts that share half of their phrases with one of an earlier split.

    The resemblance is the share of common shingles, five words in a row as the tokenizer reads
    them, of all shingles of the two (Broder, On the Resemblance and Containment of Documents,
    1997); shingles that more than a hundred texts hold are no sign of a copy, and bound the work.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer=_shingles, n_features=HASHES, binary=True, norm=None, alternate_sign=False
    )
    held = {name: vectorizer.transform(texts) for name, texts in content.items()}
    shingles = np.concatenate([one.indices for one in held.values()])
    telling, texts_with = np.unique(shingles, return_counts=True)
    telling = telling[(texts_with > 1) & (texts_with <= COMMON)]

    def alike(earlier: Any, later: Any) -> Alike:
        common = (later[:, telling] @ earlier[:, telling].T).tocoo()
        of_both = later.getnnz(axis=1)[common.row] + earlier.getnnz(axis=1)[common.col]
        resemblance = common.data / (of_both - common.data)
        near = resemblance >= RESEMBLANCE
        return common.row[near], common.col[near], resemblance[near]

    return _pairs(held, alike)


def _shingles(text: str) -> list[str]:
    words = words_of(text)
    words += [""] * (SHINGLE - len(words))
    return [" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)]


def _near_images(content: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the pictures that are another of an earlier split but for its quality.

    Both are made small, and equally bright and rich in contrast; then a copy correlates by 0.995
    or more, and is far nearer than the tenth nearest picture of that split. That holds for what was
    saved anew, lightened or made noisy, and not for what was cut, turned or moved.
    """
    from sklearn.neighbors import NearestNeighbors

    def alike(earlier: np.ndarray, later: np.ndarray) -> Alike:
        count = min(NEIGHBOURS, len(earlier))
        nearest = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(earlier)
        distances, others = nearest.kneighbors(later)
        correlation = 1 - distances[:, 0] ** 2 / 2  # of vectors of length 1
        near = (correlation >= CORRELATION) & (distances[:, 0] <= NEARER * distances[:, -1])
        rows = np.flatnonzero(near)
        return rows, others[rows, 0], correlation[rows]

    return _pairs({name: _standardised(images) for name, images in content.items()}, alike)


def _standardised(images: np.ndarray) -> np.ndarray:
    """Return pictures as float32 (picture, value), each with mean 0 and length 1."""
    channels = images.shape[-1] if images.dtype == np.uint8 else 3
    small = ImageInputs(SIDE, SIDE, channels, ()).to_tensor(images).reshape(len(images), -1)
    small -= small.mean(axis=1, keepdims=True)
    # A picture of one colour has no length: it stays where it is, away from all that show anything.
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)


def _equal_windows(splits: Mapping[str, Split], facts: Mapping) -> Finding:
    windows = {name: _windows(splits[name], facts) for name in SPLITS}
    digests = {name: classes.digests(rows) for name, rows in windows.items()}
    # What comes again inside one split is the series' own habit: flat, or perfectly regular.
    habits = np.concatenate([one[pd.Series(one).duplicated()] for one in digests.values()])
    pairs = _pairs(digests, _equal)
    shared = [digests[pair.later][pair.row] for pair in pairs.itertuples()]
    return _finding(
        "equal windows",
        "by history and targets, value by value",
        pairs[~np.isin(shared, habits)],
        windows,
        "equal",
        "A stretch of the series stands in it twice: leave one out of the source.",
    )


def _windows(split: Split, facts: Mapping) -> np.ndarray:
    """Return float64 (window, history + horizon)."""
    cut = SeriesInputs(facts["history"], facts["horizon"], 0.0, 1.0).windows(split)
    return np.concatenate([cut.history, cut.target], axis=1)


def _finding(
    name: str,
    how: str,
    pairs: pd.DataFrame,
    content: Mapping[str, np.ndarray],
    likeness: str,
    advice: str,
    allowed: float = 0.0,
) -> Finding:
    """The finding about pairs; allowed: the share of a split's rows that may be in one."""
    counts = pairs["later"].value_counts().reindex(SPLITS[1:], fill_value=0).to_dict()
    shares = {later: count / len(content[later]) for later, count in counts.items() if count}
    parts = [f"{counts[later]:,} of {later} ({share:.2%})" for later, share in shares.items()]
    verb = "is" if len(pairs) < 2 else "are"
    rows = " / ".join(f"{len(content[split]):,}" for split in SPLITS)
    return Finding(
        name=name,
        scope=f"{rows} rows{',' if allowed else ''} {how}",
        result=f"{' and '.join(parts) or 'none'} {verb} {likeness} to one of an earlier split",
        ok=all(share <= allowed for share in shares.values()),
        advice=advice,
        examples=[
            {pair.later: pair.row, pair.earlier: pair.other, "likeness": round(pair.likeness, 3)}
            for pair in pairs.head(EXAMPLES).itertuples()
        ],
        facts=counts,
    )
