"""From a raw history to standard scores, and from a forecast to an interval."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_inputs import SERIES, refused, windows

from models.inputs.answers import predict
from models.inputs.errors import InputError
from models.inputs.series import SeriesInputs


def test_the_last_values_count_in_standard_scores():
    assert SERIES.to_tensor([[1e6, 150, 200, 100, 150]]).tolist() == [[0, 1, -1, 0]]
    assert SERIES.to_tensor(np.array([[9.0, 150, 200, 100, 150]])).tolist() == [[0, 1, -1, 0]]
    constant = SeriesInputs.fit(np.full(50, 7.0), 4, 3)
    assert constant.to_tensor([[7.0] * 4]).tolist() == [[0] * 4]


@pytest.mark.parametrize(
    "value",
    [True, None, "150", math.nan, math.inf, -math.inf, 1e308, 10**400, -(10**400), [], {}, 150j],
)
def test_a_value_that_is_no_finite_number_is_refused(value):
    assert "value 2 is" in refused("invalid_value", SERIES.to_tensor, [[1.0, value, 3, 4]])
    refused("invalid_value", SERIES.to_tensor, [[value, *[1.0] * 6][::-1]])


@pytest.mark.parametrize("history", [None, "1, 2, 3, 4", 4, {"0": 1}, True])
def test_what_is_not_a_list_is_refused(history):
    refused("not_a_series", SERIES.to_tensor, [history])


def test_a_history_too_short_or_too_long_is_refused():
    message = refused("history_too_short", SERIES.to_tensor, [[1.0] * 3])
    assert message == "history has 3 values; at least 4 are needed."
    refused("history_too_short", SERIES.to_tensor, [[]])
    assert SERIES.to_tensor([[1.0] * 10_000]).shape == (1, 4)
    refused("history_too_long", SERIES.to_tensor, [[1.0] * 10_001])


@pytest.mark.parametrize(
    ("horizon", "level"),
    [
        *((horizon, None) for horizon in (0, -1, 4, 10**400, 1.0, "1", True, math.nan, [1], {})),
        *((None, level) for level in (0, 1, 1.0, -0.5, 0.0009, 0.9999, math.nan, math.inf)),
        *((None, level) for level in (10**400, "0.9", True, [0.9])),
    ],
)
def test_a_horizon_or_a_level_out_of_range_is_refused(horizon, level):
    code = "invalid_level" if horizon is None else "invalid_horizon"
    refused(code, SERIES.check_options, horizon, level)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(_JSON | st.lists(st.floats() | st.integers(), min_size=4, max_size=9), _JSON, _JSON)
def test_any_json_is_answered_finitely_or_refused(history, horizon, level):
    with contextlib.suppress(InputError):
        options = SERIES.check_options(horizon, level)
        given = dict(zip(("horizon", "level"), options, strict=True))
        tensor, [answer] = predict(SERIES, lambda tensor: tensor[:, :3], [history], **given)
        assert np.isfinite(tensor).all()
        json.dumps(answer, allow_nan=False)


def test_an_answer_holds_the_steps_and_the_level_asked_for():
    [answer] = SERIES.to_answers(
        np.array([[0.0, 1.0, -1.0]]), np.full((1, 4), 150.0), horizon=2, level=0.5
    )
    assert answer["forecast"] == [150, 200]
    assert answer["level"] == 0.5
    assert len(answer["lower"]) == len(answer["upper"]) == 2
    lower, middle, upper = (np.array(answer[key]) for key in ("lower", "forecast", "upper"))
    assert middle - lower == pytest.approx(upper - middle)
    [usual] = SERIES.to_answers(np.zeros((1, 3)), np.full((1, 4), 150.0))
    assert usual["level"] == 0.95
    assert len(usual["forecast"]) == 3


def test_intervals_widen_with_the_level():
    levels = np.arange(1, 996) / 1000
    radii = np.concatenate([SERIES.scaled_radius(level) for level in levels])
    assert (np.diff(radii, axis=0) >= 0).all()


def test_the_radius_is_the_residual_of_the_right_rank():
    residuals = np.arange(1.0, 100.0)[:, None]
    fitted = SeriesInputs(4, 1, 0.0, 2.0).calibrated(np.zeros((99, 1)), windows(2 * residuals))
    assert fitted.scaled_radius(0.9) == pytest.approx(90)  # the 90th of 99: ceil(0.9 x 100)
    assert fitted.scaled_radius(0.901) == pytest.approx(91)
    assert fitted.check_options()[1] == 0.95
    assert fitted.check_options(level=0.99)[1] == 0.99
    refused("invalid_level", fitted.check_options, None, 0.991)  # no rank is high enough


def test_intervals_cover_as_promised():
    """Over many draws of calibration and future values, as exchangeable as the theorem asks."""
    random = np.random.default_rng(0)
    covered = {0.5: [], 0.8: [], 0.95: []}
    for _ in range(400):
        noise = random.standard_t(3, (120, 2)) * [1.0, 5.0]
        fitted = SeriesInputs(4, 2, 10.0, 3.0).calibrated(
            np.zeros((100, 2)), windows(10 + noise[:100])
        )
        for level, hits in covered.items():
            hits.append(np.abs(noise[100:]) / 3 <= fitted.scaled_radius(level))
    for level, hits in covered.items():
        share = np.mean(hits, axis=(0, 1))  # one for each step: step 2 is five times as wild
        assert share == pytest.approx(level + 0.5 / 101, abs=0.012)


def test_windows_stay_in_one_segment_and_forecast_what_was_observed():
    split = {
        "value": np.arange(20.0),
        "observed": np.arange(20) != 8,
        "segment": np.repeat([7, 9], [12, 8]),
    }
    cut = SERIES.windows(split)
    assert cut.start.tolist() == [0, 1, 5, 12, 13]  # 2, 3, 4 would have to forecast row 8
    assert cut.history[2].tolist() == [5, 6, 7, 8]
    assert cut.target[2].tolist() == [9, 10, 11]
    assert SERIES.windows(split, stride=5).start.tolist() == [0, 5, 12]


def test_a_split_shorter_than_one_window_gives_none():
    split = {"value": np.ones(5), "observed": np.ones(5, bool), "segment": np.zeros(5, int)}
    assert SERIES.windows(split).history.shape == (0, 4)
    empty = {name: rows[:0] for name, rows in split.items()}
    assert SERIES.windows(empty).target.shape == (0, 3)


def _noise(scale: np.ndarray, names: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """A split of noise around 10, as far from it as scale says, (row,)."""
    value = 10 + scale * np.random.default_rng(0).normal(size=len(scale))
    names = np.full(len(scale), "one") if names is None else names
    segment = np.unique(names, return_inverse=True)[1]
    return {
        "value": value, "observed": np.full(len(value), True), "segment": segment, "series": names
    }  # fmt: skip


def _mean_forecast(tensor: np.ndarray) -> np.ndarray:
    return np.zeros((len(tensor), 6), np.float32)


def _fitted(train: dict, validation: dict) -> SeriesInputs:
    inputs = SeriesInputs.fit_split(train, {"history": 8, "horizon": 6}, {})
    windows = inputs.windows(validation)
    outputs = _mean_forecast(inputs.to_tensor(windows.history))
    return inputs.calibrated(outputs, windows).followed(_mean_forecast, validation, 1)


def _coverage(inputs: SeriesInputs, histories: np.ndarray, targets: np.ndarray, level: float):
    answers = predict(inputs, _mean_forecast, histories, level=level)[1]
    lower, upper = (np.array([one[name] for one in answers]) for name in ("lower", "upper"))
    return ((lower <= targets) & (targets <= upper)).mean()


def test_intervals_follow_a_series_that_grows_restless_where_a_request_shows_it():
    """Calm and restless days take turns; later all are more restless than any before."""
    turns = np.repeat(np.tile([1.0, 3.0], 5), 300)
    inputs = _fitted(_noise(turns), _noise(turns))
    assert (inputs.reads, len(inputs.following)) == (68, 999)
    later = inputs.long_windows(_noise(turns * 2), 1)
    for level, fooled in ((0.8, 0.7), (0.95, 0.85)):
        short = later.history[:, -67:]  # one value too few
        assert _coverage(inputs, short, later.target, level) < fooled
        assert _coverage(inputs, later.history, later.target, level) == pytest.approx(
            level, abs=0.03
        )
    row = later.history[0].tolist()
    [one] = predict(inputs, _mean_forecast, [row])[1]
    assert predict(inputs, _mean_forecast, [row[-67:], [0.0, *row]])[1][1] == one
    fields, arrays = inputs.spec()
    again = SeriesInputs.from_spec(json.loads(json.dumps(fields)), arrays)
    assert predict(again, _mean_forecast, [row])[1] == [one]


def test_what_can_not_be_followed_keeps_the_usual_interval():
    calm = _noise(np.ones(160))
    assert _fitted(calm, calm).reads == 8  # 87 windows of 68 values, and 6 to come
    [usual] = predict(SERIES, _thirds, [[150.0] * 4])[1]
    assert predict(SERIES, _thirds, [[150.0] * 400])[1] == [usual]


def _thirds(tensor: np.ndarray) -> np.ndarray:
    return tensor[:, :3]


def test_each_of_several_series_has_intervals_of_its_own_width():
    names = np.repeat(["calm", "wild"], 1500)
    both = _noise(np.where(names == "calm", 0.1, 10.0), names)
    inputs = _fitted(both, both)
    assert inputs.by_window
    windows = inputs.windows(both)
    for name in ("calm", "wild"):
        own = names[windows.start] == name
        held = _coverage(inputs, windows.history[own], windows.target[own], 0.95)
        assert held == pytest.approx(0.95, abs=0.02)
    flat = inputs.to_tensor(np.full((1, 8), 10.0))
    assert flat.tolist() == [[0] * 8]
    fields, arrays = inputs.spec()
    assert SeriesInputs.from_spec(json.loads(json.dumps(fields)), arrays) == inputs
