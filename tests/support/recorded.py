"""Finished fits in a real MLflow store, without training anything."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from models.artifact import artifact
from models.evaluation import measure
from models.evaluation.measure import Scores
from pipelines.experiments import ranking, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.scores import log_scores

HASH = "0123456789abcdef0123456789abcdef.dir"
DIGITS = DatasetVersion("image", "digits", HASH)
FACTS = {"name": "digits", "task": "image", "rows": {"train": 1000}}


def fit(
    arch: str = "cnn",
    seed: int = 0,
    dataset_hash: str = HASH,
    dataset: str = "digits",
    **changes,
) -> Fit:
    """A planned fit of the image task."""
    parameters = {"epochs": 1} | changes
    return Fit(
        dataset=DatasetVersion("image", dataset, dataset_hash),
        arch=arch,
        seed=seed,
        profile="quick",
        parameters=parameters,
        fingerprint=f"{arch}-{seed}-{dataset_hash}-{json.dumps(parameters)}",
    )


def finished(
    planned: Fit,
    folder: Path,
    parent: str | None = None,
    epochs: Callable[[], None] = lambda: None,
    rows: Mapping[str, Scores] | None = None,
    inputs=None,
    write: Callable[[Path], str] | None = None,
    **scores: float,
) -> tracking.Record:
    """Record the fit as done, with an artifact of a few bytes and the given scores.

    epochs: called while the run is active; what it raises ends the run. rows: the scores of
    validation and test with their rows, where these are asked for. inputs: the artifact's. write:
    writes a whole artifact instead, and returns its manifest's sha256.
    """
    import mlflow

    folder.mkdir(parents=True)
    for name in sorted(artifact.REQUIRED):
        (folder / name).write_text(f"{name} of {planned.fingerprint}")
    if inputs is not None:
        artifact.write_inputs(folder, inputs)
    metric = ranking.metric(planned.dataset)
    metrics = {
        f"validation_{metric.name}": 0.9,
        f"test_{metric.name}": 0.9,
        "test_floor": 0.1,
        "parameter_count": 10,
        "fit_seconds": 1.0,
        "latency_ms": 0.1,
    } | scores
    for split in ("validation", "test"):
        for end, by in (("low", -0.01), ("high", 0.01)):
            metrics[f"{split}_{metric.name}_{end}"] = metrics[f"{split}_{metric.name}"] + by
    with tracking.child(planned, parent) as run:
        epochs()
        identity = {"fingerprint": planned.fingerprint}
        digest = write(folder) if write else artifact.write_manifest(folder, identity)
        mlflow.log_artifacts(str(folder), tracking.MODEL)
        mlflow.log_metrics(metrics)
        mlflow.set_tags({"espalier.manifest_sha256": digest, "espalier.naive": "majority class"})
        if rows is not None:
            log_scores(metric, rows)
    return tracking.record(run.run_id)


def classified(right: float, labels: list[str], seed: int = 0) -> dict[str, Scores]:
    """Scores on both splits, of 100 rows a class, of a model that has this share of them right."""
    chance = np.random.default_rng(seed)
    label = np.arange(100 * len(labels)) % len(labels)
    predicted = np.where(chance.random(len(label)) < right, label, (label + 1) % len(labels))
    splits = {split: {"label": label} for split in ("train", "validation", "test")}
    answers = {split: np.eye(len(labels))[predicted] for split in ("validation", "test")}
    return measure.score_probabilities(answers, splits, {"task": "image", "labels": labels})
