"""The record in MLflow: one parent run a retraining, one child an architecture and seed."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from data import versions
from pipelines.experiments import fingerprint, journal, leaderboard_rows
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.journal import Journal, Recording
from pipelines.experiments.leaderboard_rows import NAMED, Record, Row
from pipelines.experiments.plan import Fit
from pipelines.locks import lock
from pipelines.processes import servers
from pipelines.runtime import commit, console, environment, machine

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The artifact folder's place below a child run, and that of the row-wise scores beside it.
MODEL = "model"
SCORES = "scores"
# What a child run is, and why it failed or was pruned, where it was.
FIT, BASELINE, RIVAL, GUARD = "fit", "baseline", "rival", "guard"
FAILURE, PRUNED = "espalier.failure", "espalier.pruned"
BACKEND = "espalier.backend"
BEFORE = "espalier.before"  # of a refit: the run of the fit of the training rows
TAG_CHARACTERS = 5000  # of a tag's value; MLflow refuses longer ones
# The runs that have a row, and the losses whose curves are kept with the row of a fit.
KEPT, LOSSES = (FIT, BASELINE, RIVAL, GUARD), ("loss", "val_loss")
PAGES = {"mlflow.experimentKind": "custom_model_development"}  # which pages an experiment has


class PrunedError(Exception):
    """A search ended the fit before its last epoch; the message says after which, and why."""


def connect() -> "MlflowClient":
    """An MLflow client; the first one makes or upgrades the store, one process at a time.

    Raises environment.ServerError.
    """
    return open_client(os.environ["MLFLOW_TRACKING_URI"])


@cache
def open_client(uri: str) -> "MlflowClient":
    environment.check_server(environment.MLFLOW)
    from mlflow import MlflowClient

    with lock.hold("mlflow", journal.STORE_SECONDS):
        journal.make_store(uri)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def experiment(task: str, dataset: str) -> str:
    """The id of the experiment `espalier/<task>/<dataset>`, made when it is not there."""
    from mlflow.exceptions import MlflowException

    client, name = connect(), f"espalier/{task}/{dataset}"
    folder = environment.home() / "mlartifacts" / task / dataset
    # A server says where artifacts go; a database would put them below the working folder.
    place = None if servers.is_served() else folder.as_uri()
    # Two processes that make one name race, and MLflow's own helper lets the loser's runs go
    # to experiment 0: look, make, and look again.
    present = client.get_experiment_by_name(name)
    if present is None:
        try:
            created = client.create_experiment(name, artifact_location=place, tags=PAGES)
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
    """A parent run for the time of the block; yields its id. It logs the dvc.lock in use.

    MLflow looks for a dataset and then adds it: of two fits at once, one failed over the other's.
    This run adds it before the first fit.
    """
    import mlflow

    tags = {"espalier.kind": verb, "espalier.profile": profile}
    with _recorded(dataset, f"{verb} {dataset.name}", tags, None) as run:
        mlflow.log_artifact(str(environment.ROOT / versions.lock_file(dataset.name)))
        yield run.run_id


def active(
    dataset: DatasetVersion, name: str, tags: dict[str, str], parent_run_id: str | None
) -> AbstractContextManager[Recording]:
    """A run below the parent for the time of the block; inside it `mlflow.log_*` is its own.

    Failed when the block raises, with the cause; killed when a search pruned it; a process that is
    killed leaves it RUNNING, which counts for nothing and is ended by `mend`. What ended has a row
    in the state database. The end waits for a server, and raises environment.ServerError.
    """
    record = _journaled if servers.is_served() else _recorded
    return record(dataset, name, tags, parent_run_id)


@contextmanager
def _recorded(
    dataset: DatasetVersion, name: str, tags: dict[str, str], parent_run_id: str | None
) -> Iterator[Recording]:
    """A run that is logged to MLflow's store itself."""
    run, place = Recording(), experiment(dataset.task, dataset.name)
    store = os.environ[environment.MLFLOW]
    try:
        with _logged(store, place, dataset, name, tags, parent_run_id) as run.run_id:
            yield run
    except Exception:
        with suppress(Exception):  # the cause is what its caller needs to see
            take_in(run.run_id)
        raise
    take_in(run.run_id)


@contextmanager
def _journaled(
    dataset: DatasetVersion, name: str, tags: dict[str, str], parent_run_id: str | None
) -> Iterator[Recording]:
    """A run that is logged to a journal, which goes to MLflow's server meanwhile and at the end."""
    tags = tags | ({"mlflow.parentRunId": parent_run_id} if parent_run_id else {})

    def send() -> None:
        environment.check_server(environment.MLFLOW)
        kept.send(connect(), experiment(dataset.task, dataset.name))

    with journal.begun() as kept:
        try:
            with _logged(kept.uri, kept.place, dataset, name, tags):
                with suppress(Exception):  # it is sent later
                    send()
                with kept.sending(send):
                    yield kept
        except Exception:
            with suppress(Exception):  # the next run sends it
                environment.check_server(environment.MLFLOW)
                _take_in_journal(kept)
            raise
        wanted = f"take the record of {name}, which is kept in {kept.folder} for the next run"
        servers.awaited(partial(_take_in_journal, kept), wanted)


@contextmanager
def _logged(
    store: str,
    experiment_id: str,
    dataset: DatasetVersion,
    name: str,
    tags: dict[str, str],
    parent_run_id: str | None = None,
) -> Iterator[str]:
    """A run in a store, to which `mlflow.log_*` goes for the time of the block; yields its id."""
    import mlflow
    from mlflow.entities import Dataset, DatasetInput

    named = dict(zip(NAMED, (dataset.task, dataset.name, dataset.hash), strict=True))
    os.environ.pop("MLFLOW_RUN_ID", None)  # else MLflow goes on with that run instead
    asked = os.environ[environment.MLFLOW]
    mlflow.set_tracking_uri(store)
    os.environ[environment.MLFLOW] = asked  # for all but `mlflow.log_*`: MLflow sets it too
    try:
        run = mlflow.start_run(
            experiment_id=experiment_id,
            run_name=name,
            nested=True,
            parent_run_id=parent_run_id,
            tags={**named, **tags, **commit.tags(), **machine.tags()},
            log_system_metrics=tags["espalier.kind"] == FIT,
        )
        source = json.dumps({"tags": {"dvc": dataset.name}})
        data = DatasetInput(Dataset(dataset.name, dataset.hash, source_type="code", source=source))
        with run:
            try:
                mlflow.MlflowClient().log_inputs(run.info.run_id, [data])
                yield run.info.run_id
            except PrunedError as pruned:
                mlflow.set_tag(PRUNED, str(pruned))
                mlflow.end_run("KILLED")
                raise
            except Exception as error:
                mlflow.set_tag(FAILURE, str(error)[:TAG_CHARACTERS])
                raise
    finally:
        mlflow.set_tracking_uri(asked)


def _take_in_journal(kept: Journal) -> None:
    """Send all of a journal, write the row of its run, remove it."""
    if run := kept.run():
        tags = run.data.tags
        kept.send_all(connect(), experiment(tags[NAMED[0]], tags[NAMED[1]]))
        take_in(kept.run_id)
    kept.remove()


def send_journals() -> None:
    """Send the runs that processes of this machine left, unless the server is away. One that cannot
    be sent stops no other; a fit that is done elsewhere since counts for nothing."""
    for kept in journal.left() if servers.is_served() else ():
        if environment.unanswered(environment.MLFLOW):
            break
        try:
            with ExitStack() as held:
                if _is_done_elsewhere(kept, held):
                    kept.discount()
                _take_in_journal(kept)
        except Exception as error:
            console.line("journal", f"{kept.folder} could not be sent: {error}", failed=True)


def _is_done_elsewhere(kept: Journal, held: ExitStack) -> bool:
    """Whether another process does a journal's fit, or has; else none does until `held` ends."""
    tags = run.data.tags if (run := kept.run()) else {}
    if tags.get("espalier.kind") != FIT:
        return False
    task, name, dataset_hash = (tags[one] for one in NAMED)
    fingerprint, own = tags["espalier.fingerprint"], kept.made(connect(), experiment(task, name))
    try:
        held.enter_context(lock.hold(lock.of_fit(fingerprint), 0))
    except lock.LockHeldError:
        return True
    rows = present(DatasetVersion(task, name, dataset_hash), FIT, [fingerprint])
    return any(record.run_id not in own for record in finished(rows))


@contextmanager
def child(fit: Fit, parent_run_id: str | None) -> Iterator[Recording]:
    """The run of a fit, with its parameters and fingerprint."""
    import mlflow

    tags = {
        "espalier.kind": FIT,
        "espalier.arch": fit.arch,
        "espalier.seed": str(fit.seed),
        "espalier.profile": fit.profile,
        "espalier.fingerprint": fit.fingerprint,
        "espalier.code": fit.code,
        "espalier.parameters": json.dumps(fit.parameters, sort_keys=True),
        "espalier.look": json.dumps(fit.look),
        BACKEND: json.dumps(fingerprint.versions(), sort_keys=True),
    }
    name = f"{fit.arch} · {fit.kind} · seed {fit.seed}"
    with active(fit.dataset, name, tags, parent_run_id) as run:
        mlflow.log_params({**fit.logged, "seed": fit.seed})
        yield run


def records(dataset: DatasetVersion) -> list[Record]:
    """The finished fits on this version of the dataset, oldest first."""
    return finished(ended(dataset, FIT))


def all_records(task: str, dataset: str) -> list[Record]:
    """The finished fits on any version of the dataset, oldest first."""
    _take_in_store(task, dataset)
    return finished(leaderboard_rows.read(task, dataset, FIT))


def ended(dataset: DatasetVersion, kind: str) -> list[Row]:
    """The runs of one kind on this version that finished, or failed with a cause, oldest first."""
    _take_in_store(dataset.task, dataset.name)
    return leaderboard_rows.read(dataset.task, dataset.name, kind, dataset.hash)


def present(dataset: DatasetVersion, kind: str, fingerprints: Collection[str]) -> list[Row]:
    """The runs of one kind with these fingerprints, oldest first.

    MLflow is asked for those that no row says to be finished: they may have been made elsewhere.
    """
    rows = ended(dataset, kind)
    missing = set(fingerprints) - {row.fingerprint for row in rows if row.status == "FINISHED"}
    if missing and not leaderboard_rows.unchanged(dataset.task, dataset.name):
        for one in missing:
            alike = f"tags.`espalier.kind` = '{kind}' and tags.`espalier.fingerprint` = '{one}'"
            for run in _search(dataset.task, dataset.name, alike):
                take_in(run.info.run_id)
        rows = ended(dataset, kind)
    return [row for row in rows if row.fingerprint in fingerprints]


def runs(dataset: DatasetVersion, kind: str, status: str) -> list["Run"]:
    """The MLflow runs of one kind and status on this version of the dataset, oldest first."""
    return _search(
        dataset.task,
        dataset.name,
        f"attributes.status = '{status}' and tags.`espalier.kind` = '{kind}'"
        f" and tags.`espalier.dataset_hash` = '{dataset.hash}'",
    )


def take_in(run_id: str) -> Row | None:
    """Write the row of a run that finished, or failed with a cause, and return it."""
    client = connect()
    run = client.get_run(run_id)
    if not _counts(run):
        return None
    curves = {}
    if run.data.tags["espalier.kind"] == FIT:
        for name in LOSSES:
            history = client.get_metric_history(run_id, name)
            curves[name] = [one.value for one in sorted(history, key=lambda one: one.step)]
    row = leaderboard_rows.row_of(run, curves)
    leaderboard_rows.write([row])
    return row


def judged(run_id: str) -> str:
    """The run whose model validation rows judged: of a refit that of the fit before it."""
    row = leaderboard_rows.find(run_id) or take_in(run_id)
    return run_id if row is None else row.tags.get(BEFORE, run_id)


def curves(run_id: str) -> Mapping[str, Sequence[float]]:
    """The losses of a fit after each epoch, `loss` and `val_loss`; of a refit those of the fit
    before it, which decided when it ended."""
    run_id = judged(run_id)
    row = leaderboard_rows.find(run_id)
    if row is None or row.curves is None:  # of a store made elsewhere
        row = take_in(run_id)
    return (row and row.curves) or {}


def record(run_id: str) -> Record:
    """The finished fit with this run id."""
    row = leaderboard_rows.find(run_id)
    return leaderboard_rows.record_of(
        row or leaderboard_rows.row_of(connect().get_run(run_id), None)
    )


def finished(rows: Iterable[Row]) -> list[Record]:
    """The records of those rows that are of finished fits."""
    return [leaderboard_rows.record_of(row) for row in rows if row.status == "FINISHED"]


def mend(task: str, dataset: str) -> None:
    """Send journals and end runs that a killed process left, remove the rows of deleted runs.

    Call it while holding the dataset's lock.
    """
    from mlflow.entities import ViewType

    send_journals()
    for run in _search(task, dataset, "attributes.status = 'RUNNING'"):
        connect().set_terminated(run.info.run_id, "KILLED")
    deleted = _search(task, dataset, "", run_view_type=ViewType.DELETED_ONLY)
    leaderboard_rows.remove(run.info.run_id for run in deleted)


def _search(task: str, dataset: str, condition: str, **options: Any) -> list["Run"]:
    """The runs of an experiment for which MLflow's filter holds, oldest first."""
    options |= {"filter_string": condition, "order_by": ["attributes.start_time ASC"]}
    return list(pages([experiment(task, dataset)], **options))


def pages(experiment_ids: list[str], **options: Any) -> Iterator["Run"]:
    """The runs of experiments, page by page; options: those of `MlflowClient.search_runs`."""
    token = None
    while True:
        page = connect().search_runs(experiment_ids, page_token=token, **options)
        yield from page
        if not (token := page.token):
            return


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
        return kind in KEPT and FAILURE in tags
    whole = kind != FIT or "espalier.manifest_sha256" in tags
    return run.info.status == "FINISHED" and kind in KEPT and whole
