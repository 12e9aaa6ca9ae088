"""The request log as columns: what each answer was, fast and in bounded memory.

The files are those of `pipelines/lineage/request_log.py`, the fields those of
`serving/request_log/records.py`. A part of a file is parsed at a time, by pyarrow; a line that was
torn by a kill or a full disk is skipped.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.experiments import registry
from pipelines.lineage import request_log

if TYPE_CHECKING:
    import pyarrow

PART_BYTES = 16 << 20  # of a file that are parsed at a time: some 30,000 records
BLOCK_BYTES = 4 << 20  # of a part that one thread parses
# Field → its type, as pyarrow reads it; of a list each item is one input's.
TYPES = {
    "time": "int64",
    "request_id": "string",
    "route": "string",
    "task": "string",
    "client": "string",
    "latency_ms": "float64",
    "inputs": "int64",
    "model": "string",
    "version": "string",
    "fingerprint": "string",
    "status": "int64",
    "error": "string",
    "width": "int64",
    "height": "int64",
    "bytes": "int64",
    "characters": "int64",
    "words": "int64",
    "values": "int64",
    "mean": "float64",
    "std": "float64",
    "min": "float64",
    "max": "float64",
    "first": "float64",
    "last": "float64",
    "label": ["string"],
    "probability": ["float64"],
    "familiar": ["bool"],
    "familiarity": ["float64"],
    "horizon": "int64",
    "level": "float64",
    "forecast_mean": "float64",
    "forecast_last": "float64",
    "interval_width": "float64",
    "forecast": ["float64"],
    "lower": ["float64"],
    "upper": ["float64"],
    "series": "string",
    "last_time": "int64",
    "interval": "int64",
    "history": ["float64"],
    "input": "string",
}
CHALLENGER = "challenger."  # begins the name of a field of the second model's answer


def table(
    task: str,
    dataset: str,
    since: datetime | None = None,
    columns: Sequence[str] = ("request_id", "version"),
    signals: Sequence[str] = (),
) -> "pyarrow.Table":
    """Read what a dataset's models have answered: the records with status 200, by time.

    Args:
        task, dataset: Of the registered model, whatever its version.
        since: The earliest answer; None for all that is kept.
        columns: The fields that are read: of `TYPES`, and of the second model's answer, as
            `challenger.version`, into a struct of that name.
        signals: The names of `signals` that are read into a struct of that name; one that a record
            lacks is null.

    Returns:
        A row for each record; a field that a record lacks is null. `time` comes first: int64,
        microseconds since 1970 (UTC).
    """
    import pyarrow
    from pyarrow import compute

    model, fields = registry.model_name(task, dataset), schema(columns, signals)
    parts = [fields.empty_table()]
    for part in batches([*columns, "model", "status"], since, signals):
        answered = compute.equal(part["status"], 200)
        ours = compute.equal(part["model"], model)
        parts.append(part.filter(compute.and_(answered, ours)).select(fields.names))
    return pyarrow.concat_tables(parts).sort_by("time")


def batches(
    columns: Sequence[str], since: datetime | None = None, signals: Sequence[str] = ()
) -> Iterator["pyarrow.Table"]:
    """Read every record of the log, part by part, in the order in which the files were started.

    Args:
        columns, since, signals: See `table`.
    """
    yield from read(request_log.files(), schema(columns, signals), since)


def read(
    files: Sequence[Path], fields: "pyarrow.Schema", since: datetime | None = None
) -> Iterator["pyarrow.Table"]:
    """Read files of lines of JSON, part by part; a line without a time is left out.

    Args:
        files: As `request_log.files` names them.
        fields: What is read of each record, `time` among them.
        since: The earliest record.
    """
    from pyarrow import compute

    first = 0 if since is None else int(since.timestamp() * 1e6)
    for path in files:
        try:
            if since and datetime.fromtimestamp(path.stat().st_mtime, UTC) < since:
                continue  # its last record is older
            for part in _parts(path, fields):
                whole = first == 0 and part["time"].null_count == 0
                yield part if whole else part.filter(compute.greater_equal(part["time"], first))
        except FileNotFoundError:  # a service has just removed it, as the oldest
            continue


def _parts(path: Path, fields: "pyarrow.Schema") -> Iterator["pyarrow.Table"]:
    if path.suffix == request_log.PARQUET:
        yield _in_parquet(path, fields)
        return
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield from _parsed(part + file.readline(), fields, BLOCK_BYTES)


def _parsed(
    lines: bytes, fields: "pyarrow.Schema", block: int | None = None
) -> Iterator["pyarrow.Table"]:
    """Parse lines of JSON; where pyarrow refuses, each half of them, down to the line at fault.

    block: how many bytes one thread parses, which no line may be longer than; None: all.
    """
    import pyarrow
    from pyarrow import json

    parsing = json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore")
    reading = json.ReadOptions(block_size=block or len(lines))
    try:
        yield json.read_json(pyarrow.BufferReader(lines), reading, parsing).select(fields.names)
    except pyarrow.ArrowInvalid:
        middle = lines.find(b"\n", len(lines) // 2, -1) + 1 or lines.rfind(b"\n", 0, -1) + 1
        if middle:
            yield from _parsed(lines[:middle], fields)
            yield from _parsed(lines[middle:], fields)


def _in_parquet(path: Path, fields: "pyarrow.Schema") -> "pyarrow.Table":
    """Read a file of before version 0.2, in which a time is a time stamp."""
    import pyarrow
    from pyarrow import parquet

    held = parquet.read_table(path)
    columns = [
        held[field.name].cast(field.type)
        if field.name in held.schema.names
        else pyarrow.nulls(len(held), field.type)
        for field in fields
    ]
    return pyarrow.Table.from_arrays(columns, schema=fields)


def schema(columns: Sequence[str], signals: Sequence[str] = ()) -> "pyarrow.Schema":
    """The time, the fields and the signals that are read, each once."""
    import pyarrow

    def typed(name: str) -> Any:
        match TYPES[name]:
            case [item]:
                return pyarrow.list_(pyarrow.type_for_alias(item))
            case alias:
                return pyarrow.type_for_alias(alias)

    names = dict.fromkeys(["time", *columns])
    fields = [(name, typed(name)) for name in names if name in TYPES]
    second = [name.removeprefix(CHALLENGER) for name in names if name.startswith(CHALLENGER)]
    if second:
        fields.append(("challenger", pyarrow.struct([(name, typed(name)) for name in second])))
    if signals:
        fields.append(("signals", pyarrow.struct([(name, "float64") for name in signals])))
    return pyarrow.schema(fields)
