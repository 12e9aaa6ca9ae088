"""Your own Parquet file of text and label, or of time and value."""

from pathlib import Path

from data.sources.columns import chosen, read_parquet
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    return chosen(read_parquet(Path(entry["path"])), name, entry)
