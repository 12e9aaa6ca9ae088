"""Your own Excel workbook of text and label, or of time and value."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from data.errors import DataError, did_you_mean
from data.sources.columns import chosen
from data.sources.paths import local
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    return chosen(read_excel(local(entry["path"]), entry.get("sheet")), name, entry)


def read_excel(path: Path, sheet: str | None = None, most: int | None = None) -> pa.Table:
    """One sheet with a header row: every cell as words, dates in ISO 8601.

    Args:
        path: a workbook in Office Open XML.
        sheet: its name; the first without.
        most: of how many rows; all without.

    Raises:
        DataError: it is no such workbook, or has no such sheet.
    """
    with _opened(path) as book:
        names = [str(name) for name in book.sheet_names]
        if sheet not in (None, *names):
            hint = did_you_mean(str(sheet), names)
            raise DataError(f"{path} has no sheet {sheet!r}{hint}; it has {names}")
        as_they_are = {"dtype": object, "keep_default_na": False, "na_filter": False}
        frame = pd.read_excel(
            book, sheet or names[0], header=None, nrows=most and most + 1, **as_they_are
        )
    cells = [list(frame[number]) for number in frame]
    named = [column[0] != "" for column in cells]
    # A series that pandas wrote names its value alone, beside an index without a name.
    if len(cells) > 1 and sum(named) < 2 and not all(named[1:]):
        raise DataError(
            f"{path} names one column at most of {len(cells)} in its first row: let the columns'"
            " names be the first row, and remove what stands above them"
        )
    # a name as it stands there: pandas renames one that is there twice
    header = [str(column[0]) or f"Unnamed: {number}" for number, column in enumerate(cells)]
    return pa.table([pa.array(map(_word, column[1:]), pa.string()) for column in cells], header)


def sheets(path: Path) -> list[str]:
    """The names of its sheets; raises DataError when it is no workbook."""
    with _opened(path) as book:
        return [str(name) for name in book.sheet_names]


@contextmanager
def _opened(path: Path) -> Iterator[pd.ExcelFile]:
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file")
    try:
        with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
            warnings.simplefilter("ignore", UserWarning)  # of styles and the like, which it drops
            yield book
    except DataError:
        raise
    except Exception as error:  # a torn one fails in openpyxl, zlib, or the XML parser
        raise DataError(
            f"{path} is not a whole Excel workbook (.xlsx): save it anew as one, or as CSV"
        ) from error


def _word(cell: Any) -> str:
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
