"""Labelled requests that became rows of a dataset: a further part of it, beside its source.

    data/collected/NAME/2026-12-01.parquet    the requests of a day, UTC

`espalier data collect` writes them, ingest joins them to the rows of the source. The columns:

    request_id, client, version    of the request, and of the model that answered
    time        when it was answered, in microseconds since 1970 (UTC)
    index       of pictures and texts: which of its inputs, from 0
    image       the picture as the dataset has them: a file as it was sent, or of arrays a PNG of
                their shape; or text, as it was sent
    label, predicted    what was right, and what was answered
    series, at, value   of a series: its name, when a reading was, in microseconds, and what it was
"""

import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pyarrow import compute

from data.classes import digests
from data.sources.parquet import not_whole
from data.stored import COLLECTED, Columns, Dataset

SUFFIX = ".parquet"
REQUEST = {"request_id": "string", "time": "int64", "client": "string", "version": "string"}
LABELLED = REQUEST | {"index": "int64", "label": "string", "predicted": "string"}
COLUMNS = {
    "image": LABELLED | {"image": "binary"},
    "sentiment": LABELLED | {"text": "string"},
    "forecast": REQUEST | {"series": "string", "at": "int64", "value": "float64"},
}
LATEST = 9_200_000_000_000_000  # microseconds that nanoseconds can say: the year 2261
CONTENT = {"image": "image", "sentiment": "text"}


def schema(task: str) -> pa.Schema:
    """The columns of a part."""
    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS[task].items()])


def read(task: str, files: Iterable[Path], columns: Iterable[str] | None = None) -> pa.Table:
    """The rows of some parts.

    Args:
        task: image, sentiment or forecast.
        files: the parts.
        columns: those that are read; None: all.

    Raises:
        DataError: a part is cut, or of another form.
    """
    fields = schema(task)
    if columns is not None:
        fields = pa.schema([fields.field(name) for name in columns])
    tables = [fields.empty_table()]
    for file in files:
        try:
            tables.append(pq.read_table(file, columns=fields.names).cast(fields))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise not_whole(file, error) from error
    return pa.concat_tables(tables)


def write(part: Path, rows: pa.Table) -> None:
    """Put a part in the place of what is there, whole or not at all; without rows there is none.

    The caller holds the lock of the folder.
    """
    if not len(rows):
        part.unlink(missing_ok=True)
        return
    place = part.parent  # which DVC reads: what is half written lies beside it
    temporary = place.with_name(f".{place.name}.{os.getpid()}{SUFFIX}")
    try:
        with temporary.open("wb") as file:
            pq.write_table(rows, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(part)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Hold the lock of a folder of parts, after what a killed process left is removed."""
    opened = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        for left_over in place.parent.glob(f".{place.name}.*{SUFFIX}"):
            left_over.unlink()
        yield
    finally:
        os.close(opened)


def parts(place: Path) -> list[Path]:
    """The parts in a folder, the oldest first."""
    return sorted(place.glob(f"*{SUFFIX}"))


def matching(part: Path, wanted: Mapping[str, str]) -> tuple[pa.Table, pa.Table]:
    """The rows of a part in which a column, client or request_id, has a value; and the others.

    Raises DataError where it is damaged.
    """
    try:
        rows = pq.read_table(part)
    except (pa.ArrowException, OSError) as error:
        raise not_whole(part, error) from error
    is_meant = np.zeros(len(rows), bool)
    for column, value in wanted.items():
        is_meant |= compute.fill_null(compute.equal(rows[column], value), False).to_numpy()
    return rows.filter(is_meant), rows.filter(~is_meant)


def join(name: str, entry: Mapping, dataset: Dataset, rows: int) -> None:
    """Add what was collected to the rows of the source, where there is something.

    Each split then says as `collected`, bool (rows,), which rows these are; of pictures and texts
    also as `failure` which of them were answered wrong. The notes say what was left out.

    Args:
        name: of the dataset.
        entry: as declared.
        dataset: what the source holds, with the ids of its rows.
        rows: how many these are.
    """
    task = entry["task"]
    table = read(task, parts(COLLECTED / name))
    if not len(table):
        return
    order = [(key, "descending") for key in ("time", "request_id")]
    table = table.sort_by(order)  # of equal ones the newest counts
    into = "rows" if "rows" in dataset.splits else "train"
    add = _readings if task == "forecast" else _labelled
    more = add(table, entry, dataset, dataset.splits[into])
    if not (count := len(more["collected"])):
        return
    more["id"] = np.arange(rows, rows + count)
    for split, columns in dataset.splits.items():
        for mark in more.keys() & {"collected", "failure"}:
            columns[mark] = np.zeros(len(columns["id"]), bool)
        if split == into:
            for column, values in columns.items():
                columns[column] = np.concatenate([values, more[column]])
    dataset.facts["notes"].append(f"{count:,} rows are of requests")


def _labelled(table: pa.Table, entry: Mapping, dataset: Dataset, own: Columns) -> Columns:
    """The collected pictures or texts that are not there already, in the order of their time."""
    content, notes = CONTENT[entry["task"]], dataset.facts["notes"]
    values = table[content].to_pylist()
    if own[content].dtype == np.uint8:
        values = [_pixels(value, own[content].shape[1:]) for value in values]
    fits = np.array([value is not None for value in values])
    fits &= compute.is_in(table["label"], pa.array(dataset.facts["labels"])).to_numpy()
    if count := np.count_nonzero(~fits):
        notes.append(f"{count:,} collected rows are of another label or size: left out")
    chosen = np.flatnonzero(fits)
    names = digests(values[row] for row in chosen)
    source = digests(
        value
        for columns in dataset.splits.values()
        for value in columns[content]
        if value is not None
    )
    new = np.zeros(len(chosen), bool)
    new[np.unique(names, return_index=True)[1]] = True
    new &= ~np.isin(names, source)
    if count := np.count_nonzero(~new):
        notes.append(f"{count:,} collected rows equal one that is there already: left out")
    chosen = chosen[new][::-1]
    rows = table.take(chosen)
    pairs = zip(rows["request_id"].to_pylist(), rows["index"].to_pylist(), strict=True)
    request = np.array([f"request {name}/{index}" for name, index in pairs], dtype=object)
    more: Columns = {column: request for column in ("file", "key", "group") if column in own}
    more[content] = np.empty((len(chosen), *own[content].shape[1:]), own[content].dtype)
    for place, row in enumerate(chosen):
        more[content][place] = values[row]
    more["label"] = rows["label"].to_numpy().astype(object)
    more["failure"] = compute.not_equal(rows["label"], rows["predicted"]).to_numpy()
    return more | {"collected": np.ones(len(chosen), bool)}


def _pixels(png: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 (height, width, channels) of a PNG that was written of such; None of another shape."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        pixels = np.asarray(picture)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels if pixels.shape == shape else None


def _repeats(series: Iterable, time: Iterable, least: object) -> list[bool]:
    """Which readings, in order, are nearer to the one before of their series that is none such."""
    kept: dict = {}
    repeats = []
    for name, at in zip(series, time, strict=True):
        repeats.append(name in kept and at - kept[name] < least)
        if not repeats[-1]:
            kept[name] = at
    return repeats


def _readings(table: pa.Table, entry: Mapping, dataset: Dataset, own: Columns) -> Columns:
    """The collected readings that make windows, one series after the other."""
    import pandas as pd

    frame = table.select(["series", "at", "value"]).to_pandas().drop_duplicates(["series", "at"])
    came = frame[frame["at"].abs() < LATEST].assign(collected=True)
    came["time"] = came["at"].astype("datetime64[us]").astype("datetime64[ns]")
    source = pd.DataFrame({name: own[name] for name in ("series", "time", "value")})
    both = pd.concat([source.assign(collected=False), came]).dropna(subset=["series", "time"])
    both = both.sort_values(["series", "time"], kind="stable", ignore_index=True)
    interval = pd.Timedelta(seconds=entry["interval"])
    before = both["time"].where(~both["collected"]).groupby(both["series"])
    beside = [(both["time"] - before.ffill()), (before.bfill() - both["time"])]
    is_there = both["collected"] & ((beside[0] < interval / 2) | (beside[1] < interval / 2))
    both = both[~is_there]
    came = both[both["collected"]]
    both = both.drop(came.index[_repeats(came["series"], came["time"], interval / 2)])
    step = both.groupby("series")["time"].diff()
    hole = max(interval, pd.Timedelta(seconds=entry["fill"]) + interval) + interval / 10
    stretch = (~(step <= hole)).cumsum()
    length = both.groupby(stretch)["time"].transform("size")
    both = both[~both["collected"] | (length >= entry["history"] + entry["horizon"])]
    spread = both.groupby("series")["value"].transform("nunique")
    chosen = both[both["collected"] & (spread > 1)]
    if count := len(frame) - len(chosen):
        why = "are there already, or stand alone for less than a window"
        dataset.facts["notes"].append(f"{count:,} collected readings {why}: left out")
    return {
        "series": chosen["series"].to_numpy(object),
        "time": chosen["time"].to_numpy("datetime64[ns]"),
        "value": chosen["value"].to_numpy(np.float64),
        "collected": np.ones(len(chosen), bool),
    }
