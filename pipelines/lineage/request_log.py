"""Read the request log that services write: Parquet, and the journals that are not Parquet yet.

`<home>/requests/<start>-<pid>.parquet` or `.jsonl`, both while the one is made of the other:
`serving/request_log/schema.py` says what a row holds. Files are never changed once they are
closed, and the oldest go first.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipelines.runtime import environment

PARQUET, JOURNAL = ".parquet", ".jsonl"


def folder() -> Path:
    """Where the services of this home write."""
    return environment.home() / "requests"


def find(request_id: str) -> list[dict]:
    """The rows of the requests that had this id, the newest first, without what is null.

    time: ISO, UTC.
    """
    found = []
    for path in _files():
        found += _in_journal(path, request_id) or _in_parquet(path, request_id)
    found.sort(key=lambda row: row["time"], reverse=True)
    return [row | {"time": row["time"].isoformat(timespec="milliseconds")} for row in found]


def _files() -> Iterator[Path]:
    """The log's files without their suffix, the newest first."""
    if folder().is_dir():
        names = {path.stem for path in folder().iterdir() if path.suffix in (PARQUET, JOURNAL)}
        yield from (folder() / name for name in sorted(names, reverse=True))


def _in_journal(path: Path, request_id: str) -> list[dict]:
    """The rows of a journal, unless it has become Parquet."""
    if path.with_suffix(PARQUET).exists():
        return []
    try:
        lines = path.with_suffix(JOURNAL).open("rb")
    except FileNotFoundError:  # it became Parquet just now
        return []
    with lines:
        # Most lines need not be parsed; the last one may be half written yet.
        wanted = request_id.encode()
        near = [line for line in lines if wanted in line and line.endswith(b"\n")]
    rows = [row for row in map(_parsed, near) if row.get("request_id") == request_id]
    return [row | {"time": datetime.fromtimestamp(row["time"] / 1e6, UTC)} for row in rows]


def _in_parquet(path: Path, request_id: str) -> list[dict]:
    """The rows of a Parquet file; of those groups only whose ids hold this one all is read."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path.with_suffix(PARQUET))
    except FileNotFoundError:  # no journal that is through, or the oldest and removed just now
        return []
    rows = []
    with file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["request_id"]).column(0)
            where = pc.indices_nonzero(pc.equal(ids, request_id))
            if len(where):
                rows += file.read_row_group(group).take(where).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _parsed(line: bytes) -> dict:
    try:
        return json.loads(line)
    except ValueError:  # torn by a full disk
        return {}
