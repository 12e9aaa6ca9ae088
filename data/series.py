"""Readings as they came, put on a regular grid and cut by time.

A grid point without a reading carries the last value forward when the hole is short, and is then
marked as not observed: it may stand in a history, never be a target. A longer hole, another series
and another split begin a new segment.
"""

import numpy as np
import pandas as pd

from data.stored import Columns

KEPT = ["time", "value", "observed", "series", "segment"]


def place(rows: pd.DataFrame, entry: dict) -> pd.DataFrame:
    """The readings of each series on its grid, one series after the other.

    Args:
        rows: `time`, `value` and `series`, in the order of the source.
        entry: the dataset's, as in params.yaml.

    Returns:
        One row for each grid point: `time`, `value`, `series`, `observed`, `stretch` (the same
        between two long holes of one series), and `read`, when the value shown was read.
    """
    grids = []
    for _, readings in rows.assign(read=rows["time"]).groupby("series"):
        if entry["grid"] == "rows":  # each stamp is a step, whatever lies between; the first stays
            grid = readings.drop_duplicates("time").sort_values("time")
            grids.append(grid.assign(observed=True, stretch=0))
        else:
            grids.append(clock_grid(readings, entry["interval"], entry["fill"]))
    placed = pd.concat(grids, ignore_index=True)
    return placed.assign(stretch=placed.groupby(["series", "stretch"]).ngroup())


def clock_grid(readings: pd.DataFrame, interval: int, fill: float) -> pd.DataFrame:
    """Snap readings to a clock that ticks every `interval` seconds; fill holes of at most `fill`.

    readings: of one series, in any order. Of several near one tick the nearest stays, the first of
    equally near ones.
    """
    tick_length = interval * 1_000_000_000
    nanoseconds = readings["time"].astype("int64")
    origin = _origin(nanoseconds.to_numpy(), tick_length)
    tick = (nanoseconds - origin + tick_length // 2) // tick_length
    beside = (nanoseconds - origin - tick * tick_length).abs()
    nearest_first = readings.assign(tick=tick, beside=beside).sort_values(["tick", "beside"])
    kept = nearest_first.drop_duplicates("tick")
    hole = np.append(np.diff(kept["tick"]) - 1, 0)  # ticks without a reading, after each reading
    short = hole * interval <= fill
    kept = kept.assign(stretch=np.append(0, np.cumsum(~short)[:-1]))
    points = kept.loc[kept.index.repeat(np.where(short, hole, 0) + 1)]
    late = points.groupby("tick").cumcount()
    time = pd.to_datetime((points["tick"] + late) * tick_length + origin, unit="ns")
    return points.assign(time=time, observed=late == 0)


def _origin(time: np.ndarray, tick_length: int) -> int:
    """How long after the multiples of its length a clock ticks, so that readings are near a tick.

    At the multiples where that is so, and also where readings drift all over the interval. Else
    where most readings are to the nanosecond, or at the twelfth of the interval next to the middle
    of all: five past, for hourly ones. Midway between two ticks jitter would make two readings one.

    time: of the readings, in nanoseconds (readings,); tick_length likewise.
    """
    offset = time % tick_length
    from_tick = np.minimum(offset, tick_length - offset)
    if not len(time) or (from_tick <= tick_length // 4).mean() >= 0.9:
        return 0
    values, counts = np.unique(offset, return_counts=True)
    if 2 * counts.max() > len(time):
        return int(values[counts.argmax()])
    direction = np.exp(2j * np.pi * offset / tick_length).mean()  # as of hands on a dial
    if np.abs(direction) < 0.3:  # it is 0.4 of readings all over two thirds of the interval
        return 0
    mean = np.angle(direction) / (2 * np.pi) * tick_length
    beside = (offset - mean + tick_length / 2) % tick_length - tick_length / 2
    return round((mean + np.median(beside)) / tick_length * 12) * tick_length // 12 % tick_length


def window_starts(split: Columns, history: int, horizon: int, stride: int) -> np.ndarray:
    """Where windows of a split begin, int64 (windows,): each inside one segment, all its targets
    observed, as models/inputs/series.py cuts them.
    """
    segment, span = split["segment"], history + horizon
    start = np.arange(max(len(segment) - span + 1, 0))
    unseen = np.append(0, np.cumsum(~split["observed"]))
    first = np.searchsorted(segment, segment)  # of each row's segment: they are numbered in order
    return start[
        (segment[start] == segment[start + span - 1])
        & (unseen[start + span] == unseen[start + history])
        & ((start - first[start]) % stride == 0)
    ]


def cuts(time: pd.Series, shares: dict[str, float]) -> np.ndarray:
    """The instants at which the readings' shares are reached: datetime64[ns] (parts - 1,)."""
    reached = np.cumsum(list(shares.values()))[:-1] / sum(shares.values())
    return np.sort(time)[(reached * len(time)).astype(np.int64)]


def cut(placed: pd.DataFrame, instants: np.ndarray, names: list[str]) -> dict[str, Columns]:
    """Divide placed readings at `instants` into the splits `names`, and number their segments.

    A point carried over a cut stays with its reading. Segments are unique over all splits.
    """
    part = np.searchsorted(instants, placed["read"].to_numpy(), side="right")
    points = placed.assign(segment=placed.groupby(["stretch", part]).ngroup())
    points = points[[*KEPT, *points.columns.intersection(["collected"])]]
    return {
        name: {column: values.to_numpy() for column, values in points[part == index].items()}
        for index, name in enumerate(names)
    }
