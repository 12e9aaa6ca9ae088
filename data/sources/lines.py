"""Where the rows of a file begin: a cell may hold line breaks, and blank lines are no rows."""

import bz2
import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}


def of_rows(entry: dict) -> list[int] | None:
    """Return the line at which each row of a table begins, from 1.

    Args:
        entry: of the dataset.

    Returns:
        None where the file has no lines, or is not what was read any more.
    """
    path = Path(entry["path"]).expanduser()
    begin = {"csv": _of_csv, "json": _of_json}.get(entry["kind"])
    if begin is None or not path.is_file():
        return None
    open_ = OPENERS.get(path.suffix, open)
    with open_(path, "rt", encoding=entry.get("encoding", "utf-8"), newline="") as file:
        try:
            return list(begin(file, entry.get("separator", ",")))
        except (OSError, UnicodeError, csv.Error):
            return None


def _of_csv(file: TextIO, separator: str) -> Iterator[int]:
    csv.field_size_limit(sys.maxsize)  # else 128 KiB
    cells, before, header = csv.reader(file, delimiter=separator), 0, True
    for row in cells:
        if row and not header:
            yield before + 1
        header = header and not row
        before = cells.line_num


def _of_json(file: TextIO, separator: str) -> Iterator[int]:
    return (number for number, line in enumerate(file, 1) if line.strip())
