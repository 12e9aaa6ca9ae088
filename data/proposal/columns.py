"""Which column holds what, by its name and by what is in it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from data.classes import GROUPS
from data.errors import DataError, did_you_mean
from data.proposal import stamps
from data.sources import columns, conversion

NAMES = {
    "text": "text review comment body message content sentence description title tweet question "
    "kommentar nachricht beschreibung rezension",
    "label": "label class category sentiment target verdict mood stars rating polarity topic "
    "intent score y klasse kategorie bewertung sterne stimmung",
    "time": "time date datetime timestamp when ds stamp day month period zeit datum zeitpunkt "
    "zeitstempel utc",
    "value": "value y mw mwh kw kwh load demand sales price close power consumption reading last "
    "wert verbrauch leistung preis",
    "series": "series id name meter sensor station store shop item product ticker symbol zähler "
    "filiale artikel",
    "id": "id uuid guid key ticket schlüssel",
    "group": "group patient subject person author user customer account speaker video session "
    "gruppe autor nutzer kunde sprecher",
}
NUMBERS = [(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'")]
NUMBER = r"[+-]?[.,]?\d[\d.,' ]*([eE][+-]?\d+)?"
MOST_CLASSES = 100


@dataclass
class Column:
    """A column of the first rows: as it is, and what it looks like."""

    name: str
    values: pa.ChunkedArray
    words: pd.Series  # str, missing ones left out
    different: int
    length: float  # characters, on average
    forms: list[stamps.Form]  # that read its stamps
    likely: list[stamps.Form]  # that read the first of them
    numbers: tuple[str, str] | None  # decimal and thousands
    is_twice: bool = False  # another column has its name

    def rank(self, role: str) -> int:
        """0 for a name that says that the column is this, 1 for one that has it in it, else 2."""
        names, own = NAMES[role].split(), self.name.strip().casefold()
        apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", self.name)  # reviewText
        parts = re.split(r"[\W_\d]+", apart.casefold())
        return 0 if own in names else 1 if set(parts) & set(names) else 2

    @property
    def is_prose(self) -> bool:
        """Whether most of its words differ, and are sentences or named like texts."""
        if self.likely or self.numbers or self.different <= 0.4 * len(self.words):
            return False
        first = self.words.head(1000)
        letters = first.str.count(r"[^\W\d_]").sum() / first.str.len().sum()
        spaced = first.str.contains(r"\s").mean() > 0.5
        named = self.rank("text") < 2
        return named or (letters > 0.5 and spaced and self.length >= 12)

    @property
    def may_be_thousands(self) -> bool:
        """Whether its only sign, a point or a comma, may stand between thousands."""
        if self.numbers not in ((".", ""), (",", "")):
            return False
        sign = self.numbers[0]
        with_sign = self.words[self.words.str.contains(sign, regex=False)].str.strip()
        grouped = with_sign.str.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+")
        return bool(len(grouped) and grouped.all())

    @property
    def odd(self) -> pd.Series:
        """The few words, by their row, that have not only the signs of a number, where nearly all
        others have; else none."""
        words = conversion.stripped(conversion.words(self.values, self.name)).to_pandas().dropna()
        odd = words[~words.str.fullmatch(NUMBER)]
        return odd if len(odd) < 0.2 * len(words) else odd[:0]

    @property
    def is_index(self) -> bool:
        """Whether it counts the rows."""
        if self.name.strip().casefold() not in ("", "index", "id", "nr", "no", "row", "unnamed: 0"):
            return False
        return self.different == len(self.words) and self.words.str.fullmatch(r"\d+").all()


def columns_of(table: pa.Table) -> dict[str, Column]:
    """What each column that holds one word a row looks like, by its name."""
    return {name: _column(table, name) for name in table.column_names}


def _column(table: pa.Table, name: str) -> Column:
    if table.column_names.count(name) > 1:
        none, words = pa.chunked_array([], pa.null()), pd.Series([], dtype=str)
        return Column(name, none, words, 0, 0.0, [], [], None, is_twice=True)
    values = columns.column(table, name)
    try:
        words = conversion.words(values, name).to_pandas().dropna()
    except DataError:  # lists and the like
        words = pd.Series([], dtype=str)
    words = words[words.str.strip() != ""]
    if words.empty:
        return Column(name, values, words, 0, 0.0, [], [], None)
    forms, likely = stamps.forms(values)
    numbers = None if forms == [None] else _numbers(values, name)
    return Column(
        name, values, words, words.nunique(), words.str.len().mean(), forms, likely, numbers
    )


def _numbers(values: pa.ChunkedArray, name: str) -> tuple[str, str] | None:
    """Decimal sign and thousands, with which the values are numbers."""
    for decimal, thousands in NUMBERS:
        try:
            for few in (20, stamps.ROWS):  # most columns are none of numbers
                conversion.numbers(values.slice(0, few), name, decimal, thousands)
            read = conversion.numbers(values, name, decimal, thousands)
        except DataError:
            continue
        return (decimal, thousands) if np.isfinite(read).any() else None
    return None


def check(columns: dict[str, Column], given: Mapping[str, str]) -> None:
    """Raise DataError about names that somebody gave and that are none, or of no use."""
    for role, name in given.items():
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise DataError(f"--{role} is {name!r}{hint}; the file has {list(columns)}")
        if columns[name].is_twice:
            raise DataError(f"--{role}: the column {name!r} is there twice: rename one")
        if columns[name].words.empty:
            raise DataError(
                f"--{role} is {name!r}, which is empty, or of the type"
                f" {columns[name].values.type}: expected one word or number a row"
            )
    if len(set(given.values())) < len(given):
        options = ", ".join(f"--{role} {name}" for role, name in given.items())
        raise DataError(f"one column is given twice, as {options}: expected one for each")


def _check_twice(columns: dict[str, Column], *roles: str) -> None:
    """Raise DataError where the name that says one of these roles is that of two columns."""
    for role in roles:
        for column in columns.values():
            if column.is_twice and column.rank(role) == 0:
                raise DataError(
                    f"the column {column.name!r} is there twice: rename one, or say --{role}"
                )


def task_of(columns: dict[str, Column], given: Mapping[str, str]) -> str:
    """sentiment or forecast; raises DataError where a table looks like neither or both."""
    if set(given) & {"time", "value", "series"}:
        return "forecast"
    if set(given) & {"text", "label"} or _texts(columns):
        return "sentiment"
    if any(column.likely or column.rank("time") < 2 for column in columns.values()):
        return "forecast"
    _check_twice(columns, "text", "label", "value")
    raise DataError(
        f"the columns {list(columns)} look like neither texts with labels nor a series: say"
        " --task sentiment with --text and --label, or --task forecast with --time and --value"
    )


def _texts(columns: dict[str, Column]) -> list[Column]:
    """Columns of sentences: several words each, most of them different."""
    return [column for column in columns.values() if column.is_prose]


def texts(columns: dict[str, Column], given: Mapping[str, str]) -> dict[str, str]:
    """The columns of texts and of labels.

    Raises:
        DataError: one of them could be several, or none.
    """
    text, label = given.get("text"), given.get("label")
    _check_twice(columns, *sorted({"text", "label"} - set(given)))
    if not text:
        rest = [column for column in _texts(columns) if column.name != label]
        named = [one for one in columns.values() if one.rank("text") == 0 and one.name != label]
        rest = rest or named
        rest.sort(key=lambda column: (column.rank("text"), -column.length))
        text = rest[0].name if rest else _the_one("text", columns, [], "sentences")
    if not label:
        few = [
            column
            for column in columns.values()
            if column.name != text
            and not column.likely
            and 2 <= column.different <= max(2, len(column.words) // 4)
            and (column.different <= MOST_CLASSES or column.rank("label") < 2)
        ]
        label = _the_one("label", columns, few, "a few different words")
    return {"text": text, "label": label}


def of_rows(columns: dict[str, Column], used: Collection[str]) -> dict[str, str]:
    """The columns, other than those in use, that look as if they identified a row (`id`) or said
    what it belongs to (`group`): each where one alone does."""
    rest = [one for one in columns.values() if one.name not in used]
    whole = [one for one in rest if 0 < len(one.words) == len(one.values)]
    ids = [one for one in whole if one.different == len(one.words) and not one.is_index]
    groups = [one for one in whole if GROUPS <= one.different <= len(one.words) / 2]
    named = {
        role: [one.name for one in candidates if one.rank(role) < 2]
        for role, candidates in (("id", ids), ("group", groups))
    }
    return {role: names[0] for role, names in named.items() if len(names) == 1}


def readings(columns: dict[str, Column], given: Mapping[str, str]) -> dict[str, str]:
    """The columns of times, of values and, where there are several series, of their names.

    Raises:
        DataError: one of them could be several, or none.
    """
    time, value, series = (given.get(role) for role in ("time", "value", "series"))
    _check_twice(columns, *sorted({"time", "value"} - set(given)))
    if not time:
        rest = [column for column in columns.values() if column.name != value]
        timed = [column for column in rest if column.forms and column.numbers is None]
        timed = timed or [column for column in rest if column.forms]
        timed = timed or [column for column in rest if column.likely or column.rank("time") < 2]
        if not timed:
            _the_one("time", columns, timed, "times")
        most = max(column.different for column in timed)  # of a begin and an end, the first
        timed = [column for column in timed if column.different >= 0.5 * most]
        time = min(timed, key=lambda column: column.rank("time")).name
    if not series:
        series = _series(columns, time, value)
    if not value:
        rest = [
            column
            for column in columns.values()
            if column.name not in (time, series) and not column.is_index
        ]
        rest = _of_numbers(rest)
        value = _the_one("value", columns, rest, "numbers")
    return {"time": time, "value": value} | ({"series": series} if series else {})


def _of_numbers(columns: list[Column]) -> list[Column]:
    """Those of numbers, and those that are named better and would be but for a few cells."""
    whole = [column for column in columns if column.numbers]
    best = min((column.rank("value") for column in whole), default=3)
    rest = [one for one in columns if not one.numbers and not one.likely and len(one.words)]
    return whole + [one for one in rest if one.rank("value") < best and len(one.odd)]


def _series(columns: dict[str, Column], time: str, value: str | None) -> str | None:
    """The column that parts rows of the same time, or is named like one that does."""
    when = columns[time].words
    rest = [column for column in columns.values() if column.name not in (time, value)]
    rest = [column for column in rest if 2 <= column.different <= len(column.words) // 10]
    rest = [column for column in rest if not _is_clock(column, when)]
    if when.nunique() < 0.95 * len(when):
        parting = []
        for column in rest:
            both = pd.DataFrame({"time": when, "series": column.words}).dropna()
            if both.duplicated().mean() < 0.01:
                parting.append(column)
        parting.sort(key=lambda column: (column.rank("series"), column.different))
        return parting[0].name if parting else None
    named = [one for one in rest if one.numbers is None and one.rank("series") < 2]
    return named[0].name if named else None


def _is_clock(column: Column, when: pd.Series) -> bool:
    """Whether a column holds times of day, or all the hours of one beside mere dates."""
    if column.words.str.fullmatch(r"\d\d?:\d\d.*").all():
        return True
    if column.rank("series") < 2 or not when.str.fullmatch(r"[^:]+?([T ]00:00[:.0]*)?").all():
        return False
    numbers = pd.to_numeric(column.words, errors="coerce").unique()
    return any(set(numbers) == set(range(first, first + 24)) for first in (0, 1))


def _the_one(role: str, columns: dict[str, Column], candidates: list[Column], what: str) -> str:
    """The only candidate, or the only one with the best name."""
    best = min((column.rank(role) for column in candidates), default=2)
    named = [column for column in candidates if column.rank(role) == best]
    if len(candidates) == 1 or (best < 2 and len(named) == 1):
        return named[0].name
    if not candidates:
        shown = {column.name: _some(column) for column in columns.values()}
        raise DataError(f"no column holds {what}: say --{role}; the file has {shown}")
    listed = ", ".join(repr(column.name) for column in candidates[:12])
    raise DataError(f"several columns could be the {role}: {listed}; say --{role}")


def _some(column: Column) -> str:
    """A word of a column, or else its type."""
    return column.words.iloc[0][:40] if len(column.words) else str(column.values.type)
