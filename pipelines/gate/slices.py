"""Parts of the test rows: a class, a length of text, a quarter of the season, a step ahead; and
`failures`, the requests that a champion answered wrong (pipelines/monitoring/collect.py).

A mean hides what a part of the requests gets: each part is scored, and two models compared on it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.evaluation import measure
from models.evaluation.metrics import ACCURACY, Metric
from pipelines.gate import paired_comparison
from pipelines.gate.paired_comparison import Rows

Pick = Callable[[Rows], Rows]  # takes the part out of the rows of one seed
OF_STEPS = ("error", "naive_error", "pinball", "naive_pinball")  # columns (window, step)


@dataclass(frozen=True)
class Slice:
    """A model on a part of the rows; of series relative to the naive forecast of all rows."""

    name: str
    rows: int
    score: float


@dataclass(frozen=True)
class SliceComparison:
    """Two models on a part of the rows.

    difference: above 0 where ours is better. p: two-sided, of this part alone: of twenty parts that
    do not differ one is below 0.05. least_p: what a fall of every row would have; where that is
    above a level, the part has too few rows to tell.
    """

    name: str
    rows: int
    difference: float
    p: float
    least_p: float


def score(metric: Metric, rows: Sequence[Rows], labels: Sequence[str]) -> list[Slice]:
    """Return the score on each part, the mean over seeds.

    Args:
        metric: that of the dataset; of one class alone accuracy where it compares classes.
        rows: one mapping for each seed.
        labels: the names of the classes, by their index; of a series they are not read.
    """
    scored = [
        Slice(name, count, measure.value(by, [_relative(by, one, pick(one)) for one in rows]))
        for by, name, count, pick in _parts(metric, rows[0], labels)
    ]
    return [part for part in scored if not math.isnan(part.score)]


def compare(
    metric: Metric, ours: Sequence[Rows], theirs: Sequence[Rows], labels: Sequence[str]
) -> list[SliceComparison]:
    """Return how two models differ on each part; labels as in `score`.

    Raises ValueError when the rows do not pair.
    """
    paired_comparison.check(metric, ours, theirs)
    comparisons = []
    for by, name, count, pick in _parts(metric, ours[0], labels):
        our_part, their_part = (
            [_relative(by, one, pick(one)) for one in side] for side in (ours, theirs)
        )
        verdict = paired_comparison.compare(by, our_part, their_part)
        if math.isnan(verdict.difference):
            continue
        least = _least_p(by if by.series else ACCURACY, their_part)
        comparisons.append(SliceComparison(name, count, verdict.difference, verdict.p, least))
    return comparisons


def _least_p(metric: Metric, part: Sequence[Rows]) -> float:
    """The p of all rows of a part against none."""
    answer, values = (metric.column, (1.0, 0.0)) if metric.series else ("correct", (False, True))
    worst, best = ([{**one, answer: np.full_like(one[answer], x)} for one in part] for x in values)
    return paired_comparison.compare(metric, worst, best).p


def _parts(
    metric: Metric, rows: Rows, labels: Sequence[str]
) -> Iterator[tuple[Metric, str, int, Pick]]:
    """What scores each part that is not empty, its name, its number of rows, what takes it out."""
    for name, mask in _row_parts(metric, rows, labels):
        one_class = name.startswith("class ") and not metric.additive
        if mask.any():
            yield ACCURACY if one_class else metric, name, int(mask.sum()), partial(only, mask=mask)
    if metric.series:
        windows, steps = rows["error"].shape
        for step in range(steps):
            yield metric, f"step {step + 1}", windows, partial(_step, step=step)


def _relative(metric: Metric, rows: Rows, part: Rows) -> Rows:
    """A part whose errors are relative to the naive one of all rows: its own may be 0, as that of
    solar power by night, and the unit would decide then."""
    if not metric.series:
        return part
    column = f"naive_{metric.column}"
    naive, root = rows[column] ** metric.power, 1 / metric.power
    means = {None: naive.mean() ** root}
    if "series" in rows:  # not in older ones
        means = {
            one: naive[rows["series"] == one].mean() ** root for one in np.unique(rows["series"])
        }
    each = [[means[one]] for one in part.get("series", [None] * len(part[column]))]
    return {**part, column: np.broadcast_to(each, part[column].shape)}


def _row_parts(
    metric: Metric, rows: Rows, labels: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """The parts that are rows: a name and bool (row,) each."""
    if not metric.series:
        for index, label in enumerate(labels):
            yield f"class {label}", rows["label"] == index
    if "failure" in rows:
        yield "failures", rows["failure"]
    if "words" in rows:
        yield from _lengths(rows["words"])
    for name in measure.series_names(rows):
        yield f"series {name}", rows["series"] == name
    if "season" in rows:
        for quarter in range(4):
            yield f"quarter {quarter + 1} of the season", rows["season"] == quarter


def _lengths(words: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Thirds of the texts, by their number of words."""
    short, long = np.quantile(words, [1 / 3, 2 / 3], method="lower")
    yield f"up to {short} words", words <= short
    yield f"{short + 1} to {long} words", (words > short) & (words <= long)
    yield f"more than {long} words", words > long


def only(rows: Rows, mask: np.ndarray) -> Rows:
    """The rows of one seed of which the mask, bool (row,), is true."""
    each = (
        *("label", "predicted", "probabilities", "correct", "naive_correct", "words", "group"),
        *(*OF_STEPS, "time", "series", "season", "unseen", "failure"),
    )
    return {**rows, **{name: rows[name][mask] for name in each if name in rows}}


def _step(rows: Rows, step: int) -> Rows:
    return {**rows, **{name: rows[name][:, [step]] for name in OF_STEPS if name in rows}}
