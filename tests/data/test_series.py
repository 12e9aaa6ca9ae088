"""The regular grid: snapped, filled for a while, never over a long hole, a cut or a series."""

import numpy as np
import pytest

from data import series

ENTRY = {"interval": 300, "fill": 900, "grid": "clock"}
SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}


def at(*seconds: int) -> np.ndarray:
    return np.array(seconds, dtype="datetime64[s]").astype("datetime64[ns]")


def seconds_of(grid: series.Grid) -> list[int]:
    return grid.time.astype("datetime64[s]").astype(int).tolist()


def test_readings_are_snapped_to_the_nearest_tick():
    grid = series.clock_grid(at(10, 290, 620), interval=300, fill=900)
    assert seconds_of(grid) == [0, 300, 600]
    assert grid.observed.all()


def test_of_readings_at_one_tick_the_nearest_stays():
    grid = series.clock_grid(at(280, 310, 310), interval=300, fill=900)
    assert seconds_of(grid) == [300]
    assert grid.source.tolist() == [1]
    assert grid.dropped == 2


@pytest.mark.parametrize(("missing", "filled"), [(1, True), (3, True), (4, False)])
def test_a_hole_of_at_most_fifteen_minutes_carries_the_last_value(missing, filled):
    grid = series.clock_grid(at(0, 300 * (missing + 1)), interval=300, fill=900)
    assert len(grid.time) == (2 + missing if filled else 2)
    assert (grid.stretch[-1] == 0) == filled
    assert grid.observed.sum() == 2
    assert grid.source.tolist() == [0] * (len(grid.time) - 1) + [1]


def test_readings_may_come_in_any_order():
    grid = series.clock_grid(at(600, 0, 300), interval=300, fill=900)
    assert grid.source.tolist() == [1, 2, 0]


def test_trading_days_follow_each_other_whatever_lies_between():
    grid = series.row_grid(at(0, 86_400, 4 * 86_400))
    assert grid.stretch.tolist() == [0, 0, 0]
    assert grid.observed.all()


def test_of_two_rows_with_one_stamp_the_first_is_a_step():
    grid = series.row_grid(at(86_400, 0, 86_400))
    assert (grid.source.tolist(), grid.dropped) == ([1, 0], 1)


def test_no_segment_crosses_a_cut_a_hole_or_a_series():
    time = at(*(300 * step for step in [*range(50), *range(60, 100)]))
    rows = {
        "time": np.concatenate([time, time]),
        "value": np.arange(180.0),
        "series": np.repeat(np.array(["a", "b"], dtype=object), 90),
    }
    placed, _ = series.place(rows, ["a", "b"], ENTRY)
    splits = series.cut(placed, series.cuts(rows["time"], SHARES), list(SHARES))
    owners: dict[int, set] = {}
    for name, split in splits.items():
        for segment in np.unique(split["segment"]):
            inside = split["segment"] == segment
            assert len(set(split["series"][inside])) == 1
            assert set(np.diff(split["time"][inside]).astype(int)) <= {300 * 10**9}
            owners.setdefault(segment, set()).add(name)
    assert all(len(names) == 1 for names in owners.values())
    assert len(owners) == 8  # a and b: train before and after the hole, validation, test
    assert sum(len(split["value"]) for split in splits.values()) == 180


def test_splits_follow_each_other_in_time():
    time = at(*(300 * step for step in range(100)))
    rows = {"time": time, "value": np.arange(100.0), "series": np.full(100, "a", dtype=object)}
    placed, _ = series.place(rows, ["a"], ENTRY)
    splits = series.cut(placed, series.cuts(time, SHARES), list(SHARES))
    assert [len(split["value"]) for split in splits.values()] == [70, 15, 15]
    assert np.concatenate([split["value"] for split in splits.values()]).tolist() == list(
        range(100)
    )


def test_a_value_is_never_carried_over_a_cut():
    time = at(0, 300, 600, 1500, 1800)
    rows = {"time": time, "value": np.arange(5.0), "series": np.full(5, "a", dtype=object)}
    placed, _ = series.place(rows, ["a"], ENTRY)
    before, after = series.cut(placed, at(1200), ["train", "test"]).values()
    assert before["value"].tolist() == [0, 1, 2, 2, 2]
    assert after["value"].tolist() == [3, 4]
    assert after["observed"].all()
