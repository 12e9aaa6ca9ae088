"""The entries of params.yaml below `datasets:`, one class a task, declared in Pydantic.

The description of a field is the words that an error has for what was expected.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Steps = Annotated[int, Field(ge=1, description="a whole number of steps, 1 or more")]
Seconds = Annotated[int, Field(ge=1, description="a whole number of seconds, 1 or more")]
Size = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, description="numbers above 0")]
Column = Annotated[str, Field(min_length=1, description="the name of a column of the file")]
LABELS = "a list of different names; quote yes, no, on and off, which YAML takes for true and false"


def _ascending(limits: list[float]) -> list[float]:
    if limits[0] >= limits[1]:
        raise ValueError("not ascending")
    return limits


def _different(labels: list[Any]) -> list[Any]:
    if len(set(map(str, labels))) < len(labels):
        raise ValueError("a label is listed twice")
    return labels


Labels = Annotated[list[str | int], AfterValidator(_different)]


class Columns(BaseModel):
    """The columns of a file of texts, by what they hold."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: Column
    label: Column


class SeriesColumns(BaseModel):
    """The columns of a file of readings."""

    model_config = ConfigDict(extra="forbid", strict=True)
    time: Column
    value: Column
    series: Column | None = None


class Entry(BaseModel):
    """What every dataset says."""

    model_config = ConfigDict(extra="forbid", strict=True)
    task: str
    kind: str
    path: str = Field(min_length=1, description="the path of a file or folder")


class ImageEntry(Entry):
    """Pictures."""

    labels: Labels | None = Field(None, description=LABELS)
    shape: list[Size] | None = Field(
        None, min_length=3, max_length=3, description="[height, width, channels]"
    )


class SentimentEntry(Entry):
    """Texts."""

    labels: Labels | None = Field(None, description=LABELS)
    columns: Columns | None = Field(None, description="names of columns of the file")


class ForecastEntry(Entry):
    """Series."""

    interval: Seconds
    history: Steps
    horizon: Steps
    season: Steps
    columns: SeriesColumns | None = Field(None, description="names of columns of the file")
    range: Annotated[list[float], AfterValidator(_ascending)] | None = Field(
        None, min_length=2, max_length=2, description="[lowest, highest]"
    )
    stride: Steps = 1
    fill: float = Field(900, ge=0, description="a number of seconds, 0 or more")
    grid: Literal["clock", "rows"] = Field("clock", description="clock or rows")
    min_rows: Steps = 1


ENTRIES: dict[str, type[Entry]] = {
    "image": ImageEntry,
    "sentiment": SentimentEntry,
    "forecast": ForecastEntry,
}


COLUMNS: dict[type[BaseModel], type[BaseModel]] = {
    SentimentEntry: Columns,
    ForecastEntry: SeriesColumns,
}


class Shares(BaseModel):
    """How the rows are divided, in the order in which a series is cut."""

    model_config = ConfigDict(extra="forbid", strict=True)
    train: Share
    validation: Share
    test: Share
