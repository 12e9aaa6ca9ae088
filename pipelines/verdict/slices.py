"""Parts of the test rows: a class, a length of text, a quarter of the season, a step ahead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models import measure
from pipelines.verdict import pair
from pipelines.verdict.pair import Rows


@dataclass(frozen=True)
class Slice:
    """A model's score on a part of the rows: accuracy, or MAE relative to the naive one."""

    name: str
    rows: int
    score: float


@dataclass(frozen=True)
class Fall:
    """Two models on a part of the rows; difference above 0 where ours is better, p uncorrected."""

    name: str
    rows: int
    ours: float
    theirs: float
    difference: float
    p: float


def of(task: str, rows: Sequence[Rows], labels: Sequence[str]) -> list[Slice]:
    """Return the scores on each slice that has rows, the mean over seeds.

    rows: one mapping for each seed. labels: the names of the classes; none for series.
    """
    return [
        Slice(name, _count(task, part[0]), measure.interval(task, part)[0])
        for name, part in _parts(task, rows, labels)
    ]


def falls(
    task: str, ours: Sequence[Rows], theirs: Sequence[Rows], labels: Sequence[str]
) -> list[Fall]:
    """Return how the two sides differ on each slice. Raises ValueError when rows do not pair."""
    pair.compare(task, ours, theirs)
    found = []
    for (name, left), (_, right) in zip(
        _parts(task, ours, labels), _parts(task, theirs, labels), strict=True
    ):
        verdict = pair.compare(task, left, right)
        scores = [measure.interval(task, side)[0] for side in (left, right)]
        found.append(Fall(name, _count(task, left[0]), *scores, verdict.difference, verdict.p))
    return found


def _parts(
    task: str, rows: Sequence[Rows], labels: Sequence[str]
) -> Iterator[tuple[str, list[dict]]]:
    """The name of each slice that has rows, and the rows of each seed that are in it."""
    first = rows[0]
    if task == "forecast":
        for quarter in np.unique(first["season"]):
            chosen = first["season"] == quarter
            yield f"quarter {quarter + 1} of the season", [_only(one, chosen) for one in rows]
        for step in range(first["error"].shape[1]):
            yield f"step {step + 1}", [_step(one, step) for one in rows]
        return
    for label in np.unique(first["label"]):
        yield labels[label], [_only(one, first["label"] == label) for one in rows]
    if "words" in first:
        for name, chosen in _lengths(first["words"]):
            yield name, [_only(one, chosen) for one in rows]


def _lengths(words: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Thirds of the texts by their number of words."""
    short, long = (int(end) for end in np.quantile(words, [1 / 3, 2 / 3], method="lower"))
    thirds = {
        f"up to {short} words": words <= short,
        f"{short + 1} to {long} words": (words > short) & (words <= long),
        f"more than {long} words": words > long,
    }
    return ((name, chosen) for name, chosen in thirds.items() if chosen.any())


def _only(rows: Rows, chosen: np.ndarray) -> dict:
    """The rows (bool (row,)) alone; what is not one value a row stays as it is."""
    alone = ("label", "correct", "naive_correct", "error", "naive_error", "time")
    return {name: column[chosen] if name in alone else column for name, column in rows.items()}


def _step(rows: Rows, step: int) -> dict:
    """The errors of one step of the horizon."""
    return {**rows} | {name: rows[name][:, [step]] for name in ("error", "naive_error")}


def _count(task: str, rows: Rows) -> int:
    return len(rows["error" if task == "forecast" else "correct"])
