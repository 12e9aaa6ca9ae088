"""Which fit is the best, by validation alone: the test split has no say before the gate."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Record
from pipelines.runtime import settings

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric  # imports NumPy, which planning does without


def metric(dataset: DatasetVersion) -> "Metric":
    """What the dataset is decided by: as its facts say, or where they lie elsewhere its entry."""
    from models.evaluation import metrics

    facts = dataset.facts or settings.declared(dataset.name)
    return metrics.of({"metric": facts.get("metric"), "task": dataset.task})


def best(dataset: DatasetVersion, records: Iterable[Record]) -> Record:
    """The record with the best validation score; the test score has no say here."""
    return ranked(dataset, records)[0]


def ranked(dataset: DatasetVersion, records: Iterable[Record]) -> list[Record]:
    """The records by their validation score, the best first.

    Of equals the one of the smaller log loss, which tells apart what answers one class alone; then
    the refit, whose score is that of the fit before it; then the first by name.
    """
    by = metric(dataset)
    name = f"validation_{by.name}"

    def place(record: Record) -> tuple:
        loss = record.metrics.get("validation_log_loss", math.inf)
        return -by.sign * record.metrics[name], loss, not record.refit, record.arch, record.seed

    return sorted(records, key=place)
