"""Turn journals without a writer into Parquet, and keep the folder within its size.

    python -m serving.request_log.parquet .espalier/requests 268435456

A worker starts it as a process of its own, the one place where pyarrow is imported. Killed
anywhere, it leaves each row in one place that counts: where `x.parquet` is, it is whole, and
`x.jsonl` counts no more.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pyarrow
import pyarrow.parquet

from serving.request_log.schema import COLUMNS
from serving.request_log.segment import SUFFIX, claim

PARQUET = ".parquet"
ROWS_AT_ONCE = 10_000  # a row group; the process takes 180 MB meanwhile

TYPES = {
    "time": pyarrow.timestamp("us", "UTC"),
    "string": pyarrow.string(),
    "int32": pyarrow.int32(),
    "int64": pyarrow.int64(),
    "double": pyarrow.float64(),
    "strings": pyarrow.list_(pyarrow.string()),
    "doubles": pyarrow.list_(pyarrow.float64()),
    "truths": pyarrow.list_(pyarrow.bool_()),
}
SCHEMA = pyarrow.schema([(name, TYPES[kind]) for name, kind in COLUMNS.items()])
REPEATED = [name for name in COLUMNS if name not in ("request_id", "input")]


def sweep(folder: Path, max_bytes: int) -> None:
    """Convert every journal without a writer, then remove the oldest files over `max_bytes`."""
    for journal in sorted(folder.glob(f"*{SUFFIX}")):
        file = claim(journal)
        if file is not None:
            try:
                _convert(journal, file)
            except Exception:  # the next sweep tries again, until it is among the oldest
                traceback.print_exc()
            finally:
                os.close(file)
    _bound(folder, max_bytes)


def _convert(journal: Path, file: int) -> None:
    """Write a claimed journal's rows beside it and remove it."""
    target = journal.with_suffix(PARQUET)
    if not target.exists():
        partial = journal.with_suffix(".partial")
        if _write(partial, _rows(file)):
            partial.replace(target)
            _synchronise(target.parent)  # the name, before the journal's goes
    journal.unlink()


def _write(partial: Path, rows: Iterator[dict]) -> bool:
    """Write the rows into a new file; returns whether there was one."""
    group = list(islice(rows, ROWS_AT_ONCE))
    if not group:
        return False
    with (
        partial.open("wb") as file,
        pyarrow.parquet.ParquetWriter(
            file, SCHEMA, compression="zstd", use_dictionary=REPEATED
        ) as writer,
    ):
        while group:
            writer.write_table(pyarrow.Table.from_pylist(group, SCHEMA))
            group = list(islice(rows, ROWS_AT_ONCE))
    _synchronise(partial)
    return True


def _rows(file: int) -> Iterator[dict]:
    """Yield the rows of a journal; a line that was torn by a kill or a full disk is none."""
    with os.fdopen(os.dup(file), "rb") as lines:
        for line in lines:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue


def _bound(folder: Path, max_bytes: int) -> None:
    """Remove the oldest files until the rest takes at most `max_bytes`."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (SUFFIX, PARQUET))
    sizes = {path: _bytes(path) for path in files}
    over = sum(sizes.values()) - max_bytes
    for path in files:
        if over <= 0:
            return
        if _removed(path):
            over -= sizes[path]


def _removed(path: Path) -> bool:
    """Remove a file, unless it is the journal of somebody who still writes it."""
    if path.suffix == PARQUET:
        path.unlink(missing_ok=True)
        return True
    file = claim(path)
    if file is None:
        return False
    path.unlink()
    path.with_suffix(".partial").unlink(missing_ok=True)
    os.close(file)
    return True


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _synchronise(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)


if __name__ == "__main__":
    os.nice(19)
    sweep(Path(sys.argv[1]), int(sys.argv[2]))
