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
from models.export import guard as guard_files
from models.training import guard
from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, tracking
from pipelines.runtime import console

FINGERPRINT = "espalier.fingerprint"
DIGEST = "espalier.guard_sha256"


class GuardError(RuntimeError):
    """The guard could not be fitted, and no model of the dataset is packaged without."""


class Guard(NamedTuple):
    """A guard that was fitted, and where its files lie."""

    fingerprint: str
    folder: Path


def ensure(task: str, dataset: str, dataset_hash: str, folder: Path, parent: str | None) -> Guard:
    """Return the guard of this version of the dataset: from MLflow, wherever it was fitted; where
    there is none, or a damaged one, it is fitted now, below the run `parent`.

    folder: the prepared data. Raises GuardError.
    """
    parameters = architectures.guard_parameters(task, data.facts(folder))
    known_by = fingerprint.of_guard(dataset_hash=dataset_hash, task=task, parameters=parameters)
    for run in tracking.runs(task, dataset, dataset_hash, tracking.GUARD, "FINISHED"):
        if run.data.tags[FINGERPRINT] == known_by and (known := _whole(run)):
            return Guard(known_by, known)
    tags = {
        "espalier.kind": tracking.GUARD,
        "espalier.dataset_hash": dataset_hash,
        "espalier.parameters": json.dumps(parameters, sort_keys=True),
        FINGERPRINT: known_by,
    }
    try:
        with tracking.active(task, dataset, tracking.GUARD, tags, parent) as run_id:
            _fit(task, parameters, folder)
    except Exception as error:
        said = f"the guard of {dataset}, which says what is familiar, could not be fitted: {error}"
        raise GuardError(said) from error
    return Guard(known_by, tracking.artifact_folder(run_id))


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
        share = guard_files.write(Path(scratch), fitted, dataset.splits["test"], dataset.facts)
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
