"""What is watched of a task, read alike from the request log and from held-out rows.

A signal has one value for each input, in the task's own terms. A request counts once: its inputs
share its weight. Of several inputs the log holds all answers, what was measured of the first one,
and no other statistics.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.familiarity.familiarity import THRESHOLD
from models.signals import NAMES

if TYPE_CHECKING:
    import pyarrow

RANK, SHARE, CLASS = "rank", "share", "class"
# Forecasts come in order where of the first ones those that are up to so many apart have levels at
# less than this share of the usual distance.
FIRST, APART, NEAR = 500, 48, 0.5
REFUSED = (400, 413, 415, 422)  # what a service answers an input with that no model can read


@dataclass(frozen=True)
class Signal:
    """One thing that is watched. kind: how it is tested. words: what a sentence calls it."""

    name: str
    kind: str
    words: str


ANSWERS = (
    Signal("label", CLASS, "the answer"),
    Signal("confidence", RANK, "the probability of the answer"),
)
SHARED = (
    Signal("refused", SHARE, "requests that were refused"),
    Signal("unfamiliar", SHARE, f"inputs of a familiarity below {THRESHOLD}"),
    Signal("familiarity", RANK, "the familiarity"),
)
# By the kind of the model's inputs.
SIGNALS = {
    "image": (
        *SHARED,
        *ANSWERS,
        Signal("pixels", RANK, "the number of a picture's pixels"),
        Signal("brightness", RANK, "the brightness of a picture (0 to 1)"),
        Signal("contrast", RANK, "the contrast of a picture (0 to 1)"),
    ),
    "text": (
        *SHARED,
        *ANSWERS,
        Signal("words", RANK, "the number of a text's words"),
        Signal("unknown", RANK, "the share of unknown words"),
        Signal("foreign", RANK, "the share of characters that are not ASCII"),
    ),
    "series": (
        *SHARED,
        Signal("level", RANK, "the mean of a history"),
        Signal("spread", RANK, "the deviation of a history"),
        Signal(
            "position", RANK, "the last value's distance from its history's mean, in deviations"
        ),
        Signal("step", RANK, "the change from one value to the next, in standard scores"),
        Signal("repeats", RANK, "the share of values that repeat the one before"),
        Signal("rise", RANK, "the forecast's distance from the last value, in deviations"),
        Signal("width", RANK, "the width of the intervals that follow a history"),
    ),
}
# The fields of the log that they are read from.
FIELDS = {
    "image": ("width", "height", "label", "probability"),
    "text": ("words", "label", "probability"),
    "series": (
        "mean", "std", "last", "values", "horizon", "level", "forecast_mean", "interval_width",
        "series", "last_time", "interval",
    ),
}  # fmt: skip
SHARED_FIELDS = ("request_id", "version", "status", "inputs", "familiarity")
KINDS = {"image": "image", "sentiment": "text", "forecast": "series"}  # of a task's inputs


@dataclass(frozen=True)
class Values:
    """One signal of many requests.

    value: float64 (input,), of a class its place among the labels; none is NaN. request: the place
    of each input's request. weight: of each input in its request.
    """

    value: np.ndarray
    request: np.ndarray
    weight: np.ndarray

    def of(self, requests: slice) -> "Values":
        """Only what these requests sent."""
        first, last = np.searchsorted(self.request, [requests.start, requests.stop])
        return Values(self.value[first:last], self.request[first:last], self.weight[first:last])


def fields(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields, and the names of `signals`, that a kind of inputs needs."""
    return (*SHARED_FIELDS, *FIELDS[kind]), NAMES[kind]


def read(inputs: Any, table: "pyarrow.Table") -> dict[str, Values]:
    """Return every signal of the records, by name.

    Args:
        inputs: of the model that answered.
        table: a row for each request, with the columns of `fields` (`requests.TYPES`).
    """
    table = table.flatten()
    values = dict(_of_lists(inputs, table))
    alone = _numbers(table, "inputs") == 1
    status = table["status"].to_numpy()
    columns = {"refused": np.isin(status, REFUSED).astype(float)}
    columns["refused"][(status != 200) & (columns["refused"] == 0)] = np.nan  # not the input's
    for name in NAMES[inputs.kind]:
        columns[name] = _numbers(table, f"signals.{name}")
    for name, column in _of_kind(inputs, table).items():
        columns[name] = np.where(alone, column, np.nan)
    everyone = np.arange(len(table))
    for name, column in columns.items():
        values[name] = _present(Values(column, everyone, np.broadcast_to(1.0, len(column))))
    return values


def _present(values: Values) -> Values:
    """The values that are there: where all are, the same arrays, which signals share."""
    known = ~np.isnan(values.value)
    if known.all():
        return values
    return Values(values.value[known], values.request[known], values.weight[known])


def independent(inputs: Any, table: "pyarrow.Table") -> "pyarrow.Table":
    """Return the records without those that say again what one before has said.

    Of a named series, whose requests come in order, the histories of neighbours overlap: one
    request counts in the time that a history takes. Of others nobody knows: none counts where they
    come `in_order`.

    Args:
        inputs: of the model that answered.
        table: as `read` takes it, by time.
    """
    if inputs.kind != "series":
        return table
    kept = table["series"].is_null().to_numpy() & (not in_order(table))
    named = np.flatnonzero(table["series"].is_valid().to_numpy())
    if len(named):
        few = table.take(named)
        series = few["series"].combine_chunks().dictionary_encode().indices.to_numpy()
        span = few["last_time"].to_numpy() // (few["interval"].to_numpy() * inputs.history)
        _, first = np.unique(np.stack([series, span]), axis=1, return_index=True)
        kept[named[first]] = True
    return table.filter(kept)


def in_order(table: "pyarrow.Table") -> bool:
    """Whether forecasts that name no series come from the same few ones, one after the other.

    Then the levels of two that are some requests apart are nearly equal, as no others are. Medians
    see no change of the level in that. The first requests decide: later ones change nothing.

    Args:
        table: as `read` takes it, by time.
    """
    level = _numbers(table.filter(table["series"].is_null()).slice(0, FIRST), "mean")
    level = level[~np.isnan(level)]
    if len(level) <= 2 * APART:
        return False
    apart = [np.median(np.abs(level[lag:] - level[:-lag])) for lag in range(1, APART + 1)]
    return min(apart) < NEAR * np.median(apart)


def _of_lists(inputs: Any, table: "pyarrow.Table") -> Iterator[tuple[str, Values]]:
    """The signals of which each input has one: how familiar, which answer, how sure."""
    familiarity = _items(table, "familiarity")
    yield "familiarity", familiarity
    below = (familiarity.value < THRESHOLD).astype(float)
    yield "unfamiliar", Values(below, familiarity.request, familiarity.weight)
    if inputs.kind != "series":
        yield "confidence", _items(table, "probability")
        yield "label", _items(table, "label", inputs.labels)


def _of_kind(inputs: Any, table: "pyarrow.Table") -> dict[str, np.ndarray]:
    """The signals that the log holds of a request with one input; NaN where it does not."""
    if inputs.kind == "image":
        return {"pixels": _numbers(table, "width") * _numbers(table, "height")}
    if inputs.kind == "text":
        return {"words": _numbers(table, "words")}
    level, spread, last = (_numbers(table, name) for name in ("mean", "std", "last"))
    # An answer to another horizon or level than the usual one is not comparable.
    horizon, promised = inputs.check_options()
    usual = _numbers(table, "horizon") == horizon
    follows = usual & (_numbers(table, "level") == promised) & bool(len(inputs.following))
    follows &= _numbers(table, "values") >= inputs.reads
    scale = np.where(spread > 0, spread, 1)
    rise = (_numbers(table, "forecast_mean") - last) / scale
    return {
        "level": level,
        "spread": spread,
        "position": (last - level) / scale,
        "rise": np.where(usual, rise, np.nan),
        "width": np.where(follows, _numbers(table, "interval_width"), np.nan),
    }


def _numbers(table: "pyarrow.Table", name: str) -> np.ndarray:
    """A column as float64 with NaN for null."""
    return table[name].cast("float64").to_numpy()


def _items(table: "pyarrow.Table", name: str, labels: tuple[str, ...] | None = None) -> Values:
    """A column of lists; labels: what the items are places in."""
    import pyarrow
    from pyarrow import compute

    lists = table[name].combine_chunks()
    items = compute.list_flatten(lists)
    if labels is not None:
        items = compute.index_in(items, pyarrow.array(labels))
    request = compute.list_parent_indices(lists).to_numpy()
    value = items.cast("float64").to_numpy(zero_copy_only=False)
    value, request = value[~np.isnan(value)], request[~np.isnan(value)]
    counts = np.bincount(request, minlength=1)
    return Values(value, request, 1 / counts[request])
