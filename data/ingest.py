"""Bring the rows of one dataset, as they are, to data/raw/NAME: python -m data.ingest NAME

What is wrong with the rows stays wrong here: the gate (data/validate.py) is to see it.
"""

import importlib
from pathlib import Path

import numpy as np

from data import declared, stage, stored
from data.errors import DataError, did_you_mean
from data.sources import collected
from data.sources.conversion import label


def ingest(name: str, folder: Path) -> None:
    """Write the raw rows of dataset `name` into `folder`.

    Every kind of source is a module of data.sources with a function `rows(name, entry)`, which
    returns a Dataset: facts `labels` (classes, in order; none for a series) and `notes`, and the
    splits that the source has, `rows` or the official `train` and `test`. Columns:
    image: `image` uint8 (rows, height, width, channels) or encoded bytes, `label` str, and `file`
    str where there are files; sentiment: `text`, `label` str; both: `key`, `group` str where the
    entry says `id` or `group`; forecast: `time` datetime64[ns],
    `value` float64, `series` str. What was collected of requests is joined to them
    (data/sources/collected.py).

    Raises DataError when the source is unknown, missing, truncated or of another form.
    """
    entry = declared.entry(name)
    source = importlib.import_module(f"data.sources.{entry['kind']}")
    dataset = source.rows(name, entry)
    dataset.facts |= {"name": name, "task": entry["task"]}
    if (positive := entry.get("positive")) is not None:
        dataset.facts["positive"] = _positive(name, label(str(positive)), dataset.facts["labels"])
    count = _number(dataset)
    if count == 0:
        raise DataError(f"{entry['path']} holds no rows")
    collected.join(name, entry, dataset, count)
    stored.write(folder, dataset)
    print(f"{name}: {count:,} rows from {entry['path']}")


def _positive(name: str, positive: str, labels: list[str]) -> str:
    """The label that the entry calls positive; raises DataError where it is none of `labels`."""
    if positive not in labels:
        raise DataError(
            f"the entry of {name} says `positive: {positive}`{did_you_mean(positive, labels)}, "
            f"expected one of its labels: {', '.join(labels)}"
        )
    return positive


def _number(dataset: stored.Dataset) -> int:
    """Give every row an `id`, counted over all splits of the source; returns how many there are."""
    start = 0
    for columns in dataset.splits.values():
        rows = len(next(iter(columns.values())))
        columns["id"] = np.arange(start, start + rows)
        start += rows
    return start


if __name__ == "__main__":
    stage.run(ingest, stored.RAW)
