"""Two models on the same rows: better, worse, or cannot tell."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models import measure
from pipelines.verdict import significance

Rows = Mapping[str, np.ndarray]  # `models.measure.Scores.rows` of one split and seed

BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """What the rows say of one model against another.

    outcome: "better", "worse" or "cannot tell".
    difference: in accuracy, or in MAE relative to the naive one; above 0 where ours is better.
    low, high: its 95 % interval. p: two-sided, for no difference.
    effect: the mean of the difference from row to row over its standard deviation (Cohen's d of
    paired rows). method: the name of the test that p is of.
    """

    outcome: str
    difference: float
    low: float
    high: float
    p: float
    effect: float
    method: str


def compare(
    task: str, ours: Sequence[Rows], theirs: Sequence[Rows], alpha: float = 0.05
) -> Verdict:
    """Judge ours against theirs; each side is one mapping of rows for every seed.

    Raises ValueError when the rows do not pair.
    """
    _check_pairs(task, [*ours, *theirs])
    values, weights, block = measure.losses(task, [*ours, *theirs])
    left, right = values[: len(ours)], values[len(ours) :]
    sign = -1 if task == "forecast" else 1
    estimate = significance.paired_bootstrap(left, right, weights, block)
    ends = sorted((sign * estimate.low, sign * estimate.high))
    p, method = estimate.p, "paired bootstrap"
    if len(values) == 2 and task != "forecast":
        p = significance.mcnemar(ours[0]["correct"], theirs[0]["correct"])
        method = "McNemar, exact"
    verdict = Verdict(
        CANNOT_TELL, sign * estimate.difference, *ends, p, _effect(sign, left, right), method
    )
    return _judged(verdict, p, alpha)


def matrix(
    task: str, models: Mapping[str, Sequence[Rows]], alpha: float = 0.05
) -> dict[tuple[str, str], Verdict]:
    """Judge each model against each other, (ours, theirs) → verdict, p corrected for them all."""
    pairs = list(itertools.combinations(models, 2))
    verdicts = [compare(task, models[ours], models[theirs], alpha) for ours, theirs in pairs]
    corrected = significance.holm([verdict.p for verdict in verdicts])
    found = {}
    for (ours, theirs), verdict, p in zip(pairs, verdicts, corrected, strict=True):
        found[ours, theirs] = judged = _judged(verdict, p, alpha)
        found[theirs, ours] = _turned(judged)
    return found


def against_naive(task: str, rows: Sequence[Rows], alpha: float = 0.05) -> Verdict:
    """Judge a model against the naive answer on its own rows: commonest class, naive forecast."""
    answers = {"error": "naive_error"} if task == "forecast" else {"correct": "naive_correct"}
    naive = rows[0] | {name: rows[0][floor] for name, floor in answers.items()}
    return compare(task, rows, [naive], alpha)


def not_worse(verdict: Verdict, margin: float) -> bool:
    """Whether ours loses at most `margin`: the low end of the interval stays above it."""
    return verdict.low > -margin


def _judged(verdict: Verdict, p: float, alpha: float) -> Verdict:
    outcome = CANNOT_TELL
    if p < alpha:
        outcome = BETTER if verdict.difference > 0 else WORSE
    return replace(verdict, outcome=outcome, p=p)


def _turned(verdict: Verdict) -> Verdict:
    """The same verdict from the other side."""
    outcome = {BETTER: WORSE, WORSE: BETTER}.get(verdict.outcome, verdict.outcome)
    return replace(
        verdict,
        outcome=outcome,
        difference=-verdict.difference,
        low=-verdict.high,
        high=-verdict.low,
        effect=-verdict.effect,
    )


def _effect(sign: int, ours: np.ndarray, theirs: np.ndarray) -> float:
    apart = sign * (ours.mean(axis=0) - theirs.mean(axis=0))
    spread = apart.std()
    return float(apart.mean() / spread) if spread > 0 else 0.0


def _check_pairs(task: str, rows: Sequence[Rows]) -> None:
    column = "naive_error" if task == "forecast" else "label"
    first = rows[0][column]
    for other in rows[1:]:
        if len(other[column]) != len(first):
            raise ValueError(f"rows do not pair: {len(first)} and {len(other[column])} of them")
        if not np.allclose(other[column], first):
            raise ValueError(
                f"rows do not pair: {column} of the {len(first)} rows differ; score both models "
                "on the same version of the data"
            )
