"""Draw the splits of one dataset, once, into data/prepared/NAME: python -m data.prepare NAME

Writes data/notes/NAME.json as well: what was noted about the rows, and what was done about it.
Texts, pixels and values stay raw: what a request would need as well is done in models/inputs.py.
"""

import os
from pathlib import Path

import numpy as np

from data import classes, declared, report, series, stage, stored
from data.declared import SPLITS
from data.errors import DataError
from data.prepared import NOTES, PREPARED
from data.stored import Columns, Dataset

CONTENT = {"image": "image", "sentiment": "text"}


def prepare(name: str, folder: Path) -> None:
    """Write the splits and the facts of dataset `name` into `folder`, in the form of data.prepared.

    Raises DataError when there are no raw rows or the gate did not let them pass.
    """
    entry = declared.entry(name)
    raw = stored.read(stored.RAW / name)
    verdict = report.read(name)
    if not verdict["success"]:
        raise DataError(f"the gate refused {name}: see {report.path(name)}")
    if verdict.get("raw_hash") != stored.hash_of(stored.RAW / name):
        raise DataError(f"{report.path(name)} judged other rows: run `dvc repro validate@{name}`")
    raw.facts["notes"] += verdict["notes"]
    if entry["task"] == "forecast":
        prepared = by_time(raw, entry, declared.shares("series"))
    else:
        prepared = by_class(raw, declared.shares("classes"))
    prepared.facts["rows"] = {
        split: len(next(iter(columns.values()))) for split, columns in prepared.splits.items()
    }
    _write_notes(name, prepared.facts.pop("notes"))
    stored.write(folder, prepared)
    rows = ", ".join(f"{split} {count:,}" for split, count in prepared.facts["rows"].items())
    print(f"{name}: {rows}")


def _write_notes(name: str, notes: list[str]) -> None:
    """Write the notes by one rename."""
    NOTES.mkdir(exist_ok=True)
    temporary = NOTES / f".{name}.{os.getpid()}"
    stored.write_json(temporary, notes)
    temporary.replace(NOTES / f"{name}.json")


def by_class(raw: Dataset, shares: dict[str, float]) -> Dataset:
    """Labelled rows, stratified; an official test split stays as it is.

    raw: splits `rows`, or `train` and `test`, of the columns that data.ingest describes.
    """
    content = CONTENT[raw.facts["task"]]
    index = {label: number for number, label in enumerate(raw.facts["labels"])}
    for columns in raw.splits.values():
        columns["label"] = np.array([index[label] for label in columns["label"]], dtype=np.int64)
    if "test" in raw.splits:
        drawn = _with_official_test(raw, content, shares)
    else:
        rows = raw.splits["rows"]
        drawn = _draw(rows, classes.digests(rows[content]), shares)
    kept = (content, "label", "id")
    splits = {split: {name: drawn[split][name] for name in kept} for split in SPLITS}
    return Dataset(dict(raw.facts), splits)


def _draw(rows: Columns, digest: np.ndarray, shares: dict[str, float]) -> dict[str, Columns]:
    numbers = classes.draw(rows["label"], digest, shares)
    return {split: _take(rows, chosen) for split, chosen in numbers.items()}


def _with_official_test(raw: Dataset, content: str, shares: dict[str, float]) -> dict[str, Columns]:
    train, test = raw.splits["train"], raw.splits["test"]
    digest = classes.digests(train[content])
    own = np.flatnonzero(~np.isin(digest, classes.digests(test[content])))
    if leaked := len(digest) - len(own):
        raw.facts["notes"].append(
            f"{leaked:,} training rows equal a row of the official test split: left out"
        )
    shares = {split: share for split, share in shares.items() if split != "test"}
    return _draw(_take(train, own), digest[own], shares) | {"test": test}


def _take(columns: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def by_time(raw: Dataset, entry: dict, shares: dict[str, float]) -> Dataset:
    """Series on their grid, cut at the same instants for all of them.

    raw: split `rows` of the columns that data.ingest describes; entry: as in params.yaml.
    """
    rows, notes = raw.splits["rows"], raw.facts["notes"]
    names, counts = np.unique(rows["series"].astype(str), return_counts=True)
    long_enough = counts >= entry["min_rows"]
    notes += [f"{name} is too short and was left out" for name in names[~long_enough]]
    rows = _take(rows, np.isin(rows["series"].astype(str), names[long_enough]))
    placed, dropped = series.place(rows, list(names[long_enough]), entry)
    notes += _grid_notes(placed, dropped)
    splits = series.cut(placed, series.cuts(rows["time"], shares), list(shares))
    facts = {
        "interval_seconds": entry["interval"],
        "history": entry["history"],
        "horizon": entry["horizon"],
        "stride": entry["stride"],
        "season": entry["season"],
    }
    return Dataset(raw.facts | facts, splits)


def _grid_notes(placed: Columns, dropped: int) -> list[str]:
    carried = int((~placed["observed"]).sum())
    moved = int((placed["observed"] & (placed["read"] != placed["time"])).sum())
    holes = int(placed["stretch"].max() + 1 - len(np.unique(placed["series"].astype(str))))
    counts = {
        "readings stood beside the regular grid: snapped to the nearest point": moved,
        "readings shared a grid point with a nearer one: left out": dropped,
        "missing grid points were carried forward: they stand in histories, never as targets": (
            carried
        ),
        "longer gaps were not filled: no window spans one": holes,
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count]


if __name__ == "__main__":
    stage.run(prepare, PREPARED)
