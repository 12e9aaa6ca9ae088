"""Two models on the same rows: better, worse, or cannot tell."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.evaluation import bootstrap, measure
from models.evaluation.metrics import ACCURACY, Metric
from pipelines.gate import significance

Rows = Mapping[str, np.ndarray]  # `models.evaluation.measure.Scores.rows` of one split and seed

BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"
BY_BLOCKS = "Diebold–Mariano, its variance by block bootstrap"
MANY = 1e6  # degrees of freedom, as good as infinitely many


@dataclass(frozen=True)
class Verdict:
    """What the rows say of one model beside another.

    outcome: "better", "worse" or "cannot tell".
    difference: in the metric (of MAE in the data's own unit where the naive forecast is perfect);
        above 0 where ours is better, whatever the metric.
    low, high: its 95 % interval; in a `matrix` all of them hold together so often.
    p: two-sided, for no difference.
    effect: the mean of the difference from row to row over its standard deviation (Cohen's d of
        paired rows); above 0 where ours is better.
    method: what p is from.
    blocks: where there is no telling only because errors last too long for the split, how many
        blocks of it know nothing of each other; else 0.
    """

    outcome: str
    difference: float
    low: float
    high: float
    p: float
    effect: float
    method: str
    blocks: int = 0

    def reversed(self) -> "Verdict":
        """The same from the other side, without its outcome."""
        return replace(
            self,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            effect=-self.effect,
        )


def compare(
    metric: Metric, ours: Sequence[Rows], theirs: Sequence[Rows], alpha: float = 0.05
) -> Verdict:
    """Judge ours beside theirs; each side is one mapping of rows for every seed.

    A side of one seed is judged as that one model, of several as the architecture behind them.
    alpha: the p below which there is a difference.
    Raises ValueError when the rows do not pair.
    """
    verdict, estimate = _compared(metric, ours, theirs)
    return _judged(verdict, verdict.p, alpha, _blocks(estimate, verdict, alpha))


def _compared(
    metric: Metric, ours: Sequence[Rows], theirs: Sequence[Rows]
) -> tuple[Verdict, bootstrap.Estimate]:
    """A verdict without its outcome, and what its interval is from."""
    check(metric, ours, theirs)
    values, weights, block = measure.losses(metric, [*ours, *theirs])
    gains, losses = values[: len(ours)], values[len(ours) :]
    if not metric.more_is_better:  # the side that errs more gains less
        gains, losses = losses, gains
    estimate = _estimate(metric, gains, losses, weights, block, ours[0])
    p, method = _p_value(metric, gains, losses, ours[0], estimate)
    effect = _effect(gains.mean(axis=0) - losses.mean(axis=0))
    verdict = Verdict(CANNOT_TELL, estimate.value, *estimate.interval(), p, effect, method)
    return verdict, estimate


def matrix(
    metric: Metric, models: Mapping[str, Sequence[Rows]], alpha: float = 0.05
) -> dict[tuple[str, str], Verdict]:
    """Judge every model beside every other: (ours, theirs) → verdict.

    p is corrected for the number of pairs (Holm); outcome and interval follow the corrected one.
    """
    pairs = list(itertools.combinations(models, 2))
    compared = [_compared(metric, models[ours], models[theirs]) for ours, theirs in pairs]
    p_values = np.array([verdict.p for verdict, _ in compared])
    corrected = significance.holm(p_values.tolist())
    # What Holm divides alpha by; less is left where a smaller p of another pair was not below it.
    rank = p_values.argsort(kind="stable").argsort(kind="stable")
    left = np.divide(p_values, corrected, out=np.ones(len(pairs)), where=p_values > 0)
    levels = alpha * np.fmin(1 / (len(pairs) - rank), left)
    matrix = {}
    judged = zip(pairs, compared, corrected, levels.tolist(), strict=True)
    for (ours, theirs), (raw, estimate), p, level in judged:
        low, high = estimate.interval(level)
        verdict = replace(raw, low=low, high=high)
        blocks = _blocks(estimate, raw, alpha / len(pairs))
        matrix[ours, theirs] = _judged(verdict, p, alpha, blocks)
        matrix[theirs, ours] = _judged(verdict.reversed(), p, alpha, blocks)
    return matrix


def against_naive(metric: Metric, rows: Sequence[Rows], alpha: float = 0.05) -> Verdict:
    """Judge a model beside the naive answer on its own rows: one class, naive forecast."""
    return compare(metric, rows, [metric.naive(rows[0])], alpha)


def not_worse(metric: Metric, ours: Rows, theirs: Rows, margin: float, alpha: float) -> bool:
    """Say whether ours is proven to lose less than a margin.

    Args:
        metric: what the margin is of.
        ours, theirs: the rows of one model each.
        margin: in the metric.
        alpha: two-sided; the chance of a wrong yes is half of it.

    Raises:
        ValueError: the rows do not pair.
    """
    check(metric, [ours], [theirs])
    values, weights, block = measure.losses(metric, [ours, theirs])
    if metric is ACCURACY and "group" not in ours:
        p = significance.tango(values[0] > 0, values[1] > 0, margin)
    else:
        gains, losses = values[:1], values[1:]
        if not metric.more_is_better:
            gains, losses = losses, gains
        estimate = _estimate(metric, gains, losses, weights, block, ours)
        p = replace(estimate, value=estimate.value + margin).p()
        p = p / 2 if estimate.value > -margin else 1 - p / 2
    return p < alpha / 2


def provable(verdict: Verdict, alpha: float) -> float:
    """Return the least gain that rows like these would prove at a level: half of such gains."""
    from scipy.special import ndtri

    error = (verdict.high - verdict.low) / (2 * ndtri(0.975))
    return float(-ndtri(alpha / 2) * error)


def check(metric: Metric, ours: Sequence[Rows], theirs: Sequence[Rows]) -> None:
    """Raise ValueError unless the seeds of both sides were scored on the same rows."""
    shared = f"naive_{metric.column}" if metric.series else "label"
    columns = [rows[shared] for rows in (*ours, *theirs)]
    if not (len(ours) and len(theirs) and len(columns[0])):
        raise ValueError(
            f"nothing to compare: {len(ours)} and {len(theirs)} seeds, "
            f"{len(columns[0]) if columns else 0} rows; each side needs at least one of both"
        )
    first = columns[0]
    for column in columns[1:]:
        if column.shape != first.shape or not np.allclose(column, first):
            raise ValueError(
                f"rows do not pair: {shared} differs, of shape {first.shape} on one side and "
                f"{column.shape} on the other; score both on one version of the data"
            )


def _estimate(
    metric: Metric,
    gains: np.ndarray,
    losses: np.ndarray,
    weights: np.ndarray,
    block: int,
    rows: Rows,
) -> bootstrap.Estimate:
    """The difference of the metric; of classes as if one row more had told the models apart.

    Rows that all agree are no proof of sameness (Agresti and Min, Simple Improved Confidence
    Intervals for Comparing Matched Proportions, Statistics in Medicine, 2005).
    """
    estimate = bootstrap.difference(gains, losses, weights, block)
    if metric.series:
        return estimate
    return replace(estimate, error=math.hypot(estimate.error, metric.grain(rows)))


def _p_value(
    metric: Metric, gains: np.ndarray, losses: np.ndarray, rows: Rows, estimate: bootstrap.Estimate
) -> tuple[float, str]:
    """Return p and what it is from.

    Of two forecasts it is the test of Diebold and Mariano (Comparing Predictive Accuracy, Journal
    of Business and Economic Statistics, 1995), the variance being that of the block bootstrap: the
    rectangular window of the original rejects too often where losses last beyond the horizon.
    """
    if len(gains) + len(losses) > 2:
        return estimate.p(), "paired bootstrap over rows and seeds"
    if "group" in rows:  # which are drawn whole: what is wrong of one patient is so in each picture
        return estimate.p(), "paired bootstrap over groups"
    if metric is ACCURACY:
        return significance.mcnemar(gains[0] > 0, losses[0] > 0), "McNemar's exact test"
    if not metric.series:
        return estimate.p(), "paired bootstrap over rows"
    return estimate.p(), BY_BLOCKS


def _effect(gains: np.ndarray) -> float:
    """Return Cohen's d of paired rows from what ours gains on each, (row,)."""
    mean, spread = float(gains.mean()), float(gains.std())
    if spread > 0:
        return mean / spread
    return math.copysign(bootstrap.HIGHEST, mean) if mean else 0.0


def _blocks(estimate: bootstrap.Estimate, verdict: Verdict, level: float) -> int:
    """How many blocks of forecasts know nothing of each other, where this difference with this
    error would tell if there were many; else 0."""
    told = verdict.method == BY_BLOCKS and replace(estimate, freedom=MANY).p() < level
    return round(estimate.freedom) + 1 if told else 0


def _judged(verdict: Verdict, p: float, alpha: float, blocks: int) -> Verdict:
    if p >= alpha:
        return replace(verdict, outcome=CANNOT_TELL, p=p, blocks=blocks)
    return replace(verdict, outcome=BETTER if verdict.difference > 0 else WORSE, p=p)
