"""Runs that nothing needs any more, removed from MLflow through its own command line.

A run is marked as deleted first, then its row goes, then `mlflow gc` removes its record and files:
killed between, the next call goes on with what is marked.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from data import versions
from pipelines.experiments import leaderboard_rows, tracking

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

AT_ONCE = 500  # run ids on one command line
PARENT = "mlflow.parentRunId"


class RemovalError(RuntimeError):
    """MLflow could not remove what was marked as deleted; the message says why."""


@dataclass(frozen=True)
class Removable:
    """A run that may go, and the folder of its artifacts."""

    run_id: str
    task: str
    dataset: str
    folder: Path


def removable(before: float, keep: int) -> list[Removable]:
    """The runs that ended, are old and needed by nothing; none of an MLflow server, which cleans
    its own.

    Needed are the runs of registered versions, so of every champion that can be gone back to; the
    newest retrainings of each dataset with their fits; and of the data as it is now the newest fit
    with each name and parameters, which a run would else make again.

    Args:
        before: seconds since 1970; runs that began later stay.
        keep: how many retrainings of each dataset stay.
    """
    if os.environ["MLFLOW_TRACKING_URI"].startswith("http") or leaderboard_rows.is_empty_store():
        return []
    client = tracking.connect()
    registered = client.search_model_versions("name LIKE 'espalier-%'")
    needed = {version.run_id or "" for version in registered}
    return [
        Removable(run.info.run_id, task, dataset, _folder(run))
        for experiment in client.search_experiments(filter_string="name LIKE 'espalier/%'")
        for _, task, dataset in [experiment.name.split("/", 2)]
        for run in _unneeded(experiment, dataset, needed, keep)
        if run.info.start_time < before * 1000
    ]


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
    store = os.environ["MLFLOW_TRACKING_URI"]
    for start in range(0, len(ids), AT_ONCE):
        chosen = ",".join(ids[start : start + AT_ONCE])
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store]
        done = subprocess.run(
            [*command, "--run-ids", chosen], capture_output=True, encoding="utf-8", errors="replace"
        )
        if done.returncode:
            raise RemovalError(f"mlflow gc: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    for one in agreeing:
        leaderboard_rows.note_unchanged(*one)


def _unneeded(
    experiment: "Experiment", dataset: str, needed: set[str], keep: int
) -> Iterator["Run"]:
    """The runs of an experiment that may go, whatever their age: also those marked as deleted."""
    runs = list(_runs(experiment))  # the newest first
    living = [run for run in runs if run.info.lifecycle_stage == "active"]
    parents = [run.info.run_id for run in living if PARENT not in run.data.tags]
    kept = needed | set(parents[:keep]) | _newest(living, versions.dataset_hash(dataset))
    kept |= {run.info.run_id for run in living if run.info.status == "RUNNING"}
    kept |= {run.info.run_id for run in living if run.data.tags.get(PARENT) in parents[:keep]}
    kept |= {run.data.tags.get(PARENT, "") for run in living if run.info.run_id in kept}
    yield from (run for run in runs if run.info.run_id not in kept)


def _newest(runs: Sequence["Run"], dataset_hash: str | None) -> set[str]:
    """Of the data as it is now the newest finished run of each kind, name and parameters."""
    newest: dict[tuple, str] = {}
    for run in runs:
        tags = run.data.tags
        if run.info.status == "FINISHED" and tags.get("espalier.dataset_hash") == dataset_hash:
            what = ("espalier.kind", "espalier.profile", "espalier.parameters")
            alike = (run.info.run_name, *(tags.get(name) for name in what))
            newest.setdefault(alike, run.info.run_id)
    return set(newest.values())


def _runs(experiment: "Experiment") -> Iterator["Run"]:
    from mlflow.entities import ViewType

    token = None
    while True:
        page = tracking.connect().search_runs(
            [experiment.experiment_id],
            run_view_type=ViewType.ALL,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _folder(run: "Run") -> Path:
    return Path(url2pathname(urlparse(run.info.artifact_uri).path)).parent
