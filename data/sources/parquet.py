"""Your own Parquet file of text and label, or of time and value."""

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
        problem = " ".join(str(error).split())
        raise DataError(f"{path} is not a whole Parquet file: {problem}") from error
    return chosen(table, name, entry)
