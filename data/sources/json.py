"""Your own JSON lines of text and label, or of time and value."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.errors import DataError
from data.sources import text_form
from data.sources.columns import chosen
from data.sources.paths import local
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    return chosen(read_json(local(entry["path"])), name, entry)


def read_json(path: Path, most: int | None = None) -> pa.Table:
    """JSON lines, packed or not: every value as the words that stand there.

    Args:
        path: a file with one object a line.
        most: of how many rows; all without.

    Raises:
        DataError: a line is no object, or not UTF-8; or there are no rows.
    """
    if (encoding := text_form.encoding_of(text_form.head(path))) != "utf-8":
        raise DataError(f"{path} is not utf-8 but perhaps {encoding}: write it anew as UTF-8")
    columns: dict[str, list[str | None]] = {}
    count = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                for key, value in _object(line, f"{path}, line {number},").items():
                    columns.setdefault(key, [None] * count).append(_word(value, key, number))
                count += 1
                for column in columns.values():
                    column += [None] * (count - len(column))
                if count == most:
                    break
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is not a whole file: {error}") from error
    if not columns:
        raise DataError(f"{path} holds no rows: expected one object a line, with columns as keys")
    try:
        return pa.table({key: pa.array(column, pa.string()) for key, column in columns.items()})
    except UnicodeError as error:  # half a pair of \\u escapes
        raise DataError(f"{path} holds a sign that is none of Unicode: {error}") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    """One line, its numbers as the words that they are."""
    as_written: dict[str, Any] = {"parse_int": str, "parse_float": str}
    try:
        record = json.loads(line.decode("utf-8-sig"), parse_constant=lambda _: None, **as_written)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: write it anew as UTF-8") from error
    except ValueError as error:
        raise DataError(f"{where} is not JSON: expected one object a line ({error})") from error
    if not isinstance(record, dict):
        raise DataError(
            f"{where} is no object: expected one object a line, with the columns as keys"
        )
    return record


def _word(value: Any, key: str, number: int) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    kind = "list" if isinstance(value, list) else "object"
    raise DataError(f"column {key!r} holds a {kind} in line {number}, expected one value a row")
