"""What params.yaml declares about data, in Pydantic: the entries below `datasets:`, the shares.

The message of a ValueError raised here follows the words `datasets.NAME.KEY in params.yaml`.
"""

import codecs
import unicodedata
import zoneinfo
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from data.errors import did_you_mean

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0)]
Part = Annotated[float, Field(ge=0, le=1)]  # of the rows, 0 to 1
Text = Annotated[str, Field(min_length=1)]
About = Annotated[str, Field(min_length=1, max_length=300)]  # one or two sentences


class Section(BaseModel):
    """A part of params.yaml with keys of its own; an unknown one is told before a missing one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_known_keys(cls, declared: Any) -> Any:
        allowed = sorted(cls.model_fields)
        for key in declared if isinstance(declared, dict) else ():
            if key not in allowed:
                hint = did_you_mean(str(key), allowed)
                raise ValueError(f"has an unknown key {key!r}{hint}; allowed: {allowed}")
        return declared


def _ascending(limits: list[float]) -> list[float]:
    if len(limits) != 2 or limits[0] >= limits[1]:
        raise ValueError(f"is {limits}, expected [lowest, highest]")
    return limits


def _word(label: Any) -> Any:
    if type(label) not in (str, int):
        raise ValueError(
            f"is {label}, expected a label; quote yes, no, on and off, which YAML takes for true "
            "and false"
        )
    return label


def _different(labels: list[Any]) -> list[Any]:
    names = {unicodedata.normalize("NFC", str(label)) for label in labels}
    if len(names) < len(labels) or {type(label) for label in labels} - {str, int}:
        raise ValueError(
            f"is {labels}, expected different names; quote yes, no, on and off, which YAML takes "
            "for true and false"
        )
    return labels


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise ValueError(
            f"is {name!r}, expected an encoding: utf-8, latin-1, windows-1252, utf-16, …"
        ) from None
    return name


def _single_sign(separator: str) -> str:
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise ValueError(f'is {separator!r}, expected one sign; a tab is "\\t" in double quotes')
    return separator


def _known_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"is {name!r}, expected a name such as Europe/Berlin or UTC") from None
    return name


def _time_format(form: str) -> str:
    if form not in ("s", "ms") and "%" not in form:
        raise ValueError(f'is {form!r}, expected s or ms since 1970, or such as "%d.%m.%Y %H:%M"')
    return form


def _grey_or_colour(shape: list[int]) -> list[int]:
    if shape[2] not in (1, 3):
        raise ValueError(f"is {shape}, expected 1 channel (grey) or 3 (colour), in the last place")
    return shape


Encoding = Annotated[str, AfterValidator(_known_encoding)]
Separator = Annotated[str, AfterValidator(_single_sign)]
Zone = Annotated[str, AfterValidator(_known_zone)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
Label = Annotated[Any, AfterValidator(_word)]
Labels = Annotated[list[Any], AfterValidator(_different)]
Range = Annotated[list[float], AfterValidator(_ascending)]
Shape = Annotated[list[Count], Field(min_length=3, max_length=3), AfterValidator(_grey_or_colour)]


class Columns(Section):
    """The columns of a file of texts, by what they hold."""

    text: Text
    label: Text


class SeriesColumns(Section):
    """The columns of a file of readings."""

    time: Text
    value: Text
    series: Text | None = None


class Expect(Section):
    """What the gate asks of any dataset (`expect:`); a part is how much may be so, at most."""

    dropped: Part = 0.05  # rows that `on_bad_rows: drop` sets aside


class ExpectClasses(Expect):
    """Of labelled rows."""

    rows: Count = 50  # at least
    class_rows: Count = 10  # of a class, at least: 6 to learn from, 2 to choose by, 2 to test on
    class_share: Part = 0.1  # of an even share, at least
    doubles: Part = 0.05
    contradictions: Part = 0.01  # equal rows of different labels


class ExpectPictures(ExpectClasses):
    """Of pictures."""

    blank: Part = 0.0  # of one shade all over


class ExpectTexts(ExpectClasses):
    """Of texts."""

    few_letters: Part = 0.01  # less than 40% letters and digits
    repetitive: Part = 0.01  # a few characters again and again
    broken: Part = 0.1  # with control or replacement characters


class ExpectReadings(Expect):
    """Of series."""

    windows: Count = 10  # that the readings of a series would fill, at least
    repeated_times: Part = 0.01  # no later than the stamp before
    off_grid: Part = 0.1  # no whole multiple of the interval after the reading before
    holes: Part = 0.05  # more than `fill` late
    flat: Part = 0.0  # series that are one value all along


class Needed(BaseModel):
    """What DVC reads of every entry, and what says which class describes it."""

    model_config = ConfigDict(strict=True)
    task: Literal["image", "sentiment", "forecast"]
    kind: str
    path: Text


class Entry(Section):
    """What the rows are, in words, and what becomes of those that no model can read."""

    about: About | None = None
    on_bad_rows: Literal["refuse", "drop"] = "refuse"


class ImageEntry(Entry):
    """Pictures."""

    task: str
    kind: Literal["package", "folder", "arrays"]
    path: Text
    labels: Labels | None = None
    shape: Shape | None = None
    expect: ExpectPictures = ExpectPictures()


class TableEntry(Entry):
    """Rows of a file with columns, and how its words are written."""

    task: str
    kind: Literal["package", "csv", "parquet", "json", "excel"]
    path: Text
    columns: Section | None = None
    encoding: Encoding = "utf-8"
    separator: Separator = ","
    sheet: Text | None = None
    decimal: Literal[".", ","] = "."
    thousands: Annotated[str, Field(max_length=1)] | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.kind != "package" and self.columns is None:
            raise ValueError("lacks columns")
        for key, kind in (("encoding", "csv"), ("separator", "csv"), ("sheet", "excel")):
            if key in self.model_fields_set and self.kind != kind:
                raise ValueError(f"has {key}, which is for `kind: {kind}` alone")
        if self.thousands == self.decimal:
            raise ValueError(f"has {self.decimal!r} as decimal and as thousands: say both")
        return self


class SentimentEntry(TableEntry):
    """Texts; positive: the label whose probability is an answer's `score`."""

    labels: Labels | None = None
    positive: Label | None = None
    columns: Columns | None = None
    expect: ExpectTexts = ExpectTexts()


class ForecastEntry(TableEntry):
    """Series: times in seconds, lengths in steps."""

    interval: Count
    history: Count
    horizon: Count
    season: Count
    columns: SeriesColumns | None = None
    time_format: TimeFormat | None = None
    time_zone: Zone | None = None
    expect: ExpectReadings = ExpectReadings()
    range: Range | None = None
    stride: Count = 1
    fill: float = Field(900, ge=0)
    grid: Literal["clock", "rows"] = "clock"
    min_rows: Count = 1


ENTRIES: dict[str, type[Section]] = {
    "image": ImageEntry,
    "sentiment": SentimentEntry,
    "forecast": ForecastEntry,
}


class Shares(Section):
    """How the rows are divided, in the order in which a series is cut."""

    train: Share
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _add_up_to_one(self) -> Self:
        whole = self.train + self.validation + self.test
        if abs(whole - 1) > 1e-6:
            raise ValueError(f"adds up to {whole:g}, expected 1")
        return self
