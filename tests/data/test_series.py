"""The regular grid: snapped, filled for a while, never over a long hole, a cut or a series."""

import numpy as np
import pandas as pd
import pytest

from data import series

ENTRY = {"interval": 300, "fill": 900, "grid": "clock"}
SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}


def readings(seconds, name: str = "a") -> pd.DataFrame:
    """A series whose values are the numbers of its readings."""
    time = np.array(seconds, dtype="datetime64[s]").astype("datetime64[ns]")
    return pd.DataFrame({"time": time, "value": np.arange(float(len(time))), "series": name})


def seconds_of(grid: pd.DataFrame) -> list[int]:
    return (grid["time"].astype("int64") // 10**9).tolist()


@pytest.mark.parametrize(
    ("seconds", "ticks", "values"),
    [
        ((10, 290, 620), [0, 300, 600], [0, 1, 2]),  # the nearest tick
        ((280, 310, 310), [300], [1]),  # the nearest reading, the first of equally near ones
        ((600, 0, 300), [0, 300, 600], [1, 2, 0]),  # any order
        ((0, 900), [0, 300, 600, 900], [0, 0, 0, 1]),  # the last value is carried forward
    ],
)
def test_readings_are_snapped_to_the_clock(seconds, ticks, values):
    grid = series.clock_grid(readings(seconds), interval=300, fill=900)
    assert seconds_of(grid) == ticks
    assert grid["value"].tolist() == values
    assert grid["observed"].sum() == len(set(values))


@pytest.mark.parametrize(("missing", "filled"), [(3, True), (4, False)])
def test_a_hole_of_more_than_fifteen_minutes_begins_a_stretch(missing, filled):
    grid = series.clock_grid(readings((0, 300 * (missing + 1))), interval=300, fill=900)
    assert len(grid) == (2 + missing if filled else 2)
    assert (grid["stretch"].iloc[-1] == 0) == filled


def test_trading_days_follow_each_other_and_the_first_of_a_stamp_stays():
    placed = series.place(readings((4 * 86_400, 0, 4 * 86_400, 86_400)), ENTRY | {"grid": "rows"})
    assert placed["value"].tolist() == [1, 3, 0]
    assert set(placed["stretch"]) == {0}
    assert placed["observed"].all()


def test_no_segment_crosses_a_cut_a_hole_or_a_series():
    seconds = 300 * np.array([*range(50), *range(60, 100)])
    rows = pd.concat([readings(seconds), readings(seconds, "b")], ignore_index=True)
    splits = series.cut(series.place(rows, ENTRY), series.cuts(rows["time"], SHARES), list(SHARES))
    points = pd.concat([pd.DataFrame(split).assign(split=name) for name, split in splits.items()])
    assert len(points) == 180
    segments = points.groupby("segment")
    assert segments.ngroups == 8  # a and b: train before and after the hole, validation, test
    assert (segments[["series", "split"]].nunique() == 1).all(axis=None)
    assert set(segments["time"].diff().dropna()) == {pd.Timedelta(300, "s")}


def test_splits_follow_each_other_in_time():
    rows = readings(range(0, 30_000, 300))
    splits = series.cut(series.place(rows, ENTRY), series.cuts(rows["time"], SHARES), list(SHARES))
    assert [len(split["value"]) for split in splits.values()] == [70, 15, 15]
    values = np.concatenate([split["value"] for split in splits.values()])
    assert values.tolist() == list(range(100))


def test_a_value_is_never_carried_over_a_cut():
    placed = series.place(readings((0, 300, 600, 1500, 1800)), ENTRY)
    instants = np.array([1200], dtype="datetime64[s]").astype("datetime64[ns]")
    before, after = series.cut(placed, instants, ["train", "test"]).values()
    assert before["value"].tolist() == [0, 1, 2, 2, 2]
    assert after["value"].tolist() == [3, 4]
    assert after["observed"].all()
