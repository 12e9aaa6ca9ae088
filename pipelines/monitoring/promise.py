"""What a version promised: its score on its own test split, as its fit recorded it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.artifact import artifact
from models.evaluation import measure
from models.evaluation.metrics import LEVEL, MAE
from pipelines.experiments import registry, scores, tracking, verification
from pipelines.experiments.tracking import Record
from pipelines.monitoring import sequential_test


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval.

    name: of which part. labelled: how many answers. promised: of the same part of the test split;
    None where that is not known, or was too small to be any.
    """

    name: str
    labelled: int
    score: float
    low: float
    high: float
    promised: float | None = None


@dataclass(frozen=True)
class Promise:
    """What a version scored on its test split.

    rows: how many test rows, or windows that share no step, it is of, and mistakes among them.
    labels: the model's; of_label: the accuracy of each. naive: the naive forecast. history: how
    many values the model reads. coverage: of its intervals at 95 %.
    """

    score: Score
    rows: int
    mistakes: int
    labels: Sequence[str] = ()
    of_label: dict[str, float] | None = None
    naive: str = ""
    history: int = 0
    coverage: float | None = None


def of(task: str, dataset: str, version: str) -> Promise | None:
    """What a version promised; None where its run, or its rows, cannot be read."""
    numbers = registry.recorded_versions(task, dataset)
    if version not in numbers.values():
        numbers = {one.run_id: one.version for one in registry.versions(task, dataset)}
    runs = [run_id for run_id, number in numbers.items() if number == version]
    if not runs:
        return None
    try:
        rows = scores.rows_of(runs[0], "test")
        inputs = artifact.read_inputs(verification.artifact_folder(runs[0]))
    except (OSError, ValueError, KeyError):
        return None
    if task == "forecast":
        return _of_series(rows, inputs.history, tracking.record(runs[0]))
    right = rows["correct"].astype(bool)
    ends = sequential_test.interval(int(right.sum()), len(right))
    return Promise(
        Score("test", len(right), float(right.mean()), *ends),
        len(right),
        int((~right).sum()),
        inputs.labels,
        {
            name: float(right[rows["label"] == number].mean())
            for number, name in enumerate(inputs.labels)
            if (rows["label"] == number).any()
        },
    )


def _of_series(rows: dict, history: int, record: Record) -> Promise:
    """Of the windows that share no step with another: the first, and so on, of each series."""
    mean, low, high = measure.interval(MAE, [rows])
    chosen = np.concatenate(
        [
            np.flatnonzero(rows["series"] == name)[
                np.argsort(rows["time"][rows["series"] == name])
            ][:: int(rows["block"])]
            for name in np.unique(rows["series"])
        ]
    )
    lost = rows["error"].mean(axis=1) >= rows["naive_error"].mean(axis=1)
    return Promise(
        Score("test", len(lost), mean, low, high),
        len(chosen),
        int(lost[chosen].sum()),
        naive=record.naive,
        history=history,
        coverage=record.metrics.get(f"test_coverage_{100 * LEVEL:.0f}"),
    )
