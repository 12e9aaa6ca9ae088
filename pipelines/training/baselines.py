"""What a leaderboard shows beside the models: baselines that learn nothing, and classical rivals.

Each is scored once for a version of the dataset and of its own code, and kept in MLflow. None of
them can become champion.
"""

import importlib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data import prepared
from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, ranking, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import BASELINE, RIVAL
from pipelines.runtime import console, environment

if TYPE_CHECKING:
    from models.evaluation.measure import Scores

FINGERPRINT = "espalier.fingerprint"
# How many runs one module records: a kill may leave a part of them.
TOGETHER = "espalier.together"


@dataclass(frozen=True)
class Source:
    """A module that scores baselines or a rival on one version of a dataset."""

    dataset: DatasetVersion
    kind: str
    module: str
    fingerprint: str


def unscored(dataset: DatasetVersion) -> list[Source]:
    """The sources whose outcome, a failure or scores, is not on record yet."""
    runs = _runs(dataset)
    counts = Counter(run.data.tags[FINGERPRINT] for run in runs)
    on_record = {
        run.data.tags[FINGERPRINT]
        for run in runs
        if counts[run.data.tags[FINGERPRINT]] >= int(run.data.tags[TOGETHER])
    }
    sources = _sources(dataset)
    return [source for source in sources if source.fingerprint not in on_record]


def score(source: Source, parent: str) -> list[console.Line]:
    """Score what a source holds, below the run `parent`; returns the lines to print.

    One that fails is recorded as failed and raises nothing: it stops no retraining.
    """
    import mlflow

    environment.apply()
    task, start = source.dataset.task, time.monotonic()
    metric = ranking.METRIC[task][0]
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
            tracking.log_scores(task, metric, scores)
            mlflow.log_metric("fit_seconds", seconds)
        validation, test = (scores[split].metrics[metric] for split in ("validation", "test"))
        text = f"{name}; {metric} {validation:.4f}, on test {test:.4f}"
        lines.append(console.Line(source.kind, text, seconds))
    return lines


def rows(dataset: DatasetVersion) -> list[dict]:
    """A row for each: name, kind, validation, test, fit_seconds, runs; baselines come first."""
    newest = {
        run.info.run_name: _row(ranking.METRIC[dataset.task][0], run)
        for run in _runs(dataset, ("FINISHED",))
    }
    return sorted(newest.values(), key=lambda row: row["kind"])


def failures(dataset: DatasetVersion) -> list[str]:
    """A sentence for each whose present code could not be scored."""
    failed = _runs(dataset, ("FAILED",))
    if not failed:
        return []
    present = {source.fingerprint for source in _sources(dataset)}
    return [
        f"{run.info.run_name} could not be scored: {run.data.tags[tracking.FAILURE]}"
        for run in failed
        if run.data.tags[FINGERPRINT] in present
    ]


def _sources(dataset: DatasetVersion) -> list[Source]:
    modules = {BASELINE: "models.evaluation.baselines", RIVAL: f"models.rivals.{dataset.task}"}
    return [
        Source(dataset, kind, module, fingerprint.of_baseline(dataset, file))
        for kind, module in modules.items()
        if (file := environment.ROOT / f"{module.replace('.', '/')}.py").is_file()
    ]


def _scored(source: Source) -> dict[str, dict[str, "Scores"]]:
    """Name → split → scores."""
    module = importlib.import_module(source.module)
    read = prepared.read(data.local(source.dataset))
    if source.kind == BASELINE:
        return module.baselines(read.splits, read.facts)
    return {module.NAME: module.rival(read.splits, read.facts)}


def _run(source: Source, name: str, together: int, parent: str):
    tags = {
        "espalier.kind": source.kind,
        FINGERPRINT: source.fingerprint,
        TOGETHER: str(together),
    }
    return tracking.active(source.dataset, name, tags, parent)


def _runs(dataset: DatasetVersion, statuses: Sequence[str] = ("FINISHED", "FAILED")) -> list:
    """The MLflow runs of baselines and rivals that finished, or failed with a cause."""
    return [
        run
        for kind, status in itertools.product((BASELINE, RIVAL), statuses)
        for run in tracking.runs(dataset, kind, status)
        if status == "FINISHED" or tracking.FAILURE in run.data.tags
    ]


def _row(metric: str, run) -> dict:
    metrics = run.data.metrics
    row = {"name": run.info.run_name, "kind": run.data.tags["espalier.kind"]}
    for split in ("validation", "test"):
        name = f"{split}_{metric}"
        row[split] = {"mean": metrics[name]} | {
            end: metrics[f"{name}_{end}"] for end in ("low", "high")
        }
    named = {"run_id": run.info.run_id, "seed": 0, "artifact_uri": run.info.artifact_uri}
    return row | {"fit_seconds": metrics["fit_seconds"], "runs": [named]}
