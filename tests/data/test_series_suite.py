"""What the gate says of series as prepare will make them: windows, changes, codes, the grid."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_rows import SERIES, readings

from data import series
from data.suites import forecast
from data.validate import judge
from models.inputs.series import SeriesInputs

HOUR = 3600


def judged(values=None, seconds=None, **entry) -> dict:
    raw = readings(600 if values is None else len(values))
    columns = raw.splits["rows"]
    if values is not None:
        columns["value"] = np.asarray(values, float)
    if seconds is not None:
        columns["time"] = np.asarray(seconds).astype("datetime64[s]").astype("datetime64[ns]")
    entry = SERIES | entry
    return judge("mine", "forecast", forecast.suite(raw, entry))


def refusals(report: dict) -> str:
    return " | ".join(check["sentence"] for check in report["failed"])


def noise(rows: int = 600) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, rows)


@pytest.mark.parametrize(
    ("interval", "offset", "jitter", "origin"),
    [
        (HOUR, 1800, 0, 1800),
        (HOUR, 1800, 20, 1800),
        (HOUR, 2700, 600, 2700),
        (HOUR, 1801, 0, 1801),
        (HOUR, 600, 800, 600),
        (HOUR, 60, 60, 0),
        (300, 150, 20, 150),
        (86_400, 6 * HOUR, 3000, 6 * HOUR),
        (86_400, 12 * HOUR, 3000, 12 * HOUR),
    ],
)
def test_the_clock_ticks_where_the_readings_are(interval, offset, jitter, origin):
    draw = np.random.default_rng(0)
    seconds = 1000 * interval + interval * np.arange(600) + offset
    seconds = seconds + draw.integers(-jitter, jitter + 1, 600)
    time = seconds.astype("datetime64[s]").astype("datetime64[ns]")
    rows = pd.DataFrame({"time": time, "value": noise(), "series": "a"})
    grid = series.clock_grid(rows, interval, fill=0)
    assert (len(grid), grid["stretch"].nunique()) == (600, 1)
    assert set(grid["time"].astype("int64") // 10**9 % interval) == {origin}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=6),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_the_gate_counts_the_windows_that_a_model_is_given(stretches, history, horizon, stride):
    segment = np.concatenate([np.full(rows, n) for n, (rows, _) in enumerate(stretches)])
    observed = np.concatenate([np.arange(rows) != unseen for rows, unseen in stretches])
    split = {"value": segment.astype(float), "segment": segment, "observed": observed}
    windows = SeriesInputs(history, horizon, 0.0, 1.0).windows(split, stride)
    starts = series.window_starts(split, history, horizon, stride)
    assert starts.tolist() == windows.start.tolist()


def test_holes_that_leave_no_window_name_the_fill_that_does():
    kept = np.random.default_rng(1).random(2000) > 0.04
    seconds, entry = HOUR * np.flatnonzero(kept), {"interval": HOUR, "history": 168, "horizon": 24}
    report = judged(noise(len(seconds)), seconds, **entry)
    assert "each split has windows of 168 + 24 values" in refusals(report)
    [named] = re.findall("`(fill: .*?)` in its entry", refusals(report))
    assert judged(noise(len(seconds)), seconds, **entry, **yaml.safe_load(named))["success"]


@pytest.mark.parametrize(
    ("flat", "split"),
    [(slice(430), "train"), (slice(400, 520), "validation"), (slice(500, 600), "test")],
)
def test_a_split_that_is_one_value_is_refused_by_name(flat, split):
    values = noise()
    values[flat] = 20
    assert f"no split is one value all along ({split})" in refusals(judged(values))


def test_a_series_without_surprises_is_found():
    report = judged(np.tile(noise(12), 50))
    assert report["success"]
    assert "no split repeats itself exactly" in report["notes"][0]


@pytest.mark.parametrize(
    ("codes", "base", "every", "found"),
    [
        ((-999,), 0, 50, [-999]),
        ((-999,), 0, 150, [-999]),
        ((-999,), 0, 3, [-999]),
        ((-999, 9999), 0, 50, [-999, 9999]),
        ((255,), 0, 50, [255]),
        ((0,), 400, 50, [0]),
        ((100,), 0, 50, []),
        ((-999,), 0, 400, []),
        ((), 0, 50, []),
    ],
)
def test_a_code_for_nothing_measured_is_found(codes, base, every, found):
    raw = readings(600)
    raw.splits["rows"]["value"] = values = noise().round() + base
    for number, code in enumerate(codes):
        values[5 + 20 * number :: every] = code
    [expectation] = forecast.codes(forecast.steps(raw, 300))
    assert expectation.value_set == found


def test_a_code_is_named_and_does_not_refuse():
    values = noise()
    values[::50] = -999
    report = judged(values)
    assert report["success"]
    assert "(-999): not so for 12 of 600 readings; it stays in" in report["notes"][0]


@pytest.mark.parametrize(
    ("seconds", "entry", "said"),
    [
        (86_400 * np.arange(600), {"interval": 30 * 86_400}, "is it `interval: 86400`?"),
        (
            pd.date_range("1970-01-01", periods=600, freq="MS", unit="s").astype("int64"),
            {"interval": 2_629_746},
            "these are calendar months: `grid: rows`",
        ),
        (
            pd.date_range("1800-01-01", periods=600, freq="QS", unit="s").astype("int64"),
            {"interval": 7_889_238},
            "these are calendar months: `grid: rows`",
        ),
        (
            86_400 * (4 + np.arange(600) + 2 * (np.arange(600) // 5)),  # from a Monday on
            {"interval": 86_400},
            "these are business days, from Monday to Friday: `grid: rows`",
        ),
        (
            np.append(np.arange(599), 3_155_760_000),
            {"interval": 1, "fill": 10_000_000_000},
            "at most 10,000,000 points of the grid are carried forward: not so",
        ),
        (
            HOUR // 2 * (np.arange(600) - 2 * (np.arange(600) >= 300)),
            {"interval": HOUR // 2},
            "zone",
        ),
    ],
)
def test_a_refusal_of_time_stamps_says_what_to_do(seconds, entry, said):
    assert said in refusals(judged(noise(), seconds, **entry))


@pytest.mark.parametrize(("night", "hint"), [("1970-10-25", True), ("1970-10-24", False)])
def test_an_hour_that_is_there_twice_on_a_sunday_is_a_local_clock(night, hint):
    start = np.datetime64(night, "s").astype(int) - 299 * HOUR
    seconds = start + HOUR * (np.arange(600) - (np.arange(600) > 300))
    report = judged(noise(), seconds, interval=HOUR)
    assert report["success"]
    assert ("local clock in autumn: set `time_zone" in report["notes"][0]) == hint
