"""What is expected of the splits of series, as prepare will make them: windows, and changes."""

import numpy as np
import pandas as pd

from data import declared
from data.series import cut, cuts, place, window_starts
from data.suites.table import Table, between


def splits(readings: pd.DataFrame, entry: dict) -> Table:
    """The table of splits: each holds windows, in which the value changes, and is no mere repeat.

    readings: as `forecast.steps` gives them.
    """
    frame = _splits(readings, entry)
    full = (
        f"each split has windows of {entry['history']} + {entry['horizon']} values without a hole "
        f"of more than {entry['fill']:g} s"
    )
    flat = frame["split"][frame["changes"] == 0]
    named = f" ({', '.join(flat)})" if len(flat) else ""
    changing = f"no split is one value all along{named}"
    without = "no forecast can be measured there: leave that part of the series out of the file"
    longer = _longer_fill(readings, entry) if (frame["windows"] == 0).any() else ""
    open_ = "no split repeats itself exactly, or rises as evenly as a line"
    perfect = "a naive forecast is never wrong there, so that no model can be better"
    expectations = [
        between("windows", full, low=1, remedy=longer),
        between("changes", changing, low=1, remedy=without),
        between("surprises", open_, low=1, done=perfect),
    ]
    return Table("splits", frame, ["split"], expectations)


def _splits(readings: pd.DataFrame, entry: dict) -> pd.DataFrame:
    """One row for each split, as prepare will make it: split, points, windows, changes (how many
    targets of windows are not the value before) and surprises (how many the best of three naive
    forecasts, of one step, misses); both missing where there are no windows.
    """
    rows = readings[["time", "value", "series"]].dropna()
    rows = rows[rows.groupby("series")["time"].transform("size") >= entry["min_rows"]]
    shares, history, horizon = declared.shares("series"), entry["history"], entry["horizon"]
    frame = []
    parts = cut(place(rows, entry), cuts(rows["time"], shares), list(shares))
    for split, points in parts.items():
        start = window_starts(points, history, horizon, entry["stride"])
        ends = np.zeros(len(points["value"]) + 1, np.int64)
        np.add.at(ends, start + history, 1)
        np.add.at(ends, start + history + horizon, -1)
        is_target = np.cumsum(ends)[:-1] > 0
        value = pd.Series(points["value"]).groupby(points["segment"])
        before, season = value.shift(1), value.shift(entry["season"])
        line = 2 * before - value.shift(2)
        differs = [
            (is_target & predicted.notna() & (predicted != points["value"])).sum()
            for predicted in (before, season.fillna(before), line.fillna(before))
        ]
        counts = (differs[0], min(differs)) if len(start) else (np.nan, np.nan)
        frame.append((split, len(points["value"]), len(start), *counts))
    return pd.DataFrame(frame, columns=["split", "points", "windows", "changes", "surprises"])


def _longer_fill(readings: pd.DataFrame, entry: dict) -> str:
    """The remedy where holes leave no window: the least `fill` with which there are some, if that
    is no more than a quarter of a history.
    """
    shorter = "a shorter `history:` or `horizon:`, or a longer series"
    hole = ((readings["step"] / entry["interval"]).round() - 1) * entry["interval"]
    most = entry["history"] * entry["interval"] / 4
    for fill in sorted(hole[hole.between(entry["fill"], most, inclusive="right")].unique())[:10]:
        if (_splits(readings, entry | {"fill": fill})["windows"] > 0).all():
            return f"`fill: {fill:.0f}` in its entry carries the last value over holes; {shorter}"
    return shorter
