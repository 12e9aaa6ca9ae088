"""What a file of text is written in, as its first bytes tell: encoding and separator."""

import csv
import io
from pathlib import Path

import pyarrow as pa

from data.errors import DataError

HEAD = 1 << 16
SINGLE = ("windows-1252", "latin-1")  # one byte a sign: any bytes could be so
CONTROL = [bytes([code]) for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b"]
NO_WINDOWS = frozenset(b"\x81\x8d\x8f\x90\x9d")  # bytes that windows-1252 does not have
SEPARATORS = (",", ";", "\t", "|")
OTHERS = {  # by their first bytes
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or say `kind: excel`",
    b"\xd0\xcf\x11\xe0": "an Excel workbook with a password, or of before 2007: save it as .xlsx",
    b"PAR1": "a Parquet file: say `kind: parquet`",
    b"\x1f\x8b": "packed by gzip: let its name end in .gz",
    b"%PDF": "a PDF: export the table as CSV",
}


def head(path: Path, size: int | None = HEAD) -> bytes:
    """The first bytes of a file, unpacked where its name says so; all of them without `size`.

    Raises:
        DataError: it cannot be read, or is no file of text.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file")
    try:
        with pa.input_stream(path) as file:
            content = bytes(file.read(size))
    except OSError as error:
        raise DataError(f"{path} is not a whole file: {' '.join(str(error).split())}") from error
    for first, what in OTHERS.items():
        if content.startswith(first):
            raise DataError(f"{path} is {what}")
    return content


def encoding_of(content: bytes) -> str:
    """utf-8, utf-16, utf-16-le, utf-16-be, utf-32, windows-1252 or latin-1, by the first bytes.

    Any file is windows-1252 that is nothing else: the commonest one that is left.
    """
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = content[start::2].count(0)
        if content and zeros > 0.3 * len(content[start::2]) and zeros > 2 * content.count(0) / 3:
            return encoding
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if len(content) - error.start > 3:  # not only a sign that the last byte cuts
            return "latin-1" if set(content) & NO_WINDOWS else "windows-1252"
    return "utf-8"


def check_encoding(path: Path, content: bytes, declared: str) -> None:
    """Raise DataError where the first bytes are not in the encoding that the entry declares."""
    likely = encoding_of(content)
    name, wide = declared.lower().replace("_", "-"), likely.startswith(("utf-16", "utf-32"))
    if not wide and sum(map(content.count, CONTROL)) > 0.02 * len(content):
        raise DataError(f"{path} is no file of text: export it as one, or name another")
    if wide and not name.startswith(likely[:6]):
        raise DataError(not_in(path, declared, content))
    if likely in SINGLE and name in ("utf-8", "utf8", "utf-8-sig"):
        raise DataError(not_in(path, declared, content))


def not_in(path: Path, declared: str, content: bytes) -> str:
    """The message about a file, with these first bytes, that is not in the declared encoding."""
    likely = encoding_of(content)
    if likely == declared:  # as far as the first bytes tell
        likely = SINGLE[declared == SINGLE[0]]
    certain = "perhaps it is" if likely in SINGLE else "it looks like"
    return f"{path} is not {declared}: {certain} {likely}, which `encoding: {likely}` says"


def separator_of(text: str) -> str:
    """The sign between the cells: the one that divides most rows into as many as the header."""
    whole = text[: text.rfind("\n") + 1] or text

    def agreement(separator: str) -> tuple[float, int]:
        rows = csv.reader(io.StringIO(whole, newline=""), delimiter=separator)
        try:
            cells = [len(row) for _, row in zip(range(500), rows, strict=False) if row]
        except csv.Error:
            return 0, 0
        if not cells or cells[0] == 1:
            return 0, 0
        return cells.count(cells[0]) / len(cells), cells[0]

    return max(SEPARATORS, key=agreement)
