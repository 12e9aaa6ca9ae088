"""The guard of a dataset's version: fitted once, kept in MLflow, packaged with every model."""

import hashlib
import tempfile
import time
from pathlib import Path

from data import prepared
from models import architectures, artifact, guard
from pipelines import console, fingerprint, tracking
from pipelines import dataset as data
from pipelines.plan import Fit

KIND = "guard"  # of its run in MLflow, which no leaderboard reads
DIGEST = "espalier.guard_sha256"


class GuardError(RuntimeError):
    """The guard could not be fitted; without one no model of the dataset is packaged."""


def ensure(
    task: str, dataset: str, dataset_hash: str, folder: Path, parent: str | None
) -> tuple[str, Path]:
    """Return the fingerprint of the dataset's guard and the folder of its files.

    It is taken from MLflow, on whatever machine it was fitted; where there is none, or a damaged
    one, it is fitted now. folder: the prepared data. parent: the run that a new one belongs to.
    """
    planned = _planned(task, dataset, dataset_hash, data.facts(folder))
    known = _known(planned)
    if known is None:
        try:
            known = tracking.artifact_folder(_fit(planned, folder, parent))
        except Exception as error:
            raise GuardError(
                f"the familiarity guard of {dataset} could not be fitted: {error}"
            ) from error
    return planned.fingerprint, known


def _planned(task: str, dataset: str, dataset_hash: str, facts: dict) -> Fit:
    parameters = guard.parameters(task, facts)
    known_by = fingerprint.fingerprint(
        dataset_hash=dataset_hash,
        task=task,
        arch=architectures.GUARD,
        parameters=parameters,
        seed=guard.SEED,
        sources=architectures.sources(task, architectures.GUARD),
        backend=fingerprint.backend(),
    )
    return Fit(
        task=task,
        dataset=dataset,
        dataset_hash=dataset_hash,
        arch=architectures.GUARD,
        seed=guard.SEED,
        profile=KIND,  # all profiles share it
        parameters=parameters,
        fingerprint=known_by,
    )


def _known(planned: Fit) -> Path | None:
    """The folder of a guard that was finished and whose files are whole."""
    from mlflow.exceptions import MlflowException

    runs = tracking.connect().search_runs(
        [tracking.experiment(planned.task, planned.dataset)],
        filter_string=f"attributes.status = 'FINISHED' and tags.`espalier.kind` = '{KIND}' "
        f"and tags.`espalier.fingerprint` = '{planned.fingerprint}'",
    )
    for run in runs:
        try:
            folder = tracking.artifact_folder(run.info.run_id)
            if _digest(folder) == run.data.tags[DIGEST]:
                return folder
        except (MlflowException, OSError):
            continue
    return None


def _fit(planned: Fit, folder: Path, parent: str | None) -> str:
    """Fit the guard and record it; returns its run's id."""
    import mlflow

    dataset = prepared.read(folder)
    start, total = time.monotonic(), planned.parameters["epochs"]
    with (
        tracking.child(planned, parent, KIND) as run_id,
        console.epochs(KIND, total) as show,
        tempfile.TemporaryDirectory(prefix="espalier-") as scratch,
    ):

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)

        fitted = guard.fit(
            planned.task, planned.parameters, dataset.splits, dataset.facts, on_epoch
        )
        share = guard.write(Path(scratch), fitted, dataset.splits["test"], dataset.facts)
        mlflow.log_artifacts(scratch, tracking.MODEL)
        mlflow.log_metrics({"fit_seconds": fitted.seconds, "test_familiar": share})
        mlflow.set_tag(DIGEST, _digest(Path(scratch)))
    said = f"{len(fitted.history)} epochs; {share:.1%} of the test rows look familiar"
    console.line(KIND, said, time.monotonic() - start)
    return run_id


def _digest(folder: Path) -> str:
    """sha256 over the files that travel with each model."""
    files = b"".join((folder / name).read_bytes() for name in artifact.GUARD)
    return hashlib.sha256(files).hexdigest()
