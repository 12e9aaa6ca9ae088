"""From the columns of a table, as somebody named them, to the columns of a raw dataset."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.errors import DataError, nearest
from data.stored import Columns, Dataset


def read_csv(path: Path) -> pa.Table:
    """A CSV with a header row, packed or not; quoted line breaks and empty cells are kept.

    Raises DataError when the file is missing, empty or ragged.
    """
    try:
        return pyarrow.csv.read_csv(
            path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)
        )
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: `path:` in params.yaml names it") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a whole CSV with a header row: {error}") from error


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file; raises DataError when it is missing or truncated."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: `path:` in params.yaml names it") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a whole Parquet file: {error}") from error


def chosen(table: pa.Table, name: str, entry: dict) -> Dataset:
    """The rows of your own table: the columns that `columns:` of its entry names, for its task."""
    columns = entry["columns"]
    if entry["task"] == "forecast":
        return Dataset({"notes": []}, {"rows": readings(table, name, **columns)})
    rows = texts(table, **columns)
    found = sorted({label for label in rows["label"] if label})
    labels = [str(label) for label in entry.get("labels", found)]
    return Dataset({"labels": labels, "notes": []}, {"rows": rows})


def texts(table: pa.Table, text: str, label: str) -> Columns:
    """`text` and `label`, both str; an empty cell stays empty, for the gate to see."""
    return {
        "text": _column(table, text).cast(pa.string()).to_numpy(),
        "label": _column(table, label).cast(pa.string()).to_numpy(),
    }


def readings(table: pa.Table, name: str, time: str, value: str, series: str = "") -> Columns:
    """`time` datetime64[ns] (UTC where the table says a zone), `value` float64, `series` str.

    time, value and series are names of columns; without one for the series every row belongs to
    the one series `name`. Rows keep the order of the table.
    Raises DataError when a stamp is not ISO 8601 or a value not a number; an empty cell becomes
    NaT or NaN, for the gate to see.
    """
    stamps = _column(table, time)
    if not pa.types.is_timestamp(stamps.type):
        stamps = _convert(stamps, time, pa.timestamp("ns"), "an ISO 8601 time stamp")
    values = _convert(_column(table, value), value, pa.float64(), "a number")
    one = np.full(len(table), name, dtype=object)
    return {
        "time": stamps.cast(pa.timestamp("ns")).to_numpy(),
        "value": values.to_numpy(),
        "series": _column(table, series).cast(pa.string()).to_numpy() if series else one,
    }


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        known = table.column_names
        raise DataError(f"there is no column {name!r}{nearest(name, known)}; the file has {known}")
    return table[name]


def _convert(column: pa.ChunkedArray, name: str, to: pa.DataType, what: str) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):  # an empty cell in a column of words
        column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
    try:
        return column.cast(to)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r} holds something that is not {what}: {error}") from error
