"""What params.yaml declares about data, in Pydantic: the entries below `datasets:`, the shares.

The message of a ValueError raised here follows the words `datasets.NAME.KEY in params.yaml`.
"""

import codecs
import re
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


QUOTE = "quote those that YAML takes for something else, such as yes, no, on, off, null and 1.0"
LONGEST_SIDE = 1024  # of a picture as a model sees it; more is a mistake, or no model of these


class Section(BaseModel):
    """A part of params.yaml with keys of its own; an unknown one is told before a missing one."""

    # What stands below a field is its description, of which docs/ makes the reference.
    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

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
    if len(limits) != 2 or not limits[0] < limits[1]:
        raise ValueError(f"is {limits}, expected [lowest, highest]")
    return limits


def _word(label: Any) -> Any:
    if type(label) not in (str, int):
        raise ValueError(f"is {label}, expected a label: {QUOTE}")
    return label


def _different(labels: list[Any]) -> list[Any]:
    names = {unicodedata.normalize("NFC", str(label)) for label in labels}
    if len(names) < len(labels) or {type(label) for label in labels} - {str, int}:
        raise ValueError(f"is {labels}, expected different names: {QUOTE}")
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


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is {text!r}, which is no regular expression: {error}") from None
    return text


def _grey_or_colour(shape: list[int]) -> list[int]:
    if shape[2] not in (1, 3):
        raise ValueError(f"is {shape}, expected 1 channel (grey) or 3 (colour), in the last place")
    return shape


Encoding = Annotated[str, AfterValidator(_known_encoding)]
Separator = Annotated[str, AfterValidator(_single_sign)]
Zone = Annotated[str, AfterValidator(_known_zone)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Label = Annotated[Any, AfterValidator(_word)]
Labels = Annotated[list[Any], AfterValidator(_different)]
Limit = Annotated[float, Field(allow_inf_nan=True)]  # .inf: there is none
Range = Annotated[list[Limit], AfterValidator(_ascending)]
Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
Shape = Annotated[list[Side], Field(min_length=3, max_length=3), AfterValidator(_grey_or_colour)]


def _check_names(entry: Section, allowed: bool, rule: str) -> None:
    named = entry.model_fields_set & {"id", "group"}
    if named and not allowed:
        raise ValueError(f"has {min(named)}, which {rule}")


class Columns(Section):
    """The columns of a file of texts, by what they hold."""

    text: Text
    """The column of texts."""
    label: Text
    """The column of labels."""


class SeriesColumns(Section):
    """The columns of a file of readings."""

    time: Text
    """The column of time stamps."""
    value: Text
    """The column of readings."""
    series: Text | None = None
    """The column that names the series; without it there is one."""


class Expect(Section):
    """What the gate asks of any dataset (`expect:`); a part is how much may be so, at most."""

    dropped: Part = 0.05
    """Rows that `on_bad_rows: drop` sets aside."""


class ExpectClasses(Expect):
    """Of labelled rows."""

    rows: Count = 50
    """Rows, at least."""
    class_rows: Count = 10  # 6 to learn from, 2 to choose by, 2 to test on
    """Rows of each class, at least."""
    class_share: Part = 0.1
    """Part of an even share that each class has, at least."""
    doubles: Part = 0.05
    """Rows that were there before."""
    contradictions: Part = 0.01
    """Equal rows of different labels."""


class ExpectPictures(ExpectClasses):
    """Of pictures."""

    blank: Part = 0.0
    """Pictures of one shade all over."""


class ExpectTexts(ExpectClasses):
    """Of texts."""

    few_letters: Part = 0.01
    """Texts of less than 40% letters and digits, such as emoji alone."""
    repetitive: Part = 0.01
    """Texts of a few characters again and again."""
    broken: Part = 0.1
    """Texts with control or replacement characters."""
    unknown: Part = 0.8  # 50 sentences: 0.55; 300 reviews: 0.1
    """Words of validation texts that are in no training text."""


class ExpectReadings(Expect):
    """Of series."""

    windows: Count = 10
    """Windows of history and horizon that the longest series fills, at least."""
    repeated_times: Part = 0.01
    """Readings with the stamp of the one before."""
    off_grid: Part = 0.1
    """Steps that are no multiple of `interval`, give or take a tenth."""
    holes: Part = 0.05
    """Readings that come more than `fill` late."""
    flat: Part = 0.0
    """Series that are one value all along."""


class Needed(BaseModel):
    """What DVC reads of every entry, and what says which class describes it."""

    model_config = ConfigDict(strict=True)
    task: Literal["image", "sentiment", "forecast"]
    kind: str
    path: Text


class Entry(Section):
    """What the rows are, in words, and what becomes of those that no model can read."""

    about: About | None = None
    """What the rows are, in one or two sentences: the page for people shows it."""
    on_bad_rows: Literal["refuse", "drop"] = "refuse"
    """What becomes of rows that no model can learn from; drop sets them aside."""


Cost = Annotated[float, Field(ge=0)]
Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "cost",
]


class ClassesEntry(Entry):
    """Labelled rows, and what decides between models of them."""

    labels: Labels | None = None
    """The classes; one that is missing or not listed is then refused."""
    positive: Label | None = None
    """The label that `f1` is of, and whose probability is the `score` of an answer about a text."""
    metric: Metric | None = None
    """What models are chosen, stopped and promoted by; accuracy without."""
    costs: dict[Label, dict[Label, Cost]] | None = None
    """Of `metric: cost`: true label, answered label, and what that mistake costs."""
    class_weights: Literal["balanced"] | dict[Label, Cost] | None = None
    """How much a row of each class counts in training; `balanced` gives classes the same say."""

    @model_validator(mode="after")
    def _has_what_its_metric_needs(self) -> Self:
        if self.metric == "f1" and self.positive is None:
            raise ValueError("says `metric: f1` without `positive:`, the label that it is of")
        if (self.metric == "cost") != (self.costs is not None):
            raise ValueError("needs both or none of `metric: cost` and `costs:`")
        if isinstance(self.class_weights, dict) and not any(self.class_weights.values()):
            raise ValueError("has no class_weights above 0: nothing would be learned")
        if self.costs and not any(cost for row in self.costs.values() for cost in row.values()):
            raise ValueError("has no costs above 0: every model would be perfect")
        return self


class ImageEntry(ClassesEntry):
    """Pictures."""

    task: str
    """`image`."""
    kind: Literal["package", "folder", "arrays"]
    """What `path` is; `package` is for the datasets that ship."""
    path: Text
    """A folder of class folders, or a ZIP of it; an `.npz`, or a folder of IDX files."""
    shape: Shape | None = None
    """Height, width and channels that a model sees; 1 channel is grey, 3 are colour."""
    id: Literal["file"] | None = None
    """Of a folder: `file` tells a picture by its path, so that saved anew it stays in its split."""
    group: Pattern | None = None
    """Of a folder: the part of a path that names what pictures belong to, such as `patient_[0-9]+`,
    as a regular expression; a group stays on one side of the split."""
    expect: ExpectPictures = ExpectPictures()
    """The limits of the gate."""

    @model_validator(mode="after")
    def _has_paths(self) -> Self:
        _check_names(self, self.kind == "folder", "is for `kind: folder` alone")
        return self


class TableEntry(Entry):
    """Rows of a file with columns, and how its words are written."""

    task: str
    """`sentiment` or `forecast`."""
    kind: Literal["package", "csv", "parquet", "json", "excel"]
    """The file's format; `package` is for the datasets that ship."""
    path: Text
    """The file; of Parquet also the folder of its parts."""
    columns: Section | None = None
    encoding: Encoding = "utf-8"
    """Of a CSV: `latin-1`, `windows-1252`, `utf-16`, …"""
    separator: Separator = ","
    """Of a CSV: `;`, or a tab in double quotes, …"""
    sheet: Text | None = None
    """Of an Excel file: the name of the sheet; the first without."""
    decimal: Literal[".", ","] = "."
    """The decimal sign of values."""
    thousands: Annotated[str, Field(max_length=1)] | None = None
    """The sign between thousands."""

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


class SentimentEntry(TableEntry, ClassesEntry):
    """Texts."""

    columns: Columns | None = None
    """The columns, by what they hold."""
    id: Text | None = None
    """The column that identifies a row, so that a text made clean stays in its split."""
    group: Text | None = None
    """The column of what rows belong to, such as an author; a group stays on one side of the
    split."""
    expect: ExpectTexts = ExpectTexts()
    """The limits of the gate."""

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        _check_names(self, self.kind != "package", "is for tables of your own")
        return self


class ForecastEntry(TableEntry):
    """Series: times in seconds, lengths in steps."""

    interval: Count
    """Seconds between two readings."""
    history: Count
    """Readings that a forecast sees."""
    horizon: Count
    """Readings that it forecasts."""
    season: Count
    """Readings of a season, for the naive forecast."""
    metric: Literal["mae", "rmse", "pinball"] | None = None
    """What models are chosen, stopped and promoted by, relative to the naive forecast; `mae`."""
    columns: SeriesColumns | None = None
    """The columns, by what they hold."""
    time_format: TimeFormat | None = None
    """Such as `%d.%m.%Y %H:%M`, or `s` or `ms` since 1970; without it ISO 8601."""
    time_zone: Zone | None = None
    """The clock of stamps that have no zone of their own, such as `Europe/Berlin`."""
    expect: ExpectReadings = ExpectReadings()
    """The limits of the gate."""
    range: Range | None = None
    """The lowest and the highest value that there may be."""
    below: float | None = None
    """Values under this one matter most: fits record which share of them a forecast foresaw."""
    above: float | None = None
    """Likewise values over this one."""
    stride: Count = 1
    """Steps between the windows that are validated and tested on."""
    fill: float = Field(900, ge=0)
    """The longest gap that is carried forward, in seconds."""
    grid: Literal["clock", "rows"] = "clock"
    """`rows` takes every row as one step, whatever time lies between."""
    min_rows: Count = 1
    """The least readings of a series; shorter ones are left out."""


ENTRIES: dict[str, type[Section]] = {
    "image": ImageEntry,
    "sentiment": SentimentEntry,
    "forecast": ForecastEntry,
}


class Shares(Section):
    """How the rows are divided, in the order in which a series is cut."""

    train: Share
    """What is learned from."""
    validation: Share
    """What the best epoch and the best architecture are chosen by."""
    test: Share
    """What judges."""

    @model_validator(mode="after")
    def _add_up_to_one(self) -> Self:
        whole = self.train + self.validation + self.test
        if abs(whole - 1) > 1e-6:
            raise ValueError(f"adds up to {whole:g}, expected 1")
        return self
