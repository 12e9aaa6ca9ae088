"""Runs that nothing needs any more, removed from MLflow through its own command line.

A run is marked as deleted first, then its row goes, then `mlflow gc` removes its record and files:
killed between, the next call goes on with what is marked. Artifacts of a server go through the
server, which has the credentials of where they lie.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from data import versions
from pipelines.experiments import leaderboard_rows, registry, tracking
from pipelines.processes import servers

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

AT_ONCE = 500  # run ids on one command line
PARENT, HASH = "mlflow.parentRunId", "espalier.dataset_hash"
# Names the database of an MLflow server, as it does for `mlflow server`: `mlflow gc` needs it, and
# no call of the server's own removes a run.
DATABASE = "MLFLOW_BACKEND_STORE_URI"


class RemovalError(RuntimeError):
    """MLflow could not remove what was marked as deleted; the message says why."""


@dataclass(frozen=True)
class Removable:
    """A run that may go, and the bytes of its artifacts."""

    run_id: str
    task: str
    dataset: str
    bytes: int


@dataclass(frozen=True)
class Found:
    """The runs that may go, and the names of the prepared data that the others were made of."""

    runs: list[Removable]
    datasets: set[str]


def removable(before: float, keep: int, shared: bool) -> Found:
    """The runs that ended, are old and needed by nothing.

    Needed are the runs of registered versions, so of every champion that can be gone back to; the
    newest retrainings of each dataset with their fits; and of their data, the data as it is now and
    that of the champion, the newest fit with each name and parameters: a run would else make them
    again, and those of the champion's data say what more rows would bring (monitoring/retrain.py).

    Args:
        before: seconds since 1970; runs that began later stay.
        keep: how many retrainings of each dataset stay.
        shared: else an MLflow server is not asked; nor does a run go from one whose database is
            not named.
    """
    if (servers.is_served() and not shared) or leaderboard_rows.is_empty_store():
        return Found([], set())
    client = tracking.connect()
    registered = client.search_model_versions("name LIKE 'espalier-%'")
    needed = {version.run_id or "" for version in registered}
    found = Found([], set())
    for experiment in client.search_experiments(filter_string="name LIKE 'espalier/%'"):
        _, task, dataset = experiment.name.split("/", 2)
        runs, champion = list(_runs(experiment)), registry.champion(task, dataset)
        data = [versions.dataset_hash(dataset), *([champion.dataset_hash] if champion else [])]
        kept = _kept(runs, data, needed, keep)
        for run in runs:
            needed_or_young = run.info.run_id in kept or run.info.start_time >= before * 1000
            if needed_or_young or not database():
                found.datasets.add(run.data.tags.get(HASH, ""))
            else:
                size = _bytes(run.info.artifact_uri)
                found.runs.append(Removable(run.info.run_id, task, dataset, size))
    return found


def database() -> str | None:
    """The database of MLflow's store; None where a server has it and no variable names it."""
    return os.environ.get(DATABASE) if servers.is_served() else os.environ["MLFLOW_TRACKING_URI"]


def remove(runs: Sequence[Removable]) -> None:
    """Remove runs with their artifacts and their rows; raises RemovalError."""
    from mlflow.entities import LifecycleStage

    client, ids = tracking.connect(), [run.run_id for run in runs]
    datasets = {(run.task, run.dataset) for run in runs}
    agreeing = [one for one in datasets if leaderboard_rows.unchanged(*one)]
    for run_id in ids:
        if client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE:
            client.delete_run(run_id)
    leaderboard_rows.remove(ids)
    for start in range(0, len(ids), AT_ONCE):
        chosen = ",".join(ids[start : start + AT_ONCE])
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", str(database())]
        done = subprocess.run(
            [*command, "--run-ids", chosen], capture_output=True, encoding="utf-8", errors="replace"
        )
        if done.returncode:
            raise RemovalError(f"mlflow gc: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    for one in agreeing:
        leaderboard_rows.note_unchanged(*one)


def _kept(
    runs: Sequence["Run"], data: Collection[str | None], needed: set[str], keep: int
) -> set[str]:
    """The ids of an experiment's runs that stay, whatever their age; none is marked as deleted.

    Args:
        runs: all of them, the newest first.
        data: versions of the data whose newest fits stay.
        needed: run ids that stay.
        keep: how many retrainings stay.
    """
    living = [run for run in runs if run.info.lifecycle_stage == "active"]
    going_on = [run for run in living if run.info.status == "RUNNING"]
    ended = [run for run in living if run not in going_on and PARENT not in run.data.tags]
    stay = {run.info.run_id: run.data.tags.get(HASH) for run in [*going_on, *ended[:keep]]}
    kept = needed | stay.keys()
    kept |= _newest(living, {*stay.values(), *data})
    kept |= {run.info.run_id for run in living if run.data.tags.get(PARENT) in stay}
    return kept | {run.data.tags.get(PARENT, "") for run in living if run.info.run_id in kept}


def _newest(runs: Sequence["Run"], datasets: Collection[str | None]) -> set[str]:
    """Of each version of the data the newest finished run of each kind, name and parameters."""
    newest: dict[tuple, str] = {}
    for run in runs:
        tags = run.data.tags
        if run.info.status == "FINISHED" and tags.get(HASH) in datasets:
            what = (HASH, "espalier.kind", "espalier.profile", "espalier.parameters")
            alike = (run.info.run_name, *(tags.get(name) for name in what))
            newest.setdefault(alike, run.info.run_id)
    return set(newest.values())


def _runs(experiment: "Experiment") -> Iterator["Run"]:
    from mlflow.entities import ViewType

    order = ["attributes.start_time DESC"]
    return tracking.pages([experiment.experiment_id], run_view_type=ViewType.ALL, order_by=order)


def _bytes(uri: str) -> int:
    """What the artifacts take below an address, as their store lists them."""
    from mlflow.artifacts import list_artifacts

    return sum(
        _bytes(f"{uri}/{PurePosixPath(one.path).name}") if one.is_dir else one.file_size or 0
        for one in list_artifacts(artifact_uri=uri, tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    )
