"""Rows that are to be answered, from a file or a folder, a batch at a time: none has a label.

A CSV, Parquet files and pictures are read as a stream; JSON lines and a workbook are held whole.
"""

import io
from collections.abc import Collection, Iterator, Mapping
from csv import reader
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import is_zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet

from data import series
from data.errors import DataError
from data.proposal import columns as roles
from data.proposal import stamps, tables
from data.sources import columns, conversion, csv, excel, folder, json, parquet, paths, text_form
from data.sources.folder import SUFFIXES

BLOCK = 1 << 22  # bytes of a CSV
FIRST = 10_000  # rows that tell what the columns of readings are
FORM = (*columns.NUMBERS, *columns.STAMPS)


def pictures(path: Path, size: int) -> tuple[list[str], Iterator[tuple[pa.Table, list[bytes]]]]:
    """The pictures below a folder or in a ZIP, at any depth, by their names; or one file.

    Args:
        path: the folder, ZIP or file.
        size: of a batch.

    Returns:
        What is left out, in words; and by batches a table of the column `file`, and the bytes
        of each.

    Raises:
        DataError: there is no picture, or the ZIP is not whole.
    """
    root = paths.local(path)
    is_zip = root.suffix.lower() not in SUFFIXES and root.is_file() and is_zipfile(root)
    if root.is_dir() or is_zip:
        held = folder.in_zip(root).items() if is_zip else paths.below(root)
        files = sorted(name for name, is_folder in held if not is_folder)
        shown = [name for name in files if not paths.is_hidden(name)]
    else:
        root, files = root.parent, [PurePosixPath(root.name)]
        shown = files
    names = [name for name in shown if name.suffix.lower() in SUFFIXES]
    if not names:
        raise DataError(
            f"{path} holds no pictures: expected {', '.join(SUFFIXES)}, or a folder or ZIP of them"
        )
    return _left_out(len(files) - len(shown), len(shown) - len(names)), _read(root, names, size)


def _left_out(hidden: int, others: int) -> list[str]:
    counts = {
        f"hidden or system file{'s' * (hidden > 1)}: . or @ comes first, Thumbs.db, …": hidden,
        f"file{'s' * (others > 1)} not named {', '.join(SUFFIXES)}": others,
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count]


def _read(
    root: Path, names: list[PurePosixPath], size: int
) -> Iterator[tuple[pa.Table, list[bytes]]]:
    for start in range(0, len(names), size):
        batch = names[start : start + size]
        files = [str(root / name) for name in batch]
        yield pa.table({"file": files}), folder.contents(root, batch)


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
    known = column or (entry.get("columns") or {}).get("text")
    for table in parts(paths.local(path), size, entry, [known] if known else []):
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
        A table of `series`, `time`, that of the last reading, its `zone`, and of the `hole` before
        these readings, in words, where there is one; and the values of each.

    Raises:
        DataError: it cannot be read, or which columns are meant is not known.
    """
    meant = (entry.get("columns") or {}) | dict(names)
    known = [meant[role] for role in ("time", "value") if role in meant]
    read = list(parts(paths.local(path), FIRST, entry, known))
    if not read:
        raise DataError(f"{path} holds no rows")
    table = pa.concat_tables(read)
    has = set(table.column_names) | set(names.values())
    named, form = _form(table, {role: name for role, name in meant.items() if name in has}, entry)
    readings = pd.DataFrame(columns.readings(table, path.stem, **named, **form))
    measured = _measured(readings, entry)
    if measured.empty:
        raise DataError(f"{path} holds no reading that has a time, a value and a series")
    zoned = conversion.times(
        columns.column(table.slice(0, FIRST), named["time"]), named["time"], form.get("time_format")
    ).dt.tz
    in_utc = "Z" if zoned or form.get("time_zone") else ""
    placed = dict(iter(series.place(measured, dict(entry)).groupby("series")))
    ends: dict[str, list] = {"series": [], "time": [], "zone": [], "hole": []}
    values = []
    for name in sorted(readings["series"].dropna().unique()):
        points = placed.get(name, readings.iloc[:0].assign(stretch=0))
        is_last = points["stretch"] == points["stretch"].max()
        last = points[is_last]
        ends["series"].append(name)
        ends["time"].append(None if last.empty else last["time"].iloc[-1])
        ends["zone"].append(in_utc)
        ends["hole"].append(_hole(points[~is_last]["time"], last["time"], entry["fill"]))
        values.append(last["value"].to_numpy()[-entry["history"] :])
    return pa.table(ends), values


def _measured(readings: pd.DataFrame, entry: Mapping[str, Any]) -> pd.DataFrame:
    """The readings without those that say nothing, and that the gate would have set aside."""
    if entry.get("on_bad_rows") == "drop" and "range" in entry:
        readings = readings[readings["value"].between(*entry["range"])]
    return readings.dropna()


def _hole(before: pd.Series, after: pd.Series, fill: float) -> str | None:
    """What parts the last readings from those before, in words, by the times of both."""
    if before.empty:
        return None
    return (
        f"Readings before the hole from {before.iloc[-1]} to {after.iloc[0]} do not count:"
        f" `fill: {fill:g}` in the dataset's entry is how many seconds without a reading are"
        " carried forward."
    )


def _form(
    table: pa.Table, given: Mapping[str, str], entry: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of readings, and how their times and values are written: as the entry says of its
    own columns, of others as the first rows tell.
    """
    first = table.slice(0, FIRST)
    known = roles.columns_of(first)
    roles.check(known, given)
    named = roles.readings(known, given)
    declared = entry.get("columns") or {}
    if all(named[role] == declared.get(role) for role in ("time", "value")):
        return named, {key: entry[key] for key in FORM if key in entry}
    time, value = known[named["time"]], known[named["value"]]
    if not time.forms or not value.numbers:
        raise DataError(f"there are no times and numbers in {named}: say --time and --value")
    ids = tables.series_of(first, named.get("series"))
    form = stamps.clock(time.values, time.name, ids, time.forms).settings
    decimal, thousands = value.numbers
    return named, form | {"decimal": decimal, "thousands": thousands}


def parts(
    path: Path, size: int, entry: Mapping[str, Any], known: Collection[str]
) -> Iterator[pa.Table]:
    """A table in parts of some rows, each column as it is; of a CSV all are words.

    Args:
        path: of the table.
        size: of a part.
        entry: of the dataset: it says how a file with these columns is written.
        known: the columns that are to be read, as far as they are known before.

    Raises:
        DataError: it is no whole table.
    """
    kind = tables.kind_of(path)
    if kind == "csv":
        batches = _csv(path, *_written(path, entry, known))
    elif kind == "parquet":
        batches = _parquet(path, size)
    elif kind == "json":
        batches = iter(json.read_json(path).to_batches(max_chunksize=size))
    elif kind == "excel":
        sheet = entry.get("sheet")
        if sheet and sheet not in excel.sheets(path):
            sheet = None
        batches = iter(excel.read_excel(path, sheet).to_batches(max_chunksize=size))
    else:
        raise DataError(f"{path} holds pictures, expected a table: say --task image")
    for batch in batches:
        for start in range(0, batch.num_rows, size):
            yield pa.Table.from_batches([batch.slice(start, size)])


def _written(path: Path, entry: Mapping[str, Any], known: Collection[str]) -> tuple[str, str]:
    """Encoding and separator of a CSV: those of the entry, where they make the known columns."""
    content = text_form.head(path)
    found = text_form.encoding_of(content)
    encoding, separator = entry.get("encoding", "utf-8"), entry.get("separator", ",")
    if encoding == "utf-8":  # also where the entry says nothing
        encoding = found
    text = content.decode(encoding, "replace").removeprefix("\ufeff")
    rows = reader(io.StringIO(text, newline=""), delimiter=separator)
    header = next(filter(None, rows), [])
    if known and set(known) <= set(header):
        return encoding, separator
    return found, text_form.separator_of(content.decode(found, "replace"))


def _csv(path: Path, encoding: str, separator: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from pyarrow.csv.open_csv(
            path,
            pyarrow.csv.ReadOptions(encoding=encoding, block_size=BLOCK),
            pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            pyarrow.csv.ConvertOptions(default_column_type=pa.string()),
        )
    except (pa.ArrowException, OSError, UnicodeError) as error:
        csv.read_csv(path, encoding, separator)  # knows the row, and has the words for it
        problem = " ".join(str(error).split())
        raise DataError(f"{path} is not a whole CSV in {encoding}: {problem}") from error


def _parquet(path: Path, size: int) -> Iterator[pa.RecordBatch]:
    part = path
    try:
        names = pyarrow.parquet.read_schema(path).names if path.is_file() else []
        if twice := {name for name in names if names.count(name) > 1}:  # no dataset has that
            raise DataError(f"{path} has several columns {min(twice)!r}: rename one")
        whole = pyarrow.dataset.dataset(path, format="parquet")
        for fragment in whole.get_fragments():
            part = Path(fragment.path)
            yield from fragment.to_batches(schema=whole.schema, batch_size=size)
    except (pa.ArrowException, OSError) as error:
        raise parquet.not_whole(part, error) from error


def _text_column(table: pa.Table, entry: Mapping[str, Any]) -> str:
    for name in ((entry.get("columns") or {}).get("text"), "text"):
        if name is not None and name in table.column_names:
            return str(name)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    words = [field.name for field in table.schema if any(kind(field.type) for kind in kinds)]
    if len(words) != 1:
        raise DataError(f"which column of {table.column_names} holds the texts? say --text")
    return words[0]
