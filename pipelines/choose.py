"""Which model is the best, and whether it may become champion."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.tracking import Record

# The score that a task is decided by, and whether more of it is better.
METRIC = {
    "image": ("accuracy", True),
    "sentiment": ("accuracy", True),
    "forecast": ("relative_mae", False),
}


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and the reason in one sentence."""

    promote: bool
    reason: str


def best(task: str, records: Iterable[Record]) -> Record:
    """The record with the best validation score; the test score has no say here."""
    return ranked(task, records)[0]


def ranked(task: str, records: Iterable[Record]) -> list[Record]:
    """The records by their validation score, the best first; of equals the first by name."""
    metric, more_is_better = METRIC[task]
    sign = -1 if more_is_better else 1
    return sorted(records, key=lambda r: (sign * r.metrics[f"validation_{metric}"], r.arch, r.seed))


def decide(task: str, candidate: float, floor: float, champion: float | None) -> Decision:
    """The gate: test scores of the candidate, the naive floor, and the champion if there is one.

    All three are measured on the same test split. A tie keeps what is there.
    """
    metric, more_is_better = METRIC[task]
    sign = 1 if more_is_better else -1
    if sign * (candidate - floor) <= 0:
        return Decision(False, f"{metric} {candidate:.4f} does not beat the naive {floor:.4f}")
    if champion is None:
        return Decision(True, f"{metric} {candidate:.4f} beats the naive {floor:.4f}")
    if sign * (candidate - champion) <= 0:
        return Decision(
            False, f"{metric} {candidate:.4f} does not beat the champion's {champion:.4f}"
        )
    return Decision(
        True,
        f"{metric} {candidate:.4f} beats the champion's {champion:.4f} and the naive {floor:.4f}",
    )
