"""The naive forecasts and the commonest class."""

import numpy as np
import pytest

from models.evaluation import naive
from models.inputs.series import SeriesInputs


def _split(values, segment=None):
    values = np.asarray(values, float)
    segment = np.zeros(len(values), int) if segment is None else np.asarray(segment)
    return {"value": values, "observed": np.ones(len(values), bool), "segment": segment}


def _windows(split, history=3, horizon=2):
    return SeriesInputs.fit(split["value"], history, horizon).windows(split)


@pytest.mark.parametrize(
    ("name", "values", "history", "expected"),
    [
        (naive.PERSISTENCE, range(8), 3, [[2, 2], [3, 3], [4, 4], [5, 5]]),
        (naive.DRIFT, [0, 7, 4, 9, 9], 3, [[6, 8]]),  # along the line from the first to the last
        (naive.DRIFT, [3, 5, 9], 1, [[3, 3]]),  # one value has none
    ],
)
def test_the_last_value_stays_or_drifts(name, values, history, expected):
    split = _split(values)
    windows = _windows(split, history)
    assert naive.forecast(name, windows, split, season=4).tolist() == expected


def test_the_season_before_may_lie_before_the_history():
    split = _split([0, 10, 20, 30, 40, 0, 10, 20, 30, 40])
    windows = _windows(split, history=2, horizon=2)
    forecast = naive.forecast(naive.SEASONAL, windows, split, season=5)
    known = windows.start + 2 >= 5
    assert (forecast[known] == windows.target[known]).all()
    assert (forecast[windows.start == 0] == 10).all()  # no season yet: the last value


def test_a_seasonal_value_is_never_taken_from_another_segment():
    split = _split([9, 9, 9, 9, 1, 2, 3, 4, 5, 6], [0] * 4 + [1] * 6)
    windows = _windows(split, history=2, horizon=2)
    forecast = naive.forecast(naive.SEASONAL, windows, split, season=3)
    assert forecast[windows.start == 4].tolist() == [[2, 1]]  # the first falls back on the last
    assert 9 not in forecast[windows.start >= 4]


def test_a_horizon_beyond_one_season_repeats_the_last_season_known():
    split = _split([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
    windows = _windows(split, history=3, horizon=7)
    assert (naive.forecast(naive.SEASONAL, windows, split, season=3) == windows.target).all()


def _best(split, season):
    inputs = SeriesInputs.fit(split["value"], 3, 2)
    return naive.best(inputs, split, {"task": "forecast", "stride": 1, "season": season})[0]


def test_the_best_of_all_is_chosen():
    wave, climb = _split([0, 5, 9, 4] * 20), _split(np.arange(80))
    walk = _split(np.random.default_rng(0).normal(size=80).cumsum())
    assert _best(wave, season=4) == naive.SEASONAL
    assert _best(climb, season=30) == naive.DRIFT
    assert _best(walk, season=30) == naive.PERSISTENCE


def test_majority_is_the_commonest_label():
    assert naive.majority(np.array([2, 0, 2, 1, 2])) == 2
