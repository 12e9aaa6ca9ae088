"""From the columns of a table, as somebody named them, to the columns of a raw dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.errors import DataError, did_you_mean
from data.stored import Columns, Dataset

ZONE = r"(Z|[+-]\d\d:?\d\d)\s*$"


def read_csv(path: Path) -> pa.Table:
    """A CSV with a header row, packed or not; quoted line breaks and empty cells are kept.

    Raises DataError when the file is missing, empty, ragged or not separated by commas.
    """
    breaks = pyarrow.csv.ParseOptions(newlines_in_values=True)
    with readable(path, "CSV in UTF-8 with a header row"):
        table = pyarrow.csv.read_csv(path, parse_options=breaks)
    if table.num_columns == 1:
        [name] = table.column_names
        raise DataError(f"{path} has one column, {name!r}: expected several, with commas between")
    return table


@contextmanager
def readable(path: Path, form: str) -> Iterator[None]:
    """Raise DataError where the block, which reads `path`, finds no whole file of that form."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: `path:` in params.yaml names it") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a whole {form}: {error}") from error


def chosen(table: pa.Table, name: str, entry: dict) -> Dataset:
    """The rows of your own table: the columns that `columns:` of its entry names, for its task."""
    columns = entry["columns"]
    if entry["task"] == "forecast":
        return Dataset({"notes": []}, {"rows": readings(table, name, **columns)})
    rows = texts(table, **columns)
    present = sorted({label for label in rows["label"] if label})
    labels = [str(label) for label in entry.get("labels", present)]
    return Dataset({"labels": labels, "notes": []}, {"rows": rows})


def texts(table: pa.Table, text: str, label: str) -> Columns:
    """`text` and `label`, both str; an empty cell stays empty, for the gate to see."""
    return {"text": _words(table, text), "label": _words(table, label)}


def readings(table: pa.Table, name: str, time: str, value: str, series: str = "") -> Columns:
    """`time` datetime64[ns] (UTC where the table says a zone), `value` float64, `series` str.

    time, value and series are names of columns; without one for the series every row belongs to
    the one series `name`. Rows keep the order of the table.
    Raises DataError when a stamp is not ISO 8601 or a value not a number; an empty cell becomes
    NaT or NaN, for the gate to see.
    """
    stamps = _without_blanks(_column(table, time))
    if pa.types.is_integer(stamps.type) or pa.types.is_floating(stamps.type):
        raise DataError(  # seconds, or thousandths, or days: nothing here can know
            f"column {time!r} holds numbers such as {stamps[0]}, expected ISO 8601 time stamps"
            " such as 2024-05-01T13:30:00Z"
        )
    values = _without_blanks(_column(table, value))
    return {
        "time": _converted(stamps, time, _stamp_type(stamps), "an ISO 8601 time stamp"),
        "value": _converted(values, value, pa.float64(), "a number"),
        "series": _words(table, series) if series else np.full(len(table), name, dtype=object),
    }


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    names = table.column_names
    if name not in names:
        hint = did_you_mean(name, names)
        raise DataError(f"there is no column {name!r}{hint}; the file has {names}")
    if names.count(name) > 1:
        raise DataError(f"column {name!r} is there {names.count(name)} times; the file has {names}")
    column = table[name]
    # pandas writes its words with wide offsets
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _words(table: pa.Table, name: str) -> np.ndarray:
    return _converted(_column(table, name), name, pa.string(), "text in UTF-8")


def _without_blanks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """An empty cell in a column of words is a missing one."""
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)


def _stamp_type(column: pa.ChunkedArray) -> pa.DataType:
    """What words are read as: those with a zone become UTC, the others stay as they are."""
    if pa.types.is_string(column.type) and pc.any(pc.match_substring_regex(column, ZONE)).as_py():
        return pa.timestamp("ns", "UTC")
    return pa.timestamp("ns")


def _converted(column: pa.ChunkedArray, name: str, to: pa.DataType, what: str) -> np.ndarray:
    try:
        return column.cast(to).to_numpy()
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r} holds something that is not {what}: {error}") from error
