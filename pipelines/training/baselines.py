"""What a leaderboard shows beside the models: baselines that learn nothing, and classical rivals.

Each is scored once for a version of the dataset and of its own code, and kept in MLflow. None of
them can become champion.
"""

import importlib
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, ranking, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.scores import log_scores
from pipelines.experiments.tracking import BASELINE, RIVAL
from pipelines.runtime import console, environment

if TYPE_CHECKING:
    from models.evaluation.measure import Scores

# How many runs one module records: a kill may leave a part of them.
TOGETHER = "espalier.together"


@dataclass(frozen=True)
class Source:
    """A module that scores baselines or rivals on one version of a dataset."""

    dataset: DatasetVersion
    kind: str
    module: str
    fingerprint: str


def sources(dataset: DatasetVersion) -> list[Source]:
    """The baselines of every task, and the rivals of those that have some."""
    modules = {BASELINE: "models.evaluation.baselines", RIVAL: f"models.rivals.{dataset.task}"}
    return [
        Source(dataset, kind, module, fingerprint.of_baseline(dataset, file))
        for kind, module in modules.items()
        if (file := environment.ROOT / f"{module.replace('.', '/')}.py").is_file()
    ]


def unscored(dataset: DatasetVersion) -> list[Source]:
    """The sources whose outcome, a failure or scores, is not on record yet."""
    missing = []
    for source in sources(dataset):
        rows = tracking.present(dataset, source.kind, [source.fingerprint])
        if not rows or len(rows) < int(rows[0].tags[TOGETHER]):
            missing.append(source)
    return missing


def score(source: Source, parent: str) -> list[console.Line]:
    """Score what a source holds, below the run `parent`; returns the lines to print.

    One that fails is recorded as failed and raises nothing: it stops no retraining.
    """
    import mlflow

    environment.apply()
    start, metric = time.monotonic(), ranking.metric(source.dataset)
    try:
        scored = _scored(source)
    except Exception as error:
        with suppress(Exception), _run(source, source.module, 1, parent):
            raise  # so that the run ends as failed, with the cause
        seconds = time.monotonic() - start
        return [console.Line(source.kind, f"{source.module} failed: {error}", seconds)]
    seconds, lines = time.monotonic() - start, []
    for name, scores in scored.items():
        with _run(source, name, len(scored), parent):
            log_scores(metric, scores)
            mlflow.log_metric("fit_seconds", seconds)
        validation, test = (scores[split].metrics[metric.name] for split in ("validation", "test"))
        figures = f"{console.figure(validation)}, on test {console.figure(test)}"
        text = f"{name}; {metric.name} {figures}"
        lines.append(console.Line(source.kind, text, seconds))
    return lines


def _scored(source: Source) -> dict[str, dict[str, "Scores"]]:
    """Name → split → scores."""
    module = importlib.import_module(source.module)
    read = data.rows(source.dataset)
    if source.kind == BASELINE:
        return module.baselines(read.splits, read.facts)
    return module.rivals(read.splits, read.facts)


def _run(source: Source, name: str, together: int, parent: str) -> AbstractContextManager[Any]:
    tags = {
        "espalier.kind": source.kind,
        "espalier.fingerprint": source.fingerprint,
        TOGETHER: str(together),
    }
    return tracking.active(source.dataset, name, tags, parent)
