"""The record in MLflow: one parent run a retraining, one child an architecture and seed."""

import json
import os
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np

from models.artifact import artifact
from pipelines.experiments import fingerprint, tables
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.locks import lock
from pipelines.runtime import environment

# The artifact folder's place below a child run, and that of the row-wise scores beside it.
MODEL = "model"
SCORES = "scores"
# What a child run is, and why it failed or was pruned, where it was.
FIT, BASELINE, RIVAL, GUARD = "fit", "baseline", "rival", "guard"
FAILURE = "espalier.failure"
PRUNED = "espalier.pruned"
BACKEND = "espalier.backend"
TAG_CHARACTERS = 5000  # of a tag's value; MLflow refuses longer ones
STORE_SECONDS = 300  # for another process that makes or upgrades the store
# The score that a task is decided by, and whether more of it is better.
METRIC = {
    "image": ("accuracy", True),
    "sentiment": ("accuracy", True),
    "forecast": ("relative_mae", False),
}
# Of a finished fit what `records` asks for, beside that score and its interval on both splits.
TAGS = (
    "espalier.arch",
    "espalier.seed",
    "espalier.look",
    "espalier.profile",
    "espalier.fingerprint",
    "espalier.dataset_hash",
    "espalier.manifest_sha256",
    "espalier.naive",
    "espalier.parameters",
)
METRICS = ("test_floor", "parameter_count", "fit_seconds", "latency_ms")


class PrunedError(Exception):
    """A search ended the fit before its last epoch; the message says after which, and why."""


@dataclass(frozen=True)
class Record:
    """A finished fit as MLflow holds it.

    naive: the name of the forecast or class that is its floor. metrics: each one's last value; of
    `records` those that decide or are shown. look: whether it was a first look, which only decides
    who gets a full fit. artifact_uri: where its artifacts lie.
    """

    run_id: str
    arch: str
    seed: int
    profile: str
    fingerprint: str
    dataset_hash: str
    manifest_sha256: str
    naive: str
    parameters: dict
    metrics: dict[str, float]
    look: bool = False
    artifact_uri: str = ""


def connect():
    """An MLflow client; the first one makes or upgrades the store, one process at a time."""
    return _client(os.environ["MLFLOW_TRACKING_URI"])


@cache
def _client(uri: str):
    from mlflow import MlflowClient

    with lock.hold("mlflow", STORE_SECONDS):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def experiment(task: str, dataset: str) -> str:
    """The id of the experiment `espalier/<task>/<dataset>`, made when it is not there."""
    from mlflow.exceptions import MlflowException

    client, name = connect(), f"espalier/{task}/{dataset}"
    # A server says where artifacts go; a database would put them below the working folder.
    served = os.environ["MLFLOW_TRACKING_URI"].startswith("http")
    place = None if served else (environment.home() / "mlartifacts" / task / dataset).as_uri()
    # Two processes that make one name race, and MLflow's own helper lets the loser's runs go
    # to experiment 0: look, make, and look again.
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=place)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


@contextmanager
def parent(dataset: DatasetVersion, profile: str, verb: str) -> Iterator[str]:
    """A parent run for the time of the block; yields its id. It logs the dvc.lock in use."""
    client = connect()
    tags = {
        "mlflow.runName": f"{verb} {dataset.name}",
        "espalier.kind": verb,
        **_tags(dataset),
        "espalier.profile": profile,
        **commit(),
    }
    run = client.create_run(experiment(dataset.task, dataset.name), tags=tags)
    status = "FAILED"
    try:
        client.log_artifact(run.info.run_id, str(environment.ROOT / "dvc.lock"))
        yield run.info.run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run.info.run_id, status)
        tables.analyse(os.environ["MLFLOW_TRACKING_URI"])


@contextmanager
def active(
    dataset: DatasetVersion, name: str, tags: dict[str, str], parent_run_id: str | None
) -> Iterator[str]:
    """A run below the parent for the time of the block; inside it `mlflow.log_*` is its own.

    Failed when the block raises, with the cause; killed when a search pruned it; a process that is
    killed leaves it RUNNING, which counts for nothing and is ended by `mend`.
    """
    import mlflow

    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    with mlflow.start_run(
        experiment_id=experiment(dataset.task, dataset.name),
        run_name=name,
        parent_run_id=parent_run_id,
        tags={**_tags(dataset), **tags, **commit()},
        log_system_metrics=tags["espalier.kind"] == FIT,
    ) as run:
        try:
            yield run.info.run_id
        except PrunedError as pruned:
            mlflow.set_tag(PRUNED, str(pruned))
            mlflow.end_run("KILLED")
            raise
        except Exception as error:
            mlflow.set_tag(FAILURE, str(error)[:TAG_CHARACTERS])
            raise


@contextmanager
def child(fit: Fit, parent_run_id: str | None) -> Iterator[str]:
    """The run of a fit, with its parameters, fingerprint and dataset; yields its id."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset

    tags = {
        "espalier.kind": FIT,
        "espalier.arch": fit.arch,
        "espalier.seed": str(fit.seed),
        "espalier.profile": fit.profile,
        "espalier.fingerprint": fit.fingerprint,
        "espalier.parameters": json.dumps(fit.parameters, sort_keys=True),
        "espalier.look": json.dumps(fit.look),
        BACKEND: json.dumps(fingerprint.versions(), sort_keys=True),
    }
    dataset = fit.dataset
    with active(dataset, f"{fit.arch} {fit.seed}", tags, parent_run_id) as run_id:
        mlflow.log_params({**fit.parameters, "seed": fit.seed})
        source = mlflow.data.code_dataset_source.CodeDatasetSource({"dvc": dataset.name})
        mlflow.log_input(MetaDataset(source, name=dataset.name, digest=dataset.hash))
        yield run_id


def log_scores(task: str, metric: str, scores: Mapping) -> None:
    """Keep the metrics of each split with the active run, the interval of `metric`, and the rows.

    scores: split → `models.evaluation.measure.Scores`.
    """
    import mlflow

    from models.evaluation import measure

    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        for split, scored in scores.items():
            _, low, high = measure.interval(task, [scored.rows])
            metrics = scored.metrics | {f"{metric}_low": low, f"{metric}_high": high}
            mlflow.log_metrics({f"{split}_{name}": value for name, value in metrics.items()})
            # Not compressed: errors and probabilities hardly shrink, and take long to read then.
            np.savez(Path(scratch) / f"{split}.npz", **scored.rows)
        mlflow.log_artifacts(scratch, SCORES)
    mlflow.set_tag("espalier.naive", scores["test"].naive)


def records(dataset: DatasetVersion) -> list[Record]:
    """The finished fits on this version of the dataset, oldest first."""
    return _records(dataset.task, dataset.name, dataset.hash)


def all_records(task: str, dataset: str) -> list[Record]:
    """The finished fits on any version of the dataset, oldest first."""
    return _records(task, dataset, None)


def _records(task: str, dataset: str, dataset_hash: str | None) -> list[Record]:
    connect()
    uri, place = os.environ["MLFLOW_TRACKING_URI"], experiment(task, dataset)
    if tables.readable(uri):
        metrics = [*METRICS, *_scores(METRIC[task][0])]
        found = tables.finished(uri, place, dataset_hash, FIT, TAGS, metrics)
        return [_record(*run) for run in found]
    found = _runs(task, dataset, dataset_hash, FIT, "FINISHED")
    return [_record(*_parts(run)) for run in found]


def runs(dataset: DatasetVersion, kind: str, status: str) -> list:
    """The MLflow runs of one kind and status on this version of the dataset, oldest first."""
    return _runs(dataset.task, dataset.name, dataset.hash, kind, status)


def _runs(task: str, dataset: str, dataset_hash: str | None, kind: str, status: str) -> list:
    client, wanted = connect(), ""
    if dataset_hash is not None:
        wanted = f" and tags.`espalier.dataset_hash` = '{dataset_hash}'"
    found, token = [], None
    while True:
        page = client.search_runs(
            [experiment(task, dataset)],
            filter_string=f"attributes.status = '{status}' and tags.`espalier.kind` = '{kind}'"
            + wanted,
            order_by=["attributes.start_time ASC"],
            max_results=1000,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return found


def record(run_id: str) -> Record:
    """The finished fit with this run id."""
    return _record(*_parts(connect().get_run(run_id)))


def reusable(fits: list[Fit]) -> dict[str, Record]:
    """Fingerprint → record, for those of `fits` that were finished and whose artifact is whole."""
    if not fits:
        return {}
    wanted = {fit.fingerprint for fit in fits}
    done = records(fits[0].dataset)
    return {r.fingerprint: r for r in done if r.fingerprint in wanted and whole(r)}


def whole(fitted) -> bool:
    """Whether the artifact of a record or version is there and undamaged.

    One that is not is a fit to do again, and a champion that cannot be published any more.
    """
    return damage(fitted) is None


def damage(fitted) -> str | None:
    """What is wrong with the artifact of a record or version; None where it is whole."""
    from mlflow.exceptions import MlflowException

    try:
        artifact.check(artifact_folder(fitted.run_id), fitted.manifest_sha256)
    except (artifact.ArtifactError, MlflowException, OSError) as error:
        return str(error)
    return None


def artifact_folder(run_id: str) -> Path:
    """The run's artifact folder: in the store itself when that is a folder here, else fetched."""
    return _artifact(run_id, MODEL)


def rows(
    run_id: str, split: str, *, artifact_uri: str = "", only: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The run's scores row by row on one split, as `models.evaluation.measure` made them.

    artifact_uri: the run's, where it is known: asking for it takes longer than reading the scores.
    only: the columns to read, those of them that there are, instead of all.
    """
    file = _artifact(run_id, f"{SCORES}/{split}.npz", artifact_uri)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays if not only or name in only}


def dvc_lock(run_id: str) -> Path:
    """The dvc.lock that a parent run kept; not there where the run ended before it was logged."""
    return _artifact(run_id, "dvc.lock")


def _artifact(run_id: str, path: str, artifact_uri: str = "") -> Path:
    from mlflow.artifacts import download_artifacts

    place = urlparse(artifact_uri or connect().get_run(run_id).info.artifact_uri)
    if place.scheme in ("", "file"):
        return Path(url2pathname(place.path)) / path
    fetched = environment.home() / "fetched" / run_id
    fetched.mkdir(parents=True, exist_ok=True)
    return Path(download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(fetched)))


def mend(task: str, dataset: str) -> None:
    """End the runs that a killed process left RUNNING. Call it while holding the task's lock."""
    client = connect()
    for run in client.search_runs(
        [experiment(task, dataset)], filter_string="attributes.status = 'RUNNING'"
    ):
        client.set_terminated(run.info.run_id, "KILLED")


def _tags(dataset: DatasetVersion) -> dict[str, str]:
    return {
        "espalier.task": dataset.task,
        "espalier.dataset": dataset.name,
        "espalier.dataset_hash": dataset.hash,
    }


def _scores(metric: str) -> list[str]:
    ends = ("", "_low", "_high")
    return [f"{split}_{metric}{end}" for split in ("validation", "test") for end in ends]


def _parts(run) -> tuple[str, str, dict, dict]:
    return run.info.run_id, run.info.artifact_uri, run.data.tags, run.data.metrics


def _record(run_id: str, artifact_uri: str, tags: dict, metrics: dict) -> Record:
    return Record(
        run_id=run_id,
        arch=tags["espalier.arch"],
        seed=int(tags["espalier.seed"]),
        profile=tags["espalier.profile"],
        fingerprint=tags["espalier.fingerprint"],
        dataset_hash=tags["espalier.dataset_hash"],
        manifest_sha256=tags["espalier.manifest_sha256"],
        naive=tags["espalier.naive"],
        parameters=json.loads(tags["espalier.parameters"]),
        metrics=metrics,
        look=tags.get("espalier.look") == "true",
        artifact_uri=artifact_uri,
    )


@cache
def commit() -> dict[str, str]:
    """The tags that name the checkout's commit; none where there is no git."""
    git = ["git", "-C", str(environment.ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        return {}
    if head.returncode:
        return {}
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    dirty = str(bool(changed.stdout.strip())).lower()
    return {"mlflow.source.git.commit": head.stdout.strip(), "espalier.git_dirty": dirty}
