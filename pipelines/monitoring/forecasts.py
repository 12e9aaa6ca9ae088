"""Forecasts graded by what came: in feedback, or in the history of later requests of the series.

A value of a later history grades the step of an earlier forecast whose time it has, to the
microsecond: series of one name must be sent on one grid of the data's interval. The naive forecasts
are those of `models/evaluation/naive.py`, of what the log knows of the series; a seasonal value
that it does not know is the last one, as there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation import naive

if TYPE_CHECKING:
    import pyarrow

Owner = tuple[str | None, str | None]  # the client, where tokens tell, and its series' name
LEAST = 0.5  # of a forecast's steps that must have come


@dataclass(frozen=True)
class Graded:
    """Forecasts whose values came, by the time of their request.

    row: of the table that was graded. error, naive_error: the mean absolute error of each, and of
    the naive forecast, over the steps that came (forecast,). covered: the share of these steps that
    the interval held. steps: how many steps each has. origin: the time of the last value before it,
    in microseconds; of one without a series that of its request.
    """

    row: np.ndarray
    error: np.ndarray
    naive_error: np.ndarray
    covered: np.ndarray
    steps: np.ndarray
    origin: np.ndarray

    def apart(self, series: Sequence[Owner], interval: np.ndarray) -> np.ndarray:
        """Return which of them share no step with an earlier one that is returned, by their time.

        Args:
            series, interval: of each forecast.
        """
        chosen: list[int] = []
        ends: dict[Owner, float] = {}
        for place in np.argsort(self.origin, kind="stable").tolist():
            name, origin = series[place], self.origin[place]
            if origin >= ends.get(name, origin):
                ends[name] = origin + interval[place] * self.steps[place]
                chosen.append(place)
        return np.array(chosen, int)


def grade(
    forecasts: "pyarrow.Table", named: "pyarrow.Table", rival: str, season: int, history: int
) -> Graded:
    """Grade forecasts by what is known of their values.

    Args:
        forecasts: `Answers.named`, or `Matched.forecasts` with `came`.
        named: `Answers.named` of every version: what their histories hold is known.
        rival: The naive forecast, one of `naive.SERIES`.
        season: Steps of one season.
        history: How many values the model reads.
    """
    came, forecast = _matrices(forecasts)
    naive_forecast = np.repeat(_numbers(forecasts, "last")[:, None], forecast.shape[1], axis=1)
    if rival == naive.DRIFT:
        rise = (_numbers(forecasts, "last") - _numbers(forecasts, "first")) / max(history - 1, 1)
        naive_forecast += rise[:, None] * np.arange(1, forecast.shape[1] + 1)
    origin, interval = _numbers(forecasts, "last_time"), _numbers(forecasts, "interval")
    ahead = interval[:, None] * np.arange(1, forecast.shape[1] + 1)
    back = interval[:, None] * (np.arange(forecast.shape[1]) % season + 1 - season)
    known = _known(named)
    for one, rows in _places(forecasts).items():
        if one not in known:
            continue
        times, values = known[one]
        target = origin[rows, None] + ahead[rows]
        came[rows] = np.where(np.isnan(came[rows]), _at(times, values, target), came[rows])
        if rival == naive.SEASONAL:
            before = _at(times, values, origin[rows, None] + back[rows])
            naive_forecast[rows] = np.where(np.isnan(before), naive_forecast[rows], before)
    came[np.isnan(forecast)] = np.nan
    steps = (~np.isnan(forecast)).sum(axis=1)
    row = np.flatnonzero((~np.isnan(came)).sum(axis=1) >= np.maximum(LEAST * steps, 1))
    held = (came >= _matrix(forecasts["lower"], came.shape[1])) & (
        came <= _matrix(forecasts["upper"], came.shape[1])
    )
    held = np.where(np.isnan(came), np.nan, held)
    return Graded(
        row,
        np.nanmean(np.abs(forecast - came)[row], axis=1),
        np.nanmean(np.abs(naive_forecast - came)[row], axis=1),
        np.nanmean(held[row], axis=1),
        steps[row],
        np.where(np.isnan(origin), _numbers(forecasts, "time"), origin)[row],
    )


def owners(rows: "pyarrow.Table") -> list[Owner]:
    """Whose series each row is of: what one client sends says nothing of another's."""
    return list(zip(rows["client"].to_pylist(), rows["series"].to_pylist(), strict=True))


def _places(rows: "pyarrow.Table") -> dict[Owner, list[int]]:
    """Which rows each series has."""
    places: dict[Owner, list[int]] = {}
    for number, one in enumerate(owners(rows)):
        places.setdefault(one, []).append(number)
    return places


def _known(named: "pyarrow.Table") -> dict[Owner, tuple[np.ndarray, np.ndarray]]:
    """Series → the times of its known values, ascending, and the values: of several the newest."""
    known = {}
    for one, numbers in _places(named).items():
        rows = named.take(numbers)
        history = _matrix(rows["history"])
        length = (~np.isnan(history)).sum(axis=1)
        behind = np.arange(history.shape[1]) + 1 - length[:, None]
        times = _numbers(rows, "last_time")[:, None] + _numbers(rows, "interval")[:, None] * behind
        there = ~np.isnan(history)
        # The first of equal times is kept: the newest, once the order is turned around.
        unique, place = np.unique(times[there][::-1], return_index=True)
        known[one] = unique, history[there][::-1][place]
    return known


def _at(times: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the values at the wanted times; nan where there is none."""
    place = np.searchsorted(times, wanted).clip(max=len(times) - 1)
    return np.where(times[place] == wanted, values[place], np.nan)


def _matrices(forecasts: "pyarrow.Table") -> tuple[np.ndarray, np.ndarray]:
    """Return what came, as far as feedback says it, and the forecasts: (forecast, step)."""
    forecast = _matrix(forecasts["forecast"])
    if "came" not in forecasts.column_names:
        return np.full(forecast.shape, np.nan), forecast
    return _matrix(forecasts["came"], forecast.shape[1]), forecast


def _matrix(lists: "pyarrow.ChunkedArray", width: int | None = None) -> np.ndarray:
    """Return lists of numbers as (list, item), each filled up with nan, or cut off at a width."""
    from pyarrow import compute

    lists = lists.combine_chunks()
    length = compute.fill_null(compute.list_value_length(lists), 0).to_numpy()
    width = int(length.max(initial=0)) if width is None else width
    place = lists.offsets.to_numpy()[:-1, None] + np.arange(width)
    values = lists.values.to_numpy(zero_copy_only=False)
    if not len(values):
        return np.full(place.shape, np.nan)
    inside = np.arange(width) < length[:, None]
    return np.where(inside, values[place.clip(max=len(values) - 1)], np.nan)


def _numbers(table: "pyarrow.Table", name: str) -> np.ndarray:
    """Return a column of numbers; nan where there is none."""
    from pyarrow import compute

    return compute.cast(table[name], "float64", safe=False).to_numpy(zero_copy_only=False)
