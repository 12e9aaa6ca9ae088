"""Your own Parquet file of text and label, or of time and value."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import DataError
from data.sources.columns import chosen
from data.sources.paths import local
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    path = local(entry["path"])
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise not_whole(path, error) from error
    return chosen(table, name, entry)


def not_whole(path: Path, error: Exception) -> DataError:
    """The error about a file that is none, without the bytes that Arrow shows of it."""
    reason = "it is cut, or of another format"
    if path.is_dir():
        reason = "a file in it is cut or of another format, or a column is not of one type in all"
    reason = getattr(error, "strerror", None) or reason
    return DataError(f"{path} is not a whole Parquet file: {reason}")
