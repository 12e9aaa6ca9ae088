"""Your own JSON lines of text and label, or of time and value."""

import gzip
import json
from collections.abc import Collection
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
    used = [*entry["columns"].values(), entry.get("id"), entry.get("group")]
    return chosen(read_json(local(entry["path"]), used=used), name, entry)


def read_json(
    path: Path, most: int | None = None, used: Collection[str | None] | None = None
) -> pa.Table:
    """JSON lines, packed or not: every value as the words that stand there.

    A column that holds lists or objects is of their type and has no values.

    Args:
        path: a file with one object a line.
        most: of how many rows; all without.
        used: columns that may not hold such; all without.

    Raises:
        DataError: a line is no object, or not UTF-8; there are no rows; or a column that is used
            holds a list or an object, or each does.
    """
    if (encoding := text_form.encoding_of(text_form.head(path))) != "utf-8":
        raise DataError(f"{path} is not utf-8 but perhaps {encoding}: write it anew as UTF-8")
    columns: dict[str, list[str | None]] = {}
    nested: dict[str, pa.DataType] = {}
    count = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                for key, value in _object(line, f"{path}, line {number},").items():
                    if isinstance(value, (list, dict)):
                        nested[key] = _nested(value, key, number, used)
                    columns.setdefault(key, [None] * count).append(_word(value))
                count += 1
                for column in columns.values():
                    column += [None] * (count - len(column))
                if count == most:
                    break
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is not a whole file: {error}") from error
    if not columns:
        raise DataError(f"{path} holds no rows: expected one object a line, with columns as keys")
    if len(nested) == len(columns):
        raise DataError(f"{path} holds lists and objects alone: expected one row a line, of values")
    try:
        cells = {
            key: pa.nulls(count, nested[key]) if key in nested else pa.array(column, pa.string())
            for key, column in columns.items()
        }
        return pa.table(cells)
    except UnicodeError as error:  # half a pair of \\u escapes
        raise DataError(f"{path} holds a sign that is none of Unicode: {error}") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    """One line, its numbers as the words that they are."""
    as_written: dict[str, Any] = {"parse_int": str, "parse_float": str}
    try:
        record = json.loads(line.decode("utf-8-sig"), parse_constant=lambda _: None, **as_written)
    except RecursionError as error:
        raise DataError(
            f"{where} has too many brackets in one another: expected one object"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: write it anew as UTF-8") from error
    except ValueError as error:
        raise DataError(f"{where} is not JSON: expected one object a line ({error})") from error
    if not isinstance(record, dict):
        raise DataError(
            f"{where} is no object: expected one object a line, with the columns as keys"
        )
    return record


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else None


def _nested(
    value: list | dict, key: str, number: int, used: Collection[str | None] | None
) -> pa.DataType:
    is_list = isinstance(value, list)
    if used is None or key in used:
        raise DataError(
            f"column {key!r} holds {'a list' if is_list else 'an object'} in line"
            f" {number}, expected one value a row"
        )
    return pa.list_(pa.null()) if is_list else pa.struct([])
