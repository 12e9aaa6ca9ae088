"""The record in MLflow: one parent run a retraining, one child an architecture and seed."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse, urlsplit
from urllib.request import url2pathname

from models.artifact import artifact
from pipelines.experiments import commit, fingerprint, leaderboard_rows
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import NAMED, Record, Row
from pipelines.experiments.plan import Fit
from pipelines.locks import lock
from pipelines.runtime import environment

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

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
PROBE_SECONDS = 5  # for a server's first answer
# The runs that a leaderboard shows, and the losses whose curves are kept with the row of a fit.
SHOWN, LOSSES = (FIT, BASELINE, RIVAL), ("loss", "val_loss")


class ServerError(RuntimeError):
    """The MLflow server does not answer; the message says which one and what to do."""


class PrunedError(Exception):
    """A search ended the fit before its last epoch; the message says after which, and why."""


def connect() -> "MlflowClient":
    """An MLflow client; the first one makes or upgrades the store, one process at a time.

    Raises ServerError.
    """
    return open_client(os.environ["MLFLOW_TRACKING_URI"])


@cache
def open_client(uri: str) -> "MlflowClient":
    _probe(uri)
    from mlflow import MlflowClient

    with lock.hold("mlflow", STORE_SECONDS):
        _make_store(uri)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def _make_store(uri: str) -> None:
    """Make the file of a new SQLite store, whole or not at all: MLflow refuses for ever what is
    left of one where it was killed between two tables."""
    from mlflow import MlflowClient

    address = urlsplit(uri)
    file = Path(address.path[1:])  # the first slash ends the empty host
    if not address.scheme.startswith("sqlite") or file.exists():
        return
    making = file.with_name(f"{file.name}.making")
    for left in file.parent.glob(f"{making.name}*"):
        left.unlink()
    MlflowClient(f"sqlite:///{making}").search_experiments(max_results=1)
    making.rename(file)


def _probe(uri: str) -> None:
    """Raise ServerError where a server does not answer: MLflow's own client tries for minutes."""
    import httpx

    if not uri.startswith("http"):
        return
    try:
        with environment.client(uri, PROBE_SECONDS) as client:
            client.get(f"{uri.rstrip('/')}/health")
    except httpx.TransportError as error:
        raise ServerError(
            f"the MLflow server {uri} does not answer ({error}): start it, correct "
            "MLFLOW_TRACKING_URI, or unset it to keep the record here"
        ) from error


def experiment(task: str, dataset: str) -> str:
    """The id of the experiment `espalier/<task>/<dataset>`, made when it is not there."""
    from mlflow.exceptions import MlflowException

    client, name = connect(), f"espalier/{task}/{dataset}"
    # A server says where artifacts go; a database would put them below the working folder.
    served = os.environ["MLFLOW_TRACKING_URI"].startswith("http")
    place = None if served else (environment.home() / "mlartifacts" / task / dataset).as_uri()
    # Two processes that make one name race, and MLflow's own helper lets the loser's runs go
    # to experiment 0: look, make, and look again.
    present = client.get_experiment_by_name(name)
    if present is None:
        try:
            created = client.create_experiment(name, artifact_location=place)
        except MlflowException:
            present = client.get_experiment_by_name(name)
            if present is None:
                raise
        else:
            leaderboard_rows.note(task, dataset, leaderboard_rows.TAKEN_IN, "yes")
            return created
    if present.lifecycle_stage == "deleted":
        client.restore_experiment(present.experiment_id)
    return present.experiment_id


@contextmanager
def parent(dataset: DatasetVersion, profile: str, verb: str) -> Iterator[str]:
    """A parent run for the time of the block; yields its id. It logs the dvc.lock in use."""
    client = connect()
    tags = {
        "mlflow.runName": f"{verb} {dataset.name}",
        "espalier.kind": verb,
        **_tags(dataset),
        "espalier.profile": profile,
        **commit.tags(),
    }
    run = client.create_run(experiment(dataset.task, dataset.name), tags=tags)
    status = "FAILED"
    try:
        client.log_artifact(run.info.run_id, str(environment.ROOT / "dvc.lock"))
        # MLflow looks for a dataset and then adds it: of two fits at once, one failed over the
        # other's. Here it is there before the first fit.
        client.log_inputs(run.info.run_id, [_input(dataset)])
        yield run.info.run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run.info.run_id, status)


def _input(dataset: DatasetVersion) -> "DatasetInput":
    """The dataset as an input of a run: what MLflow's page lists, by its name and hash."""
    from mlflow.entities import Dataset, DatasetInput

    source = json.dumps({"tags": {"dvc": dataset.name}})
    return DatasetInput(Dataset(dataset.name, dataset.hash, source_type="code", source=source))


@contextmanager
def active(
    dataset: DatasetVersion, name: str, tags: dict[str, str], parent_run_id: str | None
) -> Iterator[str]:
    """A run below the parent for the time of the block; inside it `mlflow.log_*` is its own.

    Failed when the block raises, with the cause; killed when a search pruned it; a process that is
    killed leaves it RUNNING, which counts for nothing and is ended by `mend`. What ended has a row
    of the leaderboard.
    """
    import mlflow

    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    os.environ.pop("MLFLOW_RUN_ID", None)  # else MLflow goes on with that run instead
    run = mlflow.start_run(
        experiment_id=experiment(dataset.task, dataset.name),
        run_name=name,
        parent_run_id=parent_run_id,
        tags={**_tags(dataset), **tags, **commit.tags()},
        log_system_metrics=tags["espalier.kind"] == FIT,
    )
    try:
        with run:
            try:
                yield run.info.run_id
            except PrunedError as pruned:
                mlflow.set_tag(PRUNED, str(pruned))
                mlflow.end_run("KILLED")
                raise
            except Exception as error:
                mlflow.set_tag(FAILURE, str(error)[:TAG_CHARACTERS])
                raise
    except Exception:
        with suppress(Exception):  # the cause is what its caller needs to see
            take_in([run.info.run_id])
        raise
    take_in([run.info.run_id])


@contextmanager
def child(fit: Fit, parent_run_id: str | None) -> Iterator[str]:
    """The run of a fit, with its parameters, fingerprint and dataset; yields its id."""
    import mlflow

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
        connect().log_inputs(run_id, [_input(dataset)])
        yield run_id


def records(dataset: DatasetVersion) -> list[Record]:
    """The finished fits on this version of the dataset, oldest first."""
    return [
        leaderboard_rows.record_of(row) for row in ended(dataset, FIT) if row.status == "FINISHED"
    ]


def all_records(task: str, dataset: str) -> list[Record]:
    """The finished fits on any version of the dataset, oldest first."""
    _take_in_store(task, dataset)
    return _finished(leaderboard_rows.read(task, dataset, FIT))


def ended(dataset: DatasetVersion, kind: str) -> list[Row]:
    """The runs of one kind on this version that finished, or failed with a cause, oldest first."""
    _take_in_store(dataset.task, dataset.name)
    return leaderboard_rows.read(dataset.task, dataset.name, kind, dataset.hash)


def present(dataset: DatasetVersion, kind: str, fingerprints: Collection[str]) -> list[Row]:
    """The runs of one kind with these fingerprints that MLflow holds, oldest first.

    A row whose run was deleted is removed; a run that has no row gets one.
    """
    rows = [row for row in ended(dataset, kind) if row.fingerprint in fingerprints]
    if leaderboard_rows.unchanged(dataset.task, dataset.name):
        return rows
    client = connect()
    place, recorded = [experiment(dataset.task, dataset.name)], {row.run_id for row in rows}
    runs = [
        run
        for one in fingerprints
        for run in client.search_runs(
            place,
            f"tags.`espalier.kind` = '{kind}' and tags.`espalier.fingerprint` = '{one}'",
            order_by=["attributes.start_time ASC"],
        )
    ]
    take_in([run.info.run_id for run in runs if run.info.run_id not in recorded])
    leaderboard_rows.remove(recorded - {run.info.run_id for run in runs})
    return [row for row in ended(dataset, kind) if row.fingerprint in fingerprints]


def runs(dataset: DatasetVersion, kind: str, status: str) -> list["Run"]:
    """The MLflow runs of one kind and status on this version of the dataset, oldest first."""
    return _search(
        dataset.task,
        dataset.name,
        f"attributes.status = '{status}' and tags.`espalier.kind` = '{kind}'"
        f" and tags.`espalier.dataset_hash` = '{dataset.hash}'",
    )


def take_in(run_ids: Iterable[str]) -> None:
    """Write the rows of those runs that finished, or failed with a cause."""
    client = connect()
    for run in map(client.get_run, run_ids):
        curves = {}
        if run.data.tags.get("espalier.kind") == FIT:
            for name in LOSSES:
                history = client.get_metric_history(run.info.run_id, name)
                curves[name] = [one.value for one in sorted(history, key=lambda one: one.step)]
        if _counts(run):
            leaderboard_rows.write([leaderboard_rows.row_of(run, curves)])


def curves(run_id: str) -> Mapping[str, Sequence[float]]:
    """The losses of a fit after each epoch: `loss` and `val_loss`."""
    losses = leaderboard_rows.curves(run_id)
    if losses is None:  # of a store made elsewhere
        take_in([run_id])
        losses = leaderboard_rows.curves(run_id)
    return losses or {}


def record(run_id: str) -> Record:
    """The finished fit with this run id."""
    row = leaderboard_rows.find(run_id)
    return leaderboard_rows.record_of(
        row or leaderboard_rows.row_of(connect().get_run(run_id), None)
    )


def reusable(fits: Sequence[Fit]) -> dict[str, Record]:
    """Fingerprint → record, for those of `fits` that were finished and whose artifact is whole."""
    if not fits:
        return {}
    rows = present(fits[0].dataset, FIT, {fit.fingerprint for fit in fits})
    return {record.fingerprint: record for record in _finished(rows) if _is_whole(record)}


def artifact_folder(run_id: str) -> Path:
    """The run's artifact folder: in the store itself when that is a folder here, else fetched."""
    return artifact_of(run_id, MODEL)


def dvc_lock(run_id: str) -> Path:
    """The dvc.lock that a parent run kept; not there where the run ended before it was logged."""
    return artifact_of(run_id, "dvc.lock")


def _finished(rows: Iterable[Row]) -> list[Record]:
    return [leaderboard_rows.record_of(row) for row in rows if row.status == "FINISHED"]


def _is_whole(record: Record) -> bool:
    try:
        artifact.check(
            artifact_of(record.run_id, MODEL, record.artifact_uri), record.manifest_sha256
        )
    except (artifact.ArtifactError, OSError):
        return False
    return True


def artifact_of(run_id: str, path: str, artifact_uri: str = "") -> Path:
    """The file or folder of a run, fetched where it lies elsewhere. Raises OSError."""
    row = None if artifact_uri else leaderboard_rows.find(run_id)
    uri = artifact_uri or (row.artifact_uri if row else "")
    place = urlparse(uri)
    if uri and place.scheme in ("", "file"):
        return Path(url2pathname(place.path)) / path
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    fetched = environment.home() / "fetched" / run_id
    try:
        if not uri:
            return artifact_of(run_id, path, connect().get_run(run_id).info.artifact_uri)
        fetched.mkdir(parents=True, exist_ok=True)
        return Path(download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(fetched)))
    except MlflowException as error:
        raise FileNotFoundError(f"{path} of run {run_id} cannot be fetched: {error}") from error


def mend(task: str, dataset: str) -> None:
    """End the runs that a killed process left RUNNING, and remove the rows of deleted runs.

    Call it while holding the task's lock.
    """
    from mlflow.entities import ViewType

    client = connect()
    for run in _search(task, dataset, "attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "KILLED")
    deleted = _search(task, dataset, "", ViewType.DELETED_ONLY)
    leaderboard_rows.remove(run.info.run_id for run in deleted)


def _search(task: str, dataset: str, condition: str, view: int | None = None) -> list["Run"]:
    """The runs of an experiment for which MLflow's filter holds, oldest first."""
    from mlflow.entities import ViewType

    client, place = connect(), [experiment(task, dataset)]
    view = ViewType.ACTIVE_ONLY if view is None else view
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            place, condition, view, 1000, ["attributes.start_time ASC"], page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs


def _take_in_store(task: str, dataset: str) -> None:
    """Write a row for each run of a store that was made without rows, once."""
    if leaderboard_rows.noted(task, dataset, leaderboard_rows.TAKEN_IN):
        return
    if leaderboard_rows.is_empty_store():
        return
    runs = [run for run in _search(task, dataset, "") if _counts(run)]
    leaderboard_rows.write(leaderboard_rows.row_of(run, None) for run in runs)
    leaderboard_rows.note(task, dataset, leaderboard_rows.TAKEN_IN, "yes")


def _counts(run: "Run") -> bool:
    """Whether a run is one of ours that finished, or failed with a cause."""
    tags, kind = run.data.tags, run.data.tags.get("espalier.kind")
    if run.info.status == "FAILED":
        return kind in SHOWN and FAILURE in tags
    whole = kind != FIT or "espalier.manifest_sha256" in tags
    return run.info.status == "FINISHED" and kind in SHOWN and whole


def _tags(dataset: DatasetVersion) -> dict[str, str]:
    return dict(zip(NAMED, (dataset.task, dataset.name, dataset.hash), strict=True))
