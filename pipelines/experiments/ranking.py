"""Which fit is the best, by validation alone: the test split has no say before the gate."""

from collections.abc import Iterable

from pipelines.experiments.leaderboard_rows import Record

# The score that a task is decided by, and whether more of it is better.
METRIC = {
    "image": ("accuracy", True),
    "sentiment": ("accuracy", True),
    "forecast": ("relative_mae", False),
}


def best(task: str, records: Iterable[Record]) -> Record:
    """The record with the best validation score; the test score has no say here."""
    return ranked(task, records)[0]


def ranked(task: str, records: Iterable[Record]) -> list[Record]:
    """The records by their validation score, the best first; of equals the first by name."""
    metric, more_is_better = METRIC[task]
    sign = -1 if more_is_better else 1
    return sorted(records, key=lambda r: (sign * r.metrics[f"validation_{metric}"], r.arch, r.seed))
