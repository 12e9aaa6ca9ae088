"""Read the request log that the services of this home write, as a stream.

`<home>/requests/<start>-<pid>.jsonl`, one record a line: `serving/request_log/records.py` names the
fields. A line that was torn by a kill or a full disk is skipped. Services before version 0.2 left
Parquet files as well; where one has the name of a `.jsonl` file, it replaces that file.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from pipelines.runtime import environment

SEGMENT, PARQUET = ".jsonl", ".parquet"
BATCH_ROWS = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Record = dict[str, Any]


def folder() -> Path:
    """The folder that the services of this home write to."""
    return environment.home() / "requests"


def labels() -> Path:
    """The folder of the labels that came back: serving/request_log/labels.py names their fields."""
    return environment.home() / "labels"


def records(request_id: str | None = None) -> Iterator[Record]:
    """Read every record, or those of one request id, one by one.

    Yields:
        The record without its null fields; the files in the order in which they were started.
    """
    for path in files():
        try:
            read = in_parquet if path.suffix == PARQUET else _in_segment
            yield from read(path, request_id)
        except FileNotFoundError:  # a service has just removed it, as the oldest
            continue


def files(place: Path | None = None) -> list[Path]:
    """The files that hold the log, or those of another folder, in the order of their start."""
    place = place or folder()
    names = {path.stem for path in place.glob("*") if path.suffix in (SEGMENT, PARQUET)}
    places = [(place / name).with_suffix(PARQUET) for name in sorted(names)]
    return [path if path.exists() else path.with_suffix(SEGMENT) for path in places]


def find(request_id: str) -> list[Record]:
    """Return the records of a request id, the newest first; `time` is ISO, UTC."""
    newest_first = sorted(records(request_id), key=lambda record: -record["time"])
    return [record | {"time": _iso(record["time"])} for record in newest_first]


def in_parquet(path: Path, request_id: str | None = None) -> Iterator[Record]:
    """Read the records of a file of before version 0.2: all, or those of one request id."""
    from pyarrow import parquet

    wanted = None if request_id is None else [("request_id", "==", request_id)]
    for batch in parquet.read_table(path, filters=wanted).to_batches(BATCH_ROWS):
        for row in batch.to_pylist():
            record = {name: value for name, value in row.items() if value is not None}
            yield record | {"time": (record["time"] - EPOCH) // timedelta(microseconds=1)}


def _in_segment(path: Path, request_id: str | None) -> Iterator[Record]:
    needle = (request_id or "").encode()
    with path.open("rb") as lines:
        for line in lines:
            if needle in line:  # few lines need to be parsed where one id is wanted
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(record, dict) and request_id in (None, record.get("request_id")):
                    yield record


def _iso(microseconds: int) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="milliseconds")
