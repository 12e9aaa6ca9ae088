"""From the words and types of a column to labels, times and numbers: the one place for it."""

import re
import unicodedata
from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import DataError

# How programs spell what is missing, in any case. A class that is called so is declared under
# `labels:`. A series may be called NA: Namibia, or a ticker.
MISSING = frozenset({"", "nan", "none", "null", "na", "n/a", "#n/a", "<na>"})
ZONED = r"[Tt ]\d\d[\d:.,]*\s*([Zz]|[+-]\d\d(:?\d\d)?)$"
EPOCHS = {"s": 1_000_000, "ms": 1_000}  # microseconds


def words(column: pa.ChunkedArray, name: str, expected: str = "text") -> pa.ChunkedArray:
    """The column as strings.

    Raises:
        DataError: it is of a type that is not one word a row, or bytes that are not UTF-8.
    """
    try:
        text = column.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowNotImplementedError as error:
        raise _of_type(column, name, expected) from error
    except pa.ArrowInvalid as error:
        raise DataError(
            f"column {name!r} holds bytes that are not text in UTF-8: write them anew as UTF-8"
        ) from error
    return text


def label(word: str) -> str:
    """A class's name: the same for é as one sign, and as e with an accent after it."""
    return unicodedata.normalize("NFC", word)


def labels(column: pa.ChunkedArray, name: str, declared: Collection[str] = ()) -> np.ndarray:
    """Class names, str (rows,); None where one is missing, however that is spelt."""
    return _named(words(column, name), MISSING, declared)


def names(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Names of series, str (rows,); None where one is missing."""
    return _named(words(column, name), MISSING - {"na"}, ())


def _named(
    column: pa.ChunkedArray, missing: frozenset[str], declared: Collection[str]
) -> np.ndarray:
    known: dict[str | None, str | None] = {None: None}
    for word in column.unique().to_pylist():
        if word is not None:
            absent = word.strip().casefold() in missing and label(word) not in declared
            known[word] = None if absent else label(word)
    return np.array([known[word] for word in column.to_pylist()], dtype=object)


def numbers(
    column: pa.ChunkedArray, name: str, decimal: str = ".", thousands: str = ""
) -> np.ndarray:
    """Values, float64 (rows,), NaN where one is missing; true and false are 1 and 0.

    Args:
        column: of numbers, or of words.
        name: of the column.
        decimal: the decimal sign of words.
        thousands: the sign between their thousands; a space stands for those that do not break too.

    Raises:
        DataError: something is no number, written so.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False).to_numpy()  # whole ones may be rounded
    if not (_is_words(kind) or pa.types.is_boolean(kind)):
        raise _of_type(column, name, "numbers")
    text = stripped(words(column, name))
    plain = _plain(text, decimal, thousands) if decimal != "." or thousands else text
    try:
        return plain.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        lower = pc.utf8_lower(text)
        if set(lower.unique().to_pylist()) <= {"true", "false", None}:
            return lower.cast(pa.bool_()).cast(pa.float64()).to_numpy()
        read = pd.to_numeric(plain.to_pandas(), errors="coerce")
        _check(text, read, name, "a number", "`decimal` and `thousands` say how they are written")
        return read.to_numpy(np.float64)


def _plain(text: pa.ChunkedArray, decimal: str, thousands: str) -> pa.ChunkedArray:
    """The words without their thousands and with a decimal point; `?` for what is not so."""
    gap = r"[ \x{a0}\x{202f}]" if thousands.isspace() else re.escape(thousands)
    whole = rf"(\d+|\d{{1,3}}({gap}\d{{3}})+)" if thousands else r"\d+"
    point = re.escape(decimal)
    number = rf"^[+-]?({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d+)?$"
    plain = pc.if_else(pc.match_substring_regex(text, number), text, "?")
    plain = pc.replace_substring_regex(plain, gap, "") if thousands else plain
    return pc.replace_substring(plain, decimal, ".")


def times(column: pa.ChunkedArray, name: str, form: str | None = None) -> pd.Series:
    """Stamps, with their zone where they have one; NaT where one is missing.

    Args:
        column: of stamps, dates, or words; of numbers with `s` or `ms`.
        name: of the column.
        form: of strptime, `s` or `ms` since 1970; ISO 8601 without.

    Raises:
        DataError: something is no stamp, written so.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        instants = column.cast(pa.timestamp(kind.unit)).to_pandas()
        return instants.dt.tz_localize("UTC") if kind.tz else instants
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms")).to_pandas()
    if not (_is_words(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _of_type(column, name, "time stamps")
    text = stripped(words(column, name))
    if form in EPOCHS:
        since = np.rint(numbers(column, name) * EPOCHS[form])
        read = pd.Series(pd.to_datetime(since, unit="us", utc=True, errors="coerce"))
        _check(text, read, name, f"a number of {form} since 1970", "`time_format` says it")
        return read
    if form:
        read = _parsed(text, form, "%z" in form)
        _check(text, read, name, f"a time stamp of the form {form}", "`time_format` says it")
        return read
    _check_iso(text, name)
    read = _parsed(text, "ISO8601", bool(pc.any(pc.match_substring_regex(text, ZONED)).as_py()))
    another = '`time_format: "%d.%m.%Y %H:%M"`, or such, says how they are written'
    if pc.any(pc.match_substring_regex(text, r"\d ?[A-Z]{3,5}$")).as_py():
        another = (
            "write a time zone as +01:00 (CET, EST and their like are not the same everywhere)"
        )
    _check(text, read, name, "an ISO 8601 time stamp", another)
    return read


def _parsed(text: pa.ChunkedArray, form: str, zoned: bool) -> pd.Series:
    try:
        return pd.to_datetime(text.to_pandas(), format=form, utc=zoned, errors="coerce")
    except ValueError as error:
        raise DataError(f"time_format is {form!r}: {error}") from error


def _check_iso(text: pa.ChunkedArray, name: str) -> None:
    """Raise DataError about numbers, and about stamps of which only some have a zone."""
    is_number = pc.match_substring_regex(text, r"^[+-]?\d+([.,]\d+)?$")
    if pc.any(is_number).as_py():
        first = text.filter(is_number)[0]
        raise DataError(  # seconds, or thousandths, or days: nothing here can know
            f"column {name!r} holds numbers such as {first}, expected ISO 8601 time stamps such as"
            " 2024-05-01T13:30:00Z; `time_format: s` or `ms` says since 1970, or %Y%m%d"
        )
    zoned = pc.match_substring_regex(text, ZONED)
    if pc.any(zoned).as_py() and not pc.all(zoned).as_py():
        row = pc.index(zoned, False).as_py()
        raise DataError(
            f"column {name!r} holds {text[row].as_py()!r} in row {row + 1}, without a time zone"
            " that other rows have: give all of them one, or none"
        )


def in_utc(stamps: pd.Series, name: str, zone: str | None, series: np.ndarray) -> np.ndarray:
    """The instants in UTC, datetime64[ns] (rows,); as they are where no zone is known.

    Of an hour that the clock repeats in autumn the first run in the order of the file, of each
    series, is summer time.

    Args:
        stamps: with a zone of their own or without.
        name: of the column.
        zone: of stamps that have none of their own.
        series: to which series each belongs, (rows,).

    Raises:
        DataError: an hour is repeated or skipped by the clock and nothing tells which it is; or a
            year cannot be kept.
    """
    if stamps.dt.tz is None and zone:
        groups = stamps.groupby(series, sort=False, dropna=False)
        stamps = pd.concat([_localized(part, name, zone) for _, part in groups]).sort_index()
    try:
        instants = stamps.dt.as_unit("ns")
    except pd.errors.OutOfBoundsDatetime as error:
        raise DataError(f"column {name!r} holds a year that is none: {error}") from error
    return (instants.dt.tz_convert(None) if instants.dt.tz else instants).to_numpy()


def _localized(stamps: pd.Series, name: str, zone: str) -> pd.Series:
    filled = stamps.dropna()
    if len(filled) and filled.iloc[0] > filled.iloc[-1]:  # newest first
        filled = filled[::-1]
    try:
        return filled.dt.tz_localize(zone, ambiguous="infer").reindex(stamps.index)
    except ValueError as error:
        raise DataError(
            f"column {name!r} cannot be read as the clock of {zone}, which `time_zone` says:"
            f" {str(error).partition('. ')[0].rstrip('.')}; write the stamps in UTC or with their"
            " offset, or leave these rows out"
        ) from error


def _is_words(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return pa.types.is_null(kind) or any(getattr(pa.types, f"is_{name}")(kind) for name in tests)


def stripped(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without white space around them; null where one is missing, or only a dash."""
    text = pc.utf8_trim_whitespace(text)
    missing = pa.array(sorted(MISSING | {"-"}))
    return pc.if_else(pc.is_in(pc.utf8_lower(text), missing), None, text)


def _check(text: pa.ChunkedArray, read: pd.Series, name: str, expected: str, remedy: str) -> None:
    """Raise DataError about the first word that was not read."""
    failed = np.flatnonzero(read.isna().to_numpy() & ~text.is_null().to_numpy())
    if len(failed):
        row = int(failed[0])
        word = text[row].as_py()
        shown = word if len(word) <= 60 else f"{word[:60]}…"
        raise DataError(
            f"column {name!r} holds something that is not {expected}: {shown!r} in row {row + 1}"
            f"; {remedy}"
        )


def _of_type(column: pa.ChunkedArray, name: str, expected: str) -> DataError:
    return DataError(
        f"column {name!r} is of the type {column.type}, expected {expected}, one a row: name"
        " another column under `columns:`, or convert it"
    )
