"""Your own CSV of text and label, or of time and value."""

import itertools
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from data.errors import DataError
from data.sources import text_form
from data.sources.columns import chosen
from data.sources.paths import local
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The columns that `columns:` names; raises DataError when the file or a column is missing."""
    form = {key: entry[key] for key in ("encoding", "separator") if key in entry}
    return chosen(read_csv(local(entry["path"]), **form), name, entry)


def read_csv(
    path: Path, encoding: str = "utf-8", separator: str = ",", first: int | None = None
) -> pa.Table:
    """A CSV with a header row, packed or not: every cell as the words that stand there.

    Quoted line breaks and empty cells are kept.

    Args:
        path: of the file.
        encoding: of the file, as Python calls it.
        separator: the sign between two cells.
        first: how many bytes to read of it, about; all without.

    Raises:
        DataError: the file is empty, ragged, of another encoding, or not separated so.
    """
    head = text_form.head(path)
    text_form.check_encoding(path, head, encoding)
    # with threads nobody knows the number of a row
    reading = pyarrow.csv.ReadOptions(encoding=encoding, use_threads=False, block_size=first)
    parsing = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    converting = pyarrow.csv.ConvertOptions(default_column_type=pa.string())
    try:
        if first:
            with pyarrow.csv.open_csv(path, reading, parsing, converting) as blocks:
                table = pa.Table.from_batches(itertools.islice(blocks, 1), blocks.schema)
        else:
            table = pyarrow.csv.read_csv(path, reading, parsing, converting)
        names = table.column_names
    except UnicodeError as error:
        raise DataError(text_form.not_in(path, encoding, head)) from error
    except (pa.ArrowInvalid, OSError) as error:
        if "UTF8" in str(error):
            raise DataError(text_form.not_in(path, encoding, head)) from error
        problem = _problem(str(error))
        hint = _other_separator(head, encoding, separator)
        message = f"{path} is not a whole CSV in {encoding} with a header row: {problem}{hint}"
        raise DataError(message) from error
    if len(names) == 1:
        hint = _other_separator(head, encoding, separator)
        between = "commas" if separator == "," else repr(separator)
        raise DataError(
            f"{path} has one column, {names[0]!r}: expected several, with {between} between{hint}"
        )
    return table


def _problem(message: str) -> str:
    """Arrow's words for what is wrong, without those of the row itself, which has no end."""
    ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if not ragged:
        return " ".join(message.split())
    number, expected, cells = ragged.groups()
    return (
        f"row {number or '?'} has {cells} cells where the header has {expected}: a quote is not"
        " closed, or a cell with a separator or a quote in it is not quoted"
    )


def _other_separator(head: bytes, encoding: str, separator: str) -> str:
    likely = text_form.separator_of(head.decode(encoding, errors="replace"))
    shown = likely.replace("\t", "\\t")
    return f'; perhaps `separator: "{shown}"` is missing' if likely != separator else ""
