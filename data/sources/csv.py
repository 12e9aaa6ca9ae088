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

LONGEST = 1 << 26  # bytes of a row, with its line breaks


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
        DataError: the file is empty, ragged, of another encoding, or not separated so; or a quote
            is not closed, or not at a cell's end.
    """
    head = text_form.head(path)
    text_form.check_encoding(path, head, encoding)
    _check_first_line(path, head.decode(encoding, errors="replace"))
    # with threads nobody knows the number of a row
    size = first or LONGEST
    reading = pyarrow.csv.ReadOptions(encoding=encoding, use_threads=False, block_size=size)
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
    _check_quotes(path, encoding, separator, first)
    return table


def _check_first_line(path: Path, text: str) -> None:
    """Raise DataError about Excel's note on the separator."""
    if note := re.match(r"\ufeff?(sep=(.))\r?\n", text):
        raise DataError(
            f"{path} begins with {note[1]!r}, a note for Excel where a header is expected:"
            f" remove that line, and say `separator: {note[2]!r}`"
        )


def _check_quotes(path: Path, encoding: str, separator: str, first: int | None) -> None:
    """Raise DataError about a quoted cell after which text follows.

    Arrow takes that text for more of the cell, and so two stray quotes for a cell of all rows
    between them.
    """
    content = text_form.head(path, first)
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    end = rf"[{re.escape(separator)}\r\n]"
    opened, inside = rf'(?:(?<={end})|(?<!.))"', r'[^"]*+(?:""[^"]*+)*+'
    quoted = rf'{opened}{inside}"'
    # one pass in C: what has no quotes, whole cells, and quotes amid a cell that opens without one
    sound = re.compile(rf'(?:[^"]++|{quoted}(?= *(?:{end}|\Z))|(?!{opened})")*+', re.S)
    start = whole.end() if (whole := sound.match(text)) else 0
    if start == len(text):
        return
    line = text.count("\n", 0, start) + 1
    cell = re.compile(quoted, re.S).match(text, start)
    if not cell and len(content) == first:  # the first bytes end in it
        return
    closed = f"closes in line {line + cell[0].count(chr(10))}, where text follows" if cell else ""
    raise DataError(
        f"{path}: the quote that opens a cell in line {line} {closed or 'is not closed'}: write"
        ' quotes in a cell twice, as in "a ""b"" c", or remove a stray one'
    )


def _problem(message: str) -> str:
    """Arrow's words for what is wrong, without those of the row itself, which has no end."""
    ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if "straddl" in message:
        return f"a row is longer than {LONGEST:,} bytes, perhaps since a quote is not closed"
    if "Empty CSV" in message:
        return "it is empty, or a header without a row below it"
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
