"""Runs that ended, as rows of the state database: what the leaderboard and the plan of a run read.

MLflow holds the record. Its import takes seconds and its search of 10,000 runs a minute, so that
each run also writes a row here when it ends. One experiment's rows agree with MLflow as long as
the file of its store is the one that `note_unchanged` saw.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipelines.experiments.dataset import DatasetVersion
from pipelines.locks import state

if TYPE_CHECKING:
    from mlflow.entities import Run

FIELDS = ("run_id", "kind", "name", "status", "fingerprint", "started", "artifact_uri")
DOCUMENTS = ("tags", "metrics", "curves")  # as JSON
NAMED = ("espalier.task", "espalier.dataset", "espalier.dataset_hash")
TAKEN_IN, UNCHANGED, CHAMPION, VERSIONS = "taken in", "unchanged", "champion", "versions"


@dataclass(frozen=True)
class Row:
    """A run that ended.

    kind: what it is a run of. status: FINISHED or FAILED. started: milliseconds since 1970.
    tags: those of Espalier. metrics: the last value of each that is a number. curves: loss →
    its value after each epoch; None where they were not read.
    """

    run_id: str
    dataset: DatasetVersion
    kind: str
    name: str
    status: str
    fingerprint: str
    started: int
    artifact_uri: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]] | None


@dataclass(frozen=True)
class Record:
    """A finished fit.

    naive: the name of the forecast or class that is its floor. metrics: each one's last value,
    without those that are no number. look: whether it was a first look, which only decides
    who gets a full fit. artifact_uri: where its artifacts lie. code: the identity of what computed
    it; empty in older records.
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
    code: str = ""

    @property
    def refit(self) -> bool:
        """Whether it learned the validation rows too."""
        return self.parameters.get("refit", False)


def row_of(run: "Run", curves: Mapping[str, Sequence[float]] | None) -> Row:
    """The row of an MLflow run; curves: the losses of a fit, None where they were not read."""
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("espalier.")}
    task, dataset, dataset_hash = (tags[name] for name in NAMED)
    return Row(
        run_id=run.info.run_id,
        dataset=DatasetVersion(task, dataset, dataset_hash),
        kind=tags["espalier.kind"],
        name=run.info.run_name,
        status=run.info.status,
        fingerprint=tags.get("espalier.fingerprint", ""),
        started=run.info.start_time,
        artifact_uri=run.info.artifact_uri,
        tags=tags,
        metrics={
            name: value
            for name, value in run.data.metrics.items()
            if not (name.startswith("system/") or math.isnan(value))
        },
        curves=curves,
    )


def record_of(row: Row) -> Record:
    """The record of a finished fit."""
    tags = row.tags
    return Record(
        run_id=row.run_id,
        arch=tags["espalier.arch"],
        seed=int(tags["espalier.seed"]),
        profile=tags["espalier.profile"],
        fingerprint=row.fingerprint,
        dataset_hash=row.dataset.hash,
        manifest_sha256=tags["espalier.manifest_sha256"],
        naive=tags["espalier.naive"],
        parameters=json.loads(tags["espalier.parameters"]),
        metrics=dict(row.metrics),
        look=tags.get("espalier.look") == "true",
        artifact_uri=row.artifact_uri,
        code=tags.get("espalier.code", ""),
    )


def write(rows: Iterable[Row]) -> None:
    """Write rows, in place of those of the same runs."""
    values = [
        {"store": _store(), "task": row.dataset.task, "dataset": row.dataset.name}
        | {"dataset_hash": row.dataset.hash}
        | {name: getattr(row, name) for name in FIELDS}
        | {name: json.dumps(getattr(row, name)) for name in DOCUMENTS}
        for row in rows
    ]
    if values:
        _upsert("leaderboard_runs", "store, run_id", values)


def remove(run_ids: Iterable[str]) -> None:
    """Remove the rows of runs that MLflow does not hold any more."""
    statement = "DELETE FROM leaderboard_runs WHERE store = :store AND run_id = :run_id"
    if values := [{"store": _store(), "run_id": run_id} for run_id in run_ids]:
        _execute(statement, values)


def read(task: str, dataset: str, kind: str, dataset_hash: str | None = None) -> list[Row]:
    """The rows of one kind of run on a dataset, oldest first.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        kind: fit, baseline, rival or guard.
        dataset_hash: of the version; None: of all versions.
    """
    where = "task = :task AND dataset = :dataset AND kind = :kind"
    chosen = {"task": task, "dataset": dataset, "kind": kind}
    if dataset_hash is not None:
        where += " AND dataset_hash = :dataset_hash"
        chosen["dataset_hash"] = dataset_hash
    return _select(where, chosen)


def find(run_id: str) -> Row | None:
    """The row of a run, if there is one."""
    return next(iter(_select("run_id = :run_id", {"run_id": run_id})), None)


def note(task: str, dataset: str, name: str, value: str) -> None:
    """Write down a value for an experiment, in place of the one before."""
    values = {"store": _store(), "task": task, "dataset": dataset, "note": name, "value": value}
    _upsert("leaderboard_notes", "store, task, dataset, note", [values])


def noted(task: str, dataset: str, name: str) -> str | None:
    """The value that was written down for an experiment; None where none was."""
    statement = (
        "SELECT value FROM leaderboard_notes WHERE store = :store AND task = :task"
        " AND dataset = :dataset AND note = :note"
    )
    values = {"store": _store(), "task": task, "dataset": dataset, "note": name}
    return next((row["value"] for row in _execute(statement, values)), None)


def note_unchanged(task: str, dataset: str) -> None:
    """Write down that everything here agrees with MLflow now."""
    if stamp := _stamp():
        note(task, dataset, UNCHANGED, stamp)


def unchanged(task: str, dataset: str) -> bool:
    """Whether MLflow's store is as `note_unchanged` saw it; never of a server, which cannot say."""
    stamp = _stamp()
    return bool(stamp) and noted(task, dataset, UNCHANGED) == stamp


def is_empty_store() -> bool:
    """Whether MLflow's store is a file that is not there yet."""
    return _stamp() == ""


def _select(where: str, values: Mapping[str, str]) -> list[Row]:
    statement = (
        f"SELECT * FROM leaderboard_runs WHERE store = :store AND {where} ORDER BY started, run_id"
    )
    return [
        Row(
            dataset=DatasetVersion(row["task"], row["dataset"], row["dataset_hash"]),
            **{name: row[name] for name in FIELDS},
            **{name: json.loads(row[name]) for name in DOCUMENTS},
        )
        for row in _execute(statement, {"store": _store(), **values})
    ]


def _upsert(table: str, key: str, rows: Sequence[Mapping[str, str]]) -> None:
    names = ", ".join(rows[0])
    values = ", ".join(f":{name}" for name in rows[0])
    changed = ", ".join(f"{name} = excluded.{name}" for name in rows[0])
    _execute(
        f"INSERT INTO {table} ({names}) VALUES ({values})"
        f" ON CONFLICT ({key}) DO UPDATE SET {changed}",
        rows,
    )


def _execute(statement: str, values: Mapping | Sequence[Mapping]) -> Sequence[Mapping]:
    """Execute a statement in a transaction of its own; returns the rows that it selects."""
    from sqlalchemy import text

    with state.transaction() as connection:
        result = connection.execute(text(statement), values)
        return result.mappings().all() if result.returns_rows else []


def _store() -> str:
    """MLflow's store, without password and options."""
    address = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"


def _stamp() -> str | None:
    """Time and size of the store's files: "" where they are not there, None for a server."""
    address = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
    if not address.scheme.startswith("sqlite"):
        return None
    # The first slash ends the empty host; a second one begins an absolute path.
    files = [Path(address.path[1:] + end) for end in ("", "-wal")]
    stats = [file.stat() for file in files if file.exists()]
    return " ".join(f"{one.st_mtime_ns}:{one.st_size}" for one in stats)
