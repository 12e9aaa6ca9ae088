"""Rows that are to be answered, from a file or a folder, a batch at a time: none has a label.

A CSV, Parquet files and pictures are read as a stream; JSON lines and a workbook are held whole.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset

from data import series
from data.errors import DataError
from data.proposal import columns as roles
from data.proposal import stamps, tables
from data.sources import columns, conversion, excel, json, paths, text_form
from data.sources.folder import SUFFIXES

BLOCK = 1 << 22  # bytes of a CSV
FIRST = 10_000  # rows that tell what the columns of readings are


def pictures(path: Path, size: int) -> Iterator[tuple[pa.Table, list[bytes]]]:
    """The pictures below a folder, at any depth, by their names, hidden ones left out; or one file.

    Args:
        path: the folder or file.
        size: of a batch.

    Yields:
        A table of the column `file`, and the bytes of each.

    Raises:
        DataError: there is no picture.
    """
    root = paths.local(path)
    files = [PurePosixPath()]
    if root.is_dir():
        files = sorted(name for name, folder in paths.below(root) if not folder)
    names = [
        name
        for name in files
        if (root / name).suffix.lower() in SUFFIXES and not paths.is_hidden(name)
    ]
    if not names:
        raise DataError(f"{path} holds no pictures: expected {', '.join(SUFFIXES)}")
    for start in range(0, len(names), size):
        batch = [root / name for name in names[start : start + size]]
        yield pa.table({"file": list(map(str, batch))}), [file.read_bytes() for file in batch]


def texts(
    path: Path, size: int, entry: Mapping[str, Any], column: str | None
) -> Iterator[tuple[pa.Table, list[str | None]]]:
    """The texts of a table.

    Args:
        path: a CSV, JSON lines, Parquet files or a workbook.
        size: of a batch.
        entry: of the dataset that the model learned from.
        column: the name of the column of texts; None: that of the entry, or the one called `text`,
            or the only column of words.

    Yields:
        A part of the table as it is, and the text of each row, None where there is none.

    Raises:
        DataError: it cannot be read, or there is no such column.
    """
    for table in parts(paths.local(path), size):
        column = column or _text_column(table, entry)
        yield table, conversion.words(columns.column(table, column), column).to_pylist()


def histories(
    path: Path, entry: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[pa.Table, list[np.ndarray]]:
    """The last unbroken readings of each series of a table, on its grid.

    Args:
        path: a table of readings, in any order.
        entry: of the dataset that the model learned from: interval, grid, fill, history; also how
            values and times are written, where the table has its columns.
        names: time, value, series → the names of the columns; what is not named is the entry's
            where the table has it, or found.

    Returns:
        A table of `series` and `time`, that of the last reading, and the values of each.

    Raises:
        DataError: it cannot be read, or which columns are meant is not known.
    """
    read = list(parts(paths.local(path), FIRST))
    if not read:
        raise DataError(f"{path} holds no rows")
    table = pa.concat_tables(read)
    declared = entry.get("columns") or {}
    given = {role: name for role, name in declared.items() if name in table.column_names}
    given |= names
    named, form = _form(table, given)
    if declared and set(declared.values()) <= set(table.column_names):
        keys = (*columns.NUMBERS, *columns.STAMPS)
        form = {key: entry[key] for key in keys if key in entry}
    readings = pd.DataFrame(columns.readings(table, path.stem, **named, **form)).dropna()
    zoned = conversion.times(
        columns.column(table.slice(0, FIRST), named["time"]), named["time"], form.get("time_format")
    ).dt.tz
    in_utc = "Z" if zoned or form.get("time_zone") else ""
    ends: dict[str, list] = {"series": [], "time": [], "zone": []}
    values = []
    for name, points in series.place(readings, dict(entry)).groupby("series", sort=False):
        last = points[points["stretch"] == points["stretch"].iloc[-1]]
        ends["series"].append(name)
        ends["time"].append(last["time"].iloc[-1])
        ends["zone"].append(in_utc)
        values.append(last["value"].to_numpy()[-entry["history"] :])
    return pa.table(ends), values


def _form(table: pa.Table, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of readings, and how their times and values are written, as the first tell."""
    first = table.slice(0, FIRST)
    known = roles.columns_of(first)
    roles.check(known, given)
    named = roles.readings(known, given)
    time, value = known[named["time"]], known[named["value"]]
    if not time.forms or not value.numbers:
        raise DataError(f"there are no times and numbers in {named}: say --time and --value")
    ids = tables.series_of(first, named.get("series"))
    form = stamps.clock(time.values, time.name, ids, time.forms).settings
    decimal, thousands = value.numbers
    return named, form | {"decimal": decimal, "thousands": thousands}


def parts(path: Path, size: int) -> Iterator[pa.Table]:
    """A table in parts of some rows, each column as it is; of a CSV all are words.

    Raises:
        DataError: it is no whole table.
    """
    kind = tables.kind_of(path)
    if kind not in ("csv", "json", "parquet", "excel"):
        raise DataError(f"{path} holds pictures, expected a table: say --task image")
    try:
        if kind == "csv":
            batches: Any = _csv(path)
        elif kind == "parquet":
            batches = pyarrow.dataset.dataset(path, format="parquet").to_batches(batch_size=size)
        else:
            whole = json.read_json(path) if kind == "json" else excel.read_excel(path)
            batches = whole.to_batches(max_chunksize=size)
        for batch in batches:
            for start in range(0, batch.num_rows, size):
                yield pa.Table.from_batches([batch.slice(start, size)])
    except (pa.ArrowException, OSError) as error:
        problem = " ".join(str(error).split())
        raise DataError(f"{path} is not a whole table ({kind}): {problem}") from error


def _csv(path: Path) -> pyarrow.csv.CSVStreamingReader:
    content = text_form.head(path)
    encoding = text_form.encoding_of(content)
    separator = text_form.separator_of(content.decode(encoding, "replace"))
    return pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(encoding=encoding, block_size=BLOCK),
        pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pyarrow.csv.ConvertOptions(default_column_type=pa.string()),
    )


def _text_column(table: pa.Table, entry: Mapping[str, Any]) -> str:
    for name in ((entry.get("columns") or {}).get("text"), "text"):
        if name is not None and name in table.column_names:
            return str(name)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    words = [field.name for field in table.schema if any(kind(field.type) for kind in kinds)]
    if len(words) != 1:
        raise DataError(f"which column of {table.column_names} holds the texts? say --text")
    return words[0]
