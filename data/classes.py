"""Splits of labelled rows: stratified, with equal rows on one side."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from data.words import words_of

RARE = 0.1  # of the rows; who wants to be right most often never names such a class
GROUPS = 10  # at least, where rows belong to groups: a split holds whole ones


def metric_of(counts: Mapping[str, int]) -> dict[str, str]:
    """What an entry should say of the metric, where a class is rarer than one in ten.

    Of many classes each is; there one counts that has not half an even share.

    Args:
        counts: label → rows.
    """
    total, rarest = sum(counts.values()), min(counts, key=lambda one: counts[one], default="")
    if not total or counts[rarest] >= total * min(RARE, 0.5 / len(counts)):
        return {}
    if len(counts) == 2:
        return {"metric": "f1", "positive": rarest}
    return {"metric": "macro_f1"}


def digests(rows: Iterable) -> np.ndarray:
    """One hexadecimal digest for each row; equal digests mean the same picture or the same text.

    rows: arrays, encoded pictures as bytes, or texts as str (equal where their words are, as a
    model reads them).
    """
    return np.array([hashlib.sha256(_content(row)).hexdigest() for row in rows])


def _content(row: np.ndarray | bytes | str) -> bytes:
    if isinstance(row, str):
        words = words_of(row) or row.split()  # :-) is no word
        return " ".join(words).encode("utf-8", "surrogatepass")
    return row if isinstance(row, bytes) else row.tobytes()


def names(columns: Mapping[str, np.ndarray], content: str) -> dict[str, np.ndarray]:
    """Digests of what rows are known by: content, and id and group where there are.

    Args:
        columns: of the rows.
        content: the column of pictures or texts.
    """
    by = {"content": digests(columns[content])}
    for word, column in (("id", "key"), ("group", "group")):
        if column in columns:
            by[word] = digests(name.encode() for name in columns[column])
    return by


def together(*names: np.ndarray) -> np.ndarray:
    """One digest for all rows that have to stay on one side; which side that is the last names say.

    names: digests (rows,), such as of content, ids and groups: rows belong together where any of
    them is equal, and so do those of which each belongs to a third.
    """
    import pandas as pd  # half a second, which a plan does without

    ordered, place = np.unique(names[-1], return_inverse=True)
    while len(names) > 1:
        before = place
        for name in names:
            place = pd.Series(place).groupby(name).transform("min").to_numpy()
        if np.array_equal(place, before):
            break
    return ordered[place]


def draw(labels: np.ndarray, digest: np.ndarray, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """The row numbers of each part, so that each class is divided in the same shares.

    labels (rows,), digest (rows,), shares {part: share}. Rows of equal digest go to one part, by
    the class of the first of them. The order is that of the digests: as good as shuffled, without
    a seed, and a row keeps its part when other rows come and go, but for those near a border.
    """
    order = np.argsort(digest, kind="stable")
    sorted_digest = digest[order]
    begins = np.append(True, sorted_digest[1:] != sorted_digest[:-1])
    group = np.cumsum(begins) - 1  # of each row, in digest order
    part = _part_of_groups(labels[order][begins], np.bincount(group), list(shares.values()))
    return {name: order[part[group] == index] for index, name in enumerate(shares)}


def fixed(digest: np.ndarray, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """The row numbers of each part, by the digest alone: whatever rows come or go, a row stays.

    digest (rows,), hexadecimal; shares {part: share}.
    """
    borders = np.cumsum(list(shares.values()))[:-1] / sum(shares.values())
    place = np.array([int(one[:13], 16) / 16**13 for one in digest])
    part = np.searchsorted(borders, place, side="right")
    return {name: np.flatnonzero(part == index) for index, name in enumerate(shares)}


def _part_of_groups(labels: np.ndarray, sizes: np.ndarray, shares: list[float]) -> np.ndarray:
    """Which part each group of equal rows belongs to, going through each class in order."""
    borders = np.cumsum(shares)[:-1] / sum(shares)
    part = np.empty(len(sizes), dtype=np.int64)
    for label in np.unique(labels):
        mine = labels == label
        ends = np.cumsum(sizes[mine])
        middle = (ends - sizes[mine] / 2) / ends[-1]
        part[mine] = np.searchsorted(borders, middle, side="right")
    return part
