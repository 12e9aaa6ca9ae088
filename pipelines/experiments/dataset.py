"""The data of a retraining: versioned by DVC, passed by its gate, named by its hash."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data import declared, prepared, report, versions
from data.dvc import remote
from data.errors import DataError
from pipelines.experiments import shared_data
from pipelines.runtime import console, environment
from pipelines.runtime.settings import UsageError

# DVC's calls of one checkout wait for each other. Whoever holds this from the data to its push goes
# on to its fits before the next one begins, and each line tells its own time.
versioning = threading.Lock()


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a prepared dataset.

    hash: DVC's, of the prepared folder. facts: its dataset.json; empty where the data itself lies
    elsewhere. Two versions are equal when task, name and hash are.
    """

    task: str
    name: str
    hash: str
    facts: Mapping = field(default_factory=dict, compare=False, repr=False)


def folder(dataset: str) -> Path:
    """Where DVC puts the prepared data of `dataset` in this checkout."""
    return environment.ROOT / prepared.PREPARED / dataset


def facts(folder: Path) -> dict:
    """The dataset.json of prepared data."""
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


def version(task: str, dataset: str) -> DatasetVersion:
    """Ingest, validate and prepare what has changed; returns the version that this makes.

    Where checkouts share a state database, the newest rows of all of them.
    Raises `GateRefused` when Great Expectations says that it may not be trained on.
    """
    with console.stage("data") as say:
        if newer := _newer(dataset):
            say(f"{dataset} as {newer.who} has had it since {newer.at}, not the source here;")
            versions.adopt(dataset, newer.raw)
        made = _of_this_checkout(task, dataset)
        rows = made.facts["rows"]
        say(f"{dataset} passed its gate;")
        say(" / ".join(f"{rows[split]:,}" for split in prepared.SPLITS) + " rows")
        if shape := made.facts.get("shape", declared.entry(dataset, environment.ROOT).get("shape")):
            height, width, channels = shape
            say(f"of {width} x {height}, {'grey' if channels == 1 else 'colour'}")
        if new := report.read(dataset, environment.ROOT)["tables"].get("validation"):
            say(f"with {new['values'][0]['share']:.1%} unknown words")
    return made


def _newer(dataset: str) -> shared_data.Noted | None:
    """The version that another checkout has made since; None once this one has made the newest."""
    if not has_source(dataset) and (newest := shared_data.newest(dataset)):
        return newest
    newer = shared_data.newer(dataset)
    if newer is None or versions.source_changed(dataset):
        versions.reproduce(dataset)
        newer = shared_data.newer(dataset)
        if newer is None:
            shared_data.note(dataset)
    return newer


def present(task: str, dataset: str) -> DatasetVersion:
    """The newest version that there is; raises UsageError where there is none."""
    newest = shared_data.newest(dataset)
    if newest and newest.raw != versions.raw_hash(dataset):
        return DatasetVersion(task, dataset, newest.prepared)
    return _of_this_checkout(task, dataset)


def _of_this_checkout(task: str, dataset: str) -> DatasetVersion:
    dataset_hash = versions.dataset_hash(dataset)
    if dataset_hash is None:
        raise UsageError(
            f"{dataset} has no version here yet: `espalier run --dataset {dataset}` makes one"
        )
    described = {}
    with suppress(OSError):  # the data may lie in the DVC remote alone
        described = facts(folder(dataset))
    return DatasetVersion(task, dataset, dataset_hash, described)


def has_source(dataset: str) -> bool:
    """Whether the path that its entry names is there."""
    try:
        versions.check_source(dataset)
    except DataError:
        return False
    return True


def push(dataset: str) -> None:
    """Send the versioned data to the DVC remote, where fits on other machines find it."""
    with console.stage("push") as say:
        with console.announced(f"for the DVC remote to take {dataset}"):
            versions.push(dataset)
        say("its version lies in the DVC remote")


def local(dataset: DatasetVersion) -> Path:
    """The folder of exactly this version: of this checkout, else taken from the DVC remote."""
    if versions.dataset_hash(dataset.name) == dataset.hash and folder(dataset.name).is_dir():
        return folder(dataset.name)
    fetched = environment.home() / "fetched" / dataset.hash
    with console.announced(f"for the DVC remote to give {dataset.name}"):
        return remote.fetch(dataset.hash, dataset.name, fetched)


def rows(dataset: DatasetVersion) -> prepared.Dataset:
    """The rows of exactly this version; a process that fits several times reads them once."""
    return _rows(local(dataset), dataset.hash)


@lru_cache(maxsize=3)  # a task each
def _rows(folder: Path, dataset_hash: str) -> prepared.Dataset:
    return prepared.read(folder)
