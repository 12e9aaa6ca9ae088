"""From the columns of a table, as somebody named them, to the columns of a raw dataset."""

import numpy as np
import pyarrow as pa

from data.errors import DataError, did_you_mean
from data.sources import conversion
from data.stored import Columns, Dataset

NUMBERS, STAMPS = ("decimal", "thousands"), ("time_format", "time_zone")


def chosen(table: pa.Table, name: str, entry: dict) -> Dataset:
    """The rows of your own table: the columns that `columns:` of its entry names, for its task."""
    columns = entry["columns"]
    if entry["task"] == "forecast":
        form = {key: entry[key] for key in (*NUMBERS, *STAMPS) if key in entry}
        rows, zone = readings(table, name, **columns, **form), entry.get("time_zone")
        note = f"times on the clock of {zone} became UTC; of an hour twice the first is summer time"
        return Dataset({"notes": [note] if zone else []}, {"rows": rows})
    declared = [conversion.label(str(label)) for label in entry.get("labels", ())]
    rows = texts(table, **columns, declared=declared)
    for name, key in (("key", "id"), ("group", "group")):
        if entry.get(key):
            rows[name] = conversion.names(column(table, entry[key]), entry[key])
    present = sorted({label for label in rows["label"] if label is not None})
    return Dataset({"labels": declared or present, "notes": []}, {"rows": rows})


def texts(table: pa.Table, text: str, label: str, declared: list[str] | None = None) -> Columns:
    """`text` and `label`, both str; a missing one is None, and an empty text of a CSV stays empty.

    Args:
        table: of at least two columns.
        text: the name of a column.
        label: the name of a column.
        declared: labels that are none that is missing, however they are spelt.
    """
    return {
        "text": conversion.words(column(table, text), text).to_numpy(),
        "label": conversion.labels(column(table, label), label, declared or []),
    }


def readings(
    table: pa.Table,
    name: str,
    time: str,
    value: str,
    series: str | None = None,
    decimal: str = ".",
    thousands: str = "",
    time_format: str | None = None,
    time_zone: str | None = None,
) -> Columns:
    """`time` datetime64[ns] (UTC where a zone is known), `value` float64, `series` str.

    Rows keep the order of the table; a missing time is NaT, a missing value NaN and a missing
    series None, for the gate to see.

    Args:
        table: of at least two columns.
        name: of the one series to which every row belongs, where no column says to which.
        time: the name of a column.
        value: the name of a column.
        series: the name of a column.
        decimal: the decimal sign of values that are words.
        thousands: the sign between their thousands.
        time_format: of strptime, `s` or `ms` since 1970; ISO 8601 without.
        time_zone: of stamps that have none of their own, by its name in the IANA's list.

    Raises:
        DataError: a stamp or a value is not written so, or an hour of the clock is not known.
    """
    ids = np.full(len(table), name, dtype=object)
    if series:
        ids = conversion.names(column(table, series), series)
    stamps = conversion.times(column(table, time), time, time_format)
    return {
        "time": conversion.in_utc(stamps, time, time_zone, ids),
        "value": conversion.numbers(column(table, value), value, decimal, thousands),
        "series": ids,
    }


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The column of that name, a category as its values; raises DataError where there is none."""
    names = table.column_names
    if name not in names:
        hint = did_you_mean(name, names)
        raise DataError(f"there is no column {name!r}{hint}; the file has {names}")
    if names.count(name) > 1:
        raise DataError(f"column {name!r} is there {names.count(name)} times; the file has {names}")
    cells = table[name]
    if pa.types.is_dictionary(cells.type):  # a category: what its values are counts
        cells = cells.cast(cells.type.value_type)
    return cells
