"""The guard of a dataset's version: fitted once, kept in MLflow, packaged with every model."""

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from data import prepared
from models import architectures
from models.artifact import artifact
from models.training import guard
from pipelines.experiments import fingerprint, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import console

FINGERPRINT = "espalier.fingerprint"
DIGEST = "espalier.guard_sha256"


class GuardError(RuntimeError):
    """The guard could not be fitted, and no model of the dataset is packaged without."""


class Guard(NamedTuple):
    """A guard that was fitted, and where its files lie."""

    fingerprint: str
    folder: Path


def ensure(dataset: DatasetVersion, folder: Path, parent: str | None) -> Guard:
    """Return the guard of this version of the dataset: from MLflow, wherever it was fitted; where
    there is none, or a damaged one, it is fitted now, below the run `parent`.

    folder: the prepared data. Raises GuardError.
    """
    parameters = guard.parameters(dataset.task, dataset.facts)
    known_by = _fingerprint(dataset, parameters)
    for run in tracking.runs(dataset, tracking.GUARD, "FINISHED"):
        if run.data.tags[FINGERPRINT] == known_by and (known := _whole(run)):
            return Guard(known_by, known)
    tags = {
        "espalier.kind": tracking.GUARD,
        "espalier.parameters": json.dumps(parameters, sort_keys=True),
        FINGERPRINT: known_by,
    }
    try:
        with tracking.active(dataset, tracking.GUARD, tags, parent) as run_id:
            _fit(dataset.task, parameters, folder)
    except Exception as error:
        raise GuardError(
            f"the guard of {dataset.name}, which measures familiarity, could not be fitted: {error}"
        ) from error
    return Guard(known_by, tracking.artifact_folder(run_id))


def _fingerprint(dataset: DatasetVersion, parameters: dict) -> str:
    return fingerprint.fingerprint(
        dataset_hash=dataset.hash,
        task=dataset.task,
        arch=architectures.GUARD,
        parameters=parameters,
        seed=guard.SEED,
        sources=architectures.sources(dataset.task, architectures.GUARD),
        backend=fingerprint.backend(),
    )


def _whole(run) -> Path | None:
    """The folder of a guard's files, if they are there and undamaged."""
    from mlflow.exceptions import MlflowException

    try:
        folder = tracking.artifact_folder(run.info.run_id)
        return folder if _digest(folder) == run.data.tags[DIGEST] else None
    except (MlflowException, OSError):
        return None


def _fit(task: str, parameters: dict, folder: Path) -> None:
    """Fit the guard and keep it with the active run."""
    import mlflow

    dataset = prepared.read(folder)
    start, total = time.monotonic(), parameters["epochs"]
    with (
        console.epochs(tracking.GUARD, total) as show,
        tempfile.TemporaryDirectory(prefix="espalier-") as scratch,
    ):

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)

        fitted = guard.fit(task, parameters, dataset.splits, dataset.facts, on_epoch)
        share = guard.write(Path(scratch), fitted, dataset.splits["test"], dataset.facts)
        mlflow.log_artifacts(scratch, tracking.MODEL)
        mlflow.set_tag(DIGEST, _digest(Path(scratch)))
    mlflow.log_params(parameters)
    mlflow.log_metrics({"fit_seconds": fitted.seconds, "test_familiar": share})
    said = f"{len(fitted.history)} epochs; {share:.1%} of the test rows look familiar"
    console.line(tracking.GUARD, said, time.monotonic() - start)


def _digest(folder: Path) -> str:
    """sha256 over the files that travel with each model."""
    files = b"".join((folder / name).read_bytes() for name in artifact.GUARD)
    return hashlib.sha256(files).hexdigest()
