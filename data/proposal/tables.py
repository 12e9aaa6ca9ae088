"""What a table is, as its first rows tell: kind, encoding, separator, sheet."""

from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from data.errors import DataError
from data.sources import csv, excel, json, parquet, text_form
from data.sources.folder import SUFFIXES

MOST_ROWS, MOST_CELLS, MOST_BYTES = 100_000, 1_000_000, 1 << 24
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xlsx", ".gz")
IDX = b"\0\0\x08"


@dataclass
class Sample:
    """The first rows of a table, how it is read, and what is to be said of it."""

    table: pa.Table
    whole: bool
    settings: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def kind_of(path: Path) -> str:
    """The `kind` of an entry for a file or folder.

    Raises:
        DataError: it is of none.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    with path.open("rb") as file:
        first = file.read(4)
    if first == b"PK\3\4":
        return _kind_of_zip(path)
    if first == b"PAR1":
        return "parquet"
    content = text_form.head(path)
    if content.startswith(IDX):
        return "arrays"
    if not content.strip():
        raise DataError(f"{path} is empty")
    if b"\0" in content and not text_form.encoding_of(content).startswith("utf-"):
        raise DataError(f"{path} is no table: expected CSV, JSON lines, Parquet or Excel")
    text = content.decode(text_form.encoding_of(content), errors="replace")
    return "json" if text.lstrip("\ufeff \r\n\t").startswith(("{", "[")) else "csv"


def _kind_of_folder(path: Path) -> str:
    names = [one.name.lower() for one in path.iterdir()]
    folders = [one for one in path.iterdir() if one.is_dir() and one.name[0] != "."]
    # year=2024/a.parquet: parts of one table, by the values of a column
    parted = any("=" in one.name for one in folders)
    has_rows = any(name.endswith(".parquet") for name in names)
    if has_rows or (parted and any(path.rglob("*.parquet"))):
        # beside class folders it tells about the pictures
        has_pictures = folders and any(one.suffix.lower() in SUFFIXES for one in path.rglob("*"))
        return "folder" if has_pictures else "parquet"
    if folders:
        return "folder"
    if any("images" in name and not name.endswith(SUFFIXES) for name in names):
        return "arrays"
    if files := [name for name in names if name.endswith(TABLES)]:
        raise DataError(f"{path} is a folder: name the file in it, such as {min(files)}")
    return "folder"


def _kind_of_zip(path: Path) -> str:
    try:
        with ZipFile(path) as archive:
            names = [name.lower() for name in archive.namelist()]
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{path} is not a whole ZIP archive") from error
    if "xl/workbook.xml" in names:
        return "excel"
    if all(name.endswith(".npy") for name in names):
        return "arrays"
    if any(name.endswith(SUFFIXES) for name in names):
        return "folder"
    raise DataError(f"{path} is a ZIP without pictures: unpack it, and name the file that it holds")


def series_of(table: pa.Table, name: str | None) -> np.ndarray:
    """To which series each row belongs, (rows,): by a column, or all to one."""
    if not name:
        return np.full(len(table), "", dtype=object)
    return table[name].to_pandas().astype(object).to_numpy()


def sample_of(path: Path, kind: str) -> Sample:
    """The first rows of a table of that kind.

    Raises:
        DataError: it cannot be read, or holds no rows.
    """
    read = {"csv": _csv, "json": _json, "parquet": _parquet, "excel": _excel}[kind]
    sample = read(path)
    if not len(sample.table):
        raise DataError(f"{path} holds no rows")
    most = min(MOST_ROWS, max(2_000, MOST_CELLS // sample.table.num_columns))
    if len(sample.table) > most:
        sample.table, sample.whole = sample.table.slice(0, most), False
    return sample


def _csv(path: Path) -> Sample:
    content = text_form.head(path, 4 * MOST_BYTES)
    encoding = text_form.encoding_of(content)
    separator = text_form.separator_of(content[: text_form.HEAD].decode(encoding, "replace"))
    table = csv.read_csv(path, encoding, separator, first=MOST_BYTES)
    sample = Sample(table, whole=len(content) < MOST_BYTES)
    if encoding != "utf-8":
        sample.settings["encoding"] = encoding
        guess = "" if encoding.startswith("utf") else ", a guess: look at the letters in the rows"
        sample.remarks.append(f"the encoding is {encoding}{guess}")
    if separator != ",":
        sample.settings["separator"] = separator
        name = {"\t": "tabs", ";": "semicolons"}.get(separator, f"signs {separator!r}")
        sample.remarks.append(f"{name} stand between the cells")
    return sample


def _json(path: Path) -> Sample:
    table = json.read_json(path, MOST_ROWS, used=())
    return Sample(table, whole=len(table) < MOST_ROWS)


def _parquet(path: Path) -> Sample:
    try:
        rows = pyarrow.dataset.dataset(path, format="parquet", partitioning="hive")
        table, count = rows.head(MOST_ROWS), rows.count_rows()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise parquet.not_whole(path, error) from error
    return Sample(table, whole=len(table) == count)


def _excel(path: Path) -> Sample:
    names, problem = excel.sheets(path), ""
    for sheet in names:
        try:
            table = excel.read_excel(path, sheet, MOST_ROWS)
        except DataError as error:  # a cover before the sheet of rows
            problem = problem or str(error)
            continue
        if table.num_columns > 1 and len(table):
            break
    else:
        expected = f"{path} has no sheet of several columns, with a header row: {names}"
        raise DataError(problem or expected)
    sample = Sample(table, whole=len(table) < MOST_ROWS)
    if sheet != names[0]:
        sample.settings["sheet"] = sheet
    if len(names) > 1:
        sample.remarks.append(f"of the sheets {names} {sheet!r} is read: `sheet` says another")
    return sample
