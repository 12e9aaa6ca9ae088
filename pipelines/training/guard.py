"""The guard of a dataset's version: fitted once, kept in MLflow, packaged with every model."""

import hashlib
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from models import architectures
from models.artifact import artifact
from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Row
from pipelines.processes import servers
from pipelines.reports import leaderboard
from pipelines.runtime import console, environment

DIGEST = "espalier.guard_sha256"


class GuardError(RuntimeError):
    """The guard could not be fitted, and no model of the dataset is packaged without."""


class Guard(NamedTuple):
    """A guard that was fitted, the run that keeps it, and the lines to print of it."""

    fingerprint: str
    run_id: str
    lines: tuple[console.Line, ...] = ()


def ensure(dataset: DatasetVersion, parent: str | None) -> Guard:
    """Return the guard of this version of the dataset: from MLflow, wherever it was fitted; where
    there is none, or a damaged one, it is fitted now, below the run `parent`.

    Raises GuardError.
    """
    environment.apply()
    parameters = architectures.guard_parameters(dataset.task, dataset.facts)
    identity = fingerprint.of_guard(dataset)
    present = partial(tracking.present, dataset, tracking.GUARD, [identity])
    for row in servers.awaited(present, "say what is on record"):
        if row.status == "FINISHED" and _is_whole(row):
            return Guard(identity, row.run_id, _warnings(row.metrics["test_familiar"]))
    tags = {
        "espalier.kind": tracking.GUARD,
        "espalier.parameters": json.dumps(parameters, sort_keys=True),
        "espalier.fingerprint": identity,
    }
    try:
        with tracking.active(dataset, tracking.GUARD, tags, parent) as run:
            lines = _fit(dataset, parameters)
    except Exception as error:
        raise GuardError(
            f"the guard of {dataset.name}, which measures familiarity, could not be fitted: {error}"
        ) from error
    return Guard(identity, run.run_id, lines)


def _is_whole(row: Row) -> bool:
    """Whether a guard's files are there and undamaged."""
    try:
        return _digest(verification.artifact_folder(row.run_id)) == row.tags[DIGEST]
    except OSError:
        return False


def _fit(dataset: DatasetVersion, parameters: dict) -> tuple[console.Line, ...]:
    """Fit the guard and keep it with the active run."""
    import mlflow

    from models.export import guard as guard_files
    from models.training import guard

    rows = data.rows(dataset)
    start, total = time.monotonic(), parameters["epochs"]
    with (
        console.epochs(tracking.GUARD, total) as show,
        tempfile.TemporaryDirectory(prefix="espalier-") as scratch,
    ):

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)

        fitted = guard.fit(dataset.task, parameters, rows.splits, rows.facts, on_epoch)
        share = guard_files.write(Path(scratch), fitted, rows.splits["test"], rows.facts)
        mlflow.log_artifacts(scratch, tracking.MODEL)
        mlflow.set_tag(DIGEST, _digest(Path(scratch)))
    mlflow.log_params(parameters)
    mlflow.log_metrics({"fit_seconds": fitted.seconds, "test_familiar": share})
    text = f"{len(fitted.history)} epochs; {share:.1%} of the test rows look familiar"
    return console.Line(tracking.GUARD, text, time.monotonic() - start), *_warnings(share)


def _warnings(share: float) -> tuple[console.Line, ...]:
    said = leaderboard.unfamiliar(share)
    return tuple(console.Line(tracking.GUARD, f"warning: {one}") for one in said)


def _digest(folder: Path) -> str:
    """sha256 over the files that travel with each model."""
    files = b"".join((folder / name).read_bytes() for name in artifact.GUARD)
    return hashlib.sha256(files).hexdigest()
