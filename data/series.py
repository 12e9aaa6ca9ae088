"""Readings as they came, put on a regular grid and cut by time.

A grid point without a reading carries the last value forward when the hole is short, and is then
marked as not observed: it may stand in a history, never be a target. A longer hole, another series
and another split begin a new segment.
"""

from dataclasses import dataclass

import numpy as np

from data.stored import Columns


@dataclass
class Grid:
    """One series on its grid: `source` (points,) says which reading each point shows."""

    time: np.ndarray  # datetime64[ns] (points,)
    source: np.ndarray  # int64 (points,)
    observed: np.ndarray  # bool (points,): the reading belongs here, it was not carried forward
    stretch: np.ndarray  # int64 (points,): constant between two long holes
    dropped: int  # readings that another reading nearer to the grid point displaced


def clock_grid(time: np.ndarray, interval: int, fill: int) -> Grid:
    """Snap readings to a clock that ticks every `interval` seconds; fill holes of at most `fill`.

    time: datetime64[ns] (rows,), in any order. Of several readings near one tick the nearest stays,
    the first of equally near ones.
    """
    tick_length = np.int64(interval) * 1_000_000_000
    nanoseconds = time.astype(np.int64)
    tick = (nanoseconds + tick_length // 2) // tick_length
    order = np.lexsort((np.abs(nanoseconds - tick * tick_length), tick))
    tick, kept = np.unique(tick[order], return_index=True)
    hole = np.append(np.diff(tick) - 1, 0)  # ticks without a reading, after each reading
    short = hole * interval <= fill
    shown = np.where(short, hole, 0) + 1  # grid points that show each reading
    first = np.cumsum(shown) - shown
    late = np.arange(shown.sum()) - np.repeat(first, shown)
    stretch = np.append(0, np.cumsum(~short)[:-1])
    return Grid(
        time=((np.repeat(tick, shown) + late) * tick_length).astype("datetime64[ns]"),
        source=np.repeat(order[kept], shown),
        observed=late == 0,
        stretch=np.repeat(stretch, shown),
        dropped=len(time) - len(tick),
    )


def row_grid(time: np.ndarray) -> Grid:
    """Every time stamp is one step, whatever lies between (trading days).

    Of several readings of one stamp the first stays.
    """
    stamps, source = np.unique(time, return_index=True)
    return Grid(
        time=stamps,
        source=source,
        observed=np.ones(len(stamps), dtype=bool),
        stretch=np.zeros(len(stamps), dtype=np.int64),
        dropped=len(time) - len(stamps),
    )


def cuts(time: np.ndarray, shares: dict[str, float]) -> np.ndarray:
    """The instants at which the readings' shares are reached: datetime64[ns] (parts - 1,)."""
    reached = np.cumsum(list(shares.values()))[:-1] / sum(shares.values())
    return np.sort(time)[(reached * len(time)).astype(np.int64)]


def place(columns: Columns, names: list[str], entry: dict) -> tuple[Columns, int]:
    """The readings of the series in `names` on their grids, one after the other.

    Returns the columns `time`, `value`, `observed`, `series`, `stretch` (unique over the series)
    and `read` (datetime64[ns], when the value shown was read), and how many readings of one tick
    were dropped.
    """
    parts, dropped, stretches = [], 0, 0
    for name in names:
        rows = np.flatnonzero(columns["series"] == name)
        time = columns["time"][rows]
        if entry["grid"] == "rows":
            grid = row_grid(time)
        else:
            grid = clock_grid(time, entry["interval"], entry["fill"])
        parts.append(
            {
                "time": grid.time,
                "value": columns["value"][rows][grid.source],
                "observed": grid.observed,
                "series": np.full(len(grid.time), name, dtype=object),
                "stretch": grid.stretch + stretches,
                "read": time[grid.source],
            }
        )
        stretches += grid.stretch[-1] + 1
        dropped += grid.dropped
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, dropped


def cut(placed: Columns, instants: np.ndarray, names: list[str]) -> dict[str, Columns]:
    """Divide placed readings at `instants` into the splits `names`, and number their segments.

    A point carried over a cut stays with its reading. Segments are unique over all splits.
    """
    part = np.searchsorted(instants, placed["read"], side="right")
    key = placed["stretch"] * len(names) + part
    segment = np.unique(key, return_inverse=True)[1]
    kept = {name: placed[name] for name in ("time", "value", "observed", "series")}
    kept["segment"] = segment
    return {
        name: {column: values[part == index] for column, values in kept.items()}
        for index, name in enumerate(names)
    }
