"""The data of a retraining: versioned by DVC, passed by its gate, named by its hash."""

import json
from pathlib import Path

from data import prepared, versions
from pipelines.runtime import console, environment
from pipelines.runtime.settings import UsageError


def folder(dataset: str) -> Path:
    """Where DVC puts the prepared data of `dataset` in this checkout."""
    return environment.ROOT / prepared.PREPARED / dataset


def facts(folder: Path) -> dict:
    """The dataset.json of prepared data."""
    return json.loads((folder / "dataset.json").read_text())


def version(dataset: str) -> str:
    """Ingest, validate and prepare what has changed; returns the dataset's hash.

    Raises `GateRefused` when Great Expectations says that it may not be trained on.
    """
    with console.stage("data") as say:
        versions.reproduce(dataset)
        rows = facts(folder(dataset))["rows"]
        say(f"{dataset} passed its gate;")
        say(" / ".join(f"{rows[split]:,}" for split in prepared.SPLITS) + " rows")
    return versions.dataset_hash(dataset)


def present(dataset: str) -> str:
    """The hash that the checkout's dvc.lock names; raises UsageError where it names none."""
    dataset_hash = versions.dataset_hash(dataset)
    if dataset_hash is None:
        raise UsageError(
            f"{dataset} has no version here yet: `espalier run --dataset {dataset}` makes one"
        )
    return dataset_hash


def push(dataset: str) -> None:
    """Send the versioned data to the DVC remote, where fits on other machines find it."""
    with console.stage("push") as say:
        versions.push(dataset)
        say("its version lies in the DVC remote")


def fetch(dataset: str, dataset_hash: str) -> Path:
    """A folder with the prepared data of exactly this hash, taken from the DVC remote."""
    fetched = environment.home() / "fetched" / dataset_hash
    versions.fetch(dataset_hash, dataset, fetched)
    return fetched
