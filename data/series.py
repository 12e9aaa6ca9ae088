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
    tick = (nanoseconds + tick_length // 2) // tick_length
    beside = (nanoseconds - tick * tick_length).abs()
    nearest_first = readings.assign(tick=tick, beside=beside).sort_values(["tick", "beside"])
    kept = nearest_first.drop_duplicates("tick")
    hole = np.append(np.diff(kept["tick"]) - 1, 0)  # ticks without a reading, after each reading
    short = hole * interval <= fill
    kept = kept.assign(stretch=np.append(0, np.cumsum(~short)[:-1]))
    points = kept.loc[kept.index.repeat(np.where(short, hole, 0) + 1)]
    late = points.groupby("tick").cumcount()
    time = pd.to_datetime((points["tick"] + late) * tick_length, unit="ns")
    return points.assign(time=time, observed=late == 0)


def cuts(time: pd.Series, shares: dict[str, float]) -> np.ndarray:
    """The instants at which the readings' shares are reached: datetime64[ns] (parts - 1,)."""
    reached = np.cumsum(list(shares.values()))[:-1] / sum(shares.values())
    return np.sort(time)[(reached * len(time)).astype(np.int64)]


def cut(placed: pd.DataFrame, instants: np.ndarray, names: list[str]) -> dict[str, Columns]:
    """Divide placed readings at `instants` into the splits `names`, and number their segments.

    A point carried over a cut stays with its reading. Segments are unique over all splits.
    """
    part = np.searchsorted(instants, placed["read"].to_numpy(), side="right")
    points = placed.assign(segment=placed.groupby(["stretch", part]).ngroup())[KEPT]
    return {
        name: {column: values.to_numpy() for column, values in points[part == index].items()}
        for index, name in enumerate(names)
    }
