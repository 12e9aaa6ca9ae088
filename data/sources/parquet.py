"""Your own Parquet file of text and label, or of time and value."""

from pathlib import Path

import pyarrow.parquet as pq

from data.sources.columns import chosen, readable
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    path = Path(entry["path"])
    with readable(path, "Parquet file"):
        table = pq.read_table(path)
    return chosen(table, name, entry)
