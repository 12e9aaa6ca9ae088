"""Metrics against scikit-learn, and intervals against what they promise."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as reference
from small_data import FACTS

from models.evaluation import measure, naive
from models.evaluation.metrics import ACCURACY, MAE, METRICS
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs

LABELS = ["cat", "dog", "eel", "fox"]


def _scored(labels, probabilities):
    split = {"image": np.zeros((len(labels), 1, 1, 1), np.uint8), "label": labels}
    inputs = ImageInputs.fit(split["image"], LABELS)
    splits = {"train": {"label": np.array([0, 0, 1])}, "test": split}
    facts = {"task": "image", "labels": LABELS}
    return measure.score(lambda tensor: probabilities, inputs, splits, facts, ["test"])["test"]


def test_class_metrics_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 400)
    probabilities = random.dirichlet(np.ones(4), 400)
    probabilities[np.arange(400), labels] += 0.3
    scores = _scored(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        labels, predicted, average="macro"
    )
    expected = {
        "accuracy": reference.accuracy_score(labels, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "log_loss": -np.log(probabilities[np.arange(400), labels]).mean(),
        "calibration_error": scores.metrics["calibration_error"],
        "floor": (labels == 0).mean(),
    }
    assert scores.metrics == pytest.approx(expected)
    assert (scores.rows["confusion"] == reference.confusion_matrix(labels, predicted)).all()
    assert scores.naive == "always cat"


def test_the_calibration_error_is_how_far_certainty_is_from_the_share_of_hits():
    labels = np.repeat([0, 1], [75, 25])
    sure = _scored(labels, np.tile([0.95, 0.05, 0, 0], (100, 1)))
    assert sure.metrics["calibration_error"] == pytest.approx(0.2)
    honest = _scored(labels, np.tile([0.75, 0.25, 0, 0], (100, 1)))
    assert honest.metrics["calibration_error"] == pytest.approx(0)
    assert honest.metrics["log_loss"] < sure.metrics["log_loss"]


def test_one_classifiers_interval_is_wilsons_and_never_certain():
    all_right = {"correct": np.ones(100, bool)}
    # Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion, 2001: n / (n + z²).
    assert measure.interval(ACCURACY, [all_right]) == pytest.approx(
        (1, 100 / (100 + 1.96**2), 1), abs=1e-5
    )


def test_a_class_that_is_never_predicted_counts_as_zero():
    labels = np.array([0, 1, 2, 3])
    scores = _scored(labels, np.tile([1.0, 0, 0, 0], (4, 1)))
    assert scores.metrics["precision"] == pytest.approx(1 / 16)
    assert scores.metrics["recall"] == pytest.approx(1 / 4)
    assert scores.metrics["f1"] == pytest.approx(0.4 / 4)


def _series(value):
    """A split with a value every hour from midnight on."""
    count = len(value)
    time = np.datetime64("2026-01-01", "ns") + np.arange(count) * np.timedelta64(1, "h")
    observed, segment = np.ones(count, bool), np.zeros(count, int)
    return {
        "value": value, "observed": observed, "segment": segment, "time": time,
        "series": np.full(count, "one"),
    }  # fmt: skip


HOURLY = {"task": "forecast", "stride": 1, "season": 24, "interval_seconds": 3600}


def test_series_metrics_are_in_the_data_s_own_unit():
    random = np.random.default_rng(0)
    value = np.cumsum(random.normal(0, 10, 300)) + 150
    split = _series(value)
    inputs = SeriesInputs.fit(value, 8, 3)
    windows = inputs.windows(split)
    forecast = np.repeat(windows.history[:, -1:], 3, axis=1) + 2
    inputs = inputs.calibrated(inputs.scaled(forecast, windows.history), windows)

    def score(facts):
        # The forecast: the last value, and 2.
        splits, run = {"validation": split}, lambda tensor: tensor[:, [-1] * 3] + 2 / inputs.scale
        return measure.score(run, inputs, splits, facts, ["validation"])["validation"]

    scores = score(HOURLY)
    assert scores.naive == "persistence"
    # Of three targets each: windows an hour apart share some, those of four hours none.
    assert (scores.rows["block"], score(HOURLY | {"stride": 4}).rows["block"]) == (3, 2)
    found = scores.metrics
    assert found["mae"] == pytest.approx(
        reference.mean_absolute_error(windows.target, forecast), rel=1e-5
    )
    assert found["mse"] == pytest.approx(
        reference.mean_squared_error(windows.target, forecast), rel=1e-5
    )
    naive = np.abs(windows.target - windows.history[:, -1:]).mean()
    assert found["relative_mae"] == pytest.approx(found["mae"] / naive)
    assert found["mae"] == pytest.approx(
        np.mean([found[f"mae_step_{step:02d}"] for step in (1, 2, 3)])
    )
    assert found["coverage_95"] >= 0.95  # measured on the windows it was calibrated on
    assert scores.rows["history"].shape == (6, 8)
    rows = scores.rows
    assert rows["time"][0] == np.datetime64("2026-01-01T08")  # after a history of eight hours
    assert rows["season"][:17].tolist() == [1] * 4 + [2] * 6 + [3] * 6 + [0]
    few = np.linspace(0, len(forecast) - 1, 6).astype(int)
    inside = (rows["lower"] <= rows["target"]) & (rows["target"] <= rows["upper"])
    assert np.array_equal(inside, rows["error"][few] <= inputs.radius(0.95, windows.history))


def test_values_beyond_a_level_that_matters_are_counted_by_step():
    value = np.tile([100.0, 60, 100, 100, 190, 100], 20)
    split = _series(value)
    inputs = SeriesInputs.fit(value, 6, 2)
    windows = inputs.windows(split)
    inputs = inputs.calibrated(inputs.scaled(windows.target, windows.history), windows)
    levels = {"below": 70, "above": 180, "season": 6}

    def persistent(tensor):  # what the last value was is said of the next two
        return tensor[:, [-1] * 2]

    splits = {"validation": split}
    scores = measure.score(persistent, inputs, splits, HOURLY | levels, ["validation"])
    found = scores["validation"].metrics
    said = np.repeat(windows.history[:, -1:], 2, axis=1)
    for name, beyond in (("below", np.less), ("above", np.greater)):
        true, forecast = beyond(windows.target, levels[name]), beyond(said, levels[name])
        assert true.any()
        assert forecast.any()
        assert found[f"recall_{name}"] == reference.recall_score(true.ravel(), forecast.ravel())
        precision = reference.precision_score(true.ravel(), forecast.ravel())
        assert found[f"precision_{name}"] == precision
    naive = measure.score(persistent, inputs, splits, HOURLY | {"above": 500}, ["validation"])
    assert not [name for name in naive["validation"].metrics if name.endswith("_above")]
    assert found["rmse"] == pytest.approx(np.sqrt(found["mse"]))


def test_a_root_of_squares_is_relative_to_the_naive_ones_and_moves_as_the_root_does():
    random = np.random.default_rng(0)
    rows = {"block": np.int64(1), "time": np.arange(200)}
    rows |= {name: random.random((200, 3)) for name in ("error", "naive_error")}
    metric = METRICS["rmse"]

    def root(weight) -> float:
        mean = [weight @ np.square(rows[one]).mean(axis=1) for one in ("error", "naive_error")]
        return np.sqrt(mean[0] / mean[1])

    assert measure.value(metric, [rows]) == pytest.approx(root(np.ones(200)))
    [values], weights, _ = measure.losses(metric, [rows])
    moves = (values - root(np.ones(200)) * weights) / weights.sum()
    change = (root(np.ones(200) + 1e-6 * np.eye(200)[7]) - root(np.ones(200))) / 1e-6
    assert moves[7] == pytest.approx(change, rel=1e-4)


def test_pinball_loss_is_of_the_median_and_of_the_ends_of_both_intervals(splits):
    """As scikit-learn's; a forecast's ends, also the naive one's, are of its own validation."""
    split, facts = splits["forecast"], FACTS["forecast"] | {"metric": "pinball"}
    inputs = SeriesInputs.fit(split["train"]["value"], facts["history"], facts["horizon"])

    def level(windows, split):
        return np.full_like(windows.target, 150)

    def loss(forecast) -> float:
        windows = {name: inputs.windows(split[name]) for name in ("validation", "test")}
        said = {name: forecast(windows[name], split[name]) for name in windows}
        last, target = said["test"], windows["test"].target
        missed = np.sort(np.abs(said["validation"] - windows["validation"].target), axis=0)
        ends = {0.5: last}
        for level in (0.8, 0.95):
            radius = missed[int(np.ceil(level * (len(missed) + 1))) - 1]
            ends |= {(1 - level) / 2: last - radius, (1 + level) / 2: last + radius}
        each = [reference.mean_pinball_loss(target, end, alpha=p) for p, end in ends.items()]
        return float(np.mean(each))

    scores = measure.score_forecasts(level, split, facts)["test"]
    assert scores.naive == "seasonal"
    by_season = partial(naive.forecast, "seasonal", season=facts["season"])
    assert scores.metrics["relative_pinball"] == pytest.approx(loss(level) / loss(by_season))
    metric = METRICS["pinball"]
    assert measure.value(metric, [metric.naive(scores.rows)]) == 1


def test_rows_know_what_the_naive_baseline_hits_and_how_long_a_text_is():
    labels = np.array([0, 1, 0, 2])
    scores = _scored(labels, np.eye(4)[labels])
    assert scores.rows["naive_correct"].tolist() == [True, False, True, False]
    assert "words" not in scores.rows
    texts = np.array(["One two.<br />", "It's", "a b c", "很好看👍 …"], object)
    split = {"text": texts, "label": labels}
    scored = measure.score_probabilities(
        {"train": np.eye(4)[labels]}, {"train": split}, {"task": "sentiment", "labels": LABELS}
    )
    assert scored["train"].rows["words"].tolist() == [2, 1, 3, 4]


def _rows(correct):
    return {"correct": np.asarray(correct, bool)}


def test_the_interval_of_an_accuracy_has_the_width_of_the_binomial():
    random = np.random.default_rng(1)
    mean, low, high = measure.interval(ACCURACY, [_rows(random.random(2000) < 0.9)])
    assert low < mean < high
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(mean * (1 - mean) / 2000), rel=0.15)


def test_seeds_that_differ_widen_the_interval():
    even = [_rows([1] * 90 + [0] * 10)] * 2
    apart = [_rows([1] * 100), _rows([1] * 80 + [0] * 20)]
    _, low, high = measure.interval(ACCURACY, even)
    mean, wide_low, wide_high = measure.interval(ACCURACY, apart)
    assert mean == pytest.approx(0.9)
    assert wide_high - wide_low > high - low


def test_blocks_widen_the_interval_of_windows_that_overlap():
    random = np.random.default_rng(0)
    slow = np.repeat(random.exponential(1, 40), 25)[:, None]
    rows = {"error": slow, "naive_error": np.ones_like(slow)}
    widths = []
    for block in (1, 25):
        mean, low, high = measure.interval(MAE, [rows | {"block": np.int64(block)}])
        assert mean == pytest.approx(slow.mean())
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_series_that_move_together_count_as_one():
    random = np.random.default_rng(0)
    one = random.exponential(1, 200)[:, None]
    alone = {"error": one, "naive_error": np.ones_like(one), "block": np.int64(1)}
    alone["time"] = np.datetime64("2026-01-01", "D") + np.arange(200)
    thrice = {key: np.concatenate([alone[key]] * 3) for key in ("error", "naive_error", "time")}
    expected = measure.interval(MAE, [alone])
    assert measure.interval(MAE, [thrice | {"block": np.int64(1)}]) == pytest.approx(expected)


def test_series_whose_windows_take_turns_count_as_one():
    """Six series, a window every six hours, each an hour after that of the series before."""
    error = np.random.default_rng(0).exponential(1, (240, 1))
    time = np.datetime64("2026-01-01", "h") + np.arange(240)
    rows = {"error": error, "naive_error": np.ones_like(error), "block": np.int64(2), "time": time}
    values, weights, _ = measure.losses(MAE, [rows | {"series": np.arange(240) % 6}])
    assert values[0] == pytest.approx(error.reshape(40, 6).sum(axis=1))
    assert weights.tolist() == [6] * 40
    alone, _, _ = measure.losses(MAE, [rows | {"series": np.zeros(240)}])
    assert alone[0] == pytest.approx(error[:, 0])


def test_the_metric_of_several_series_is_the_mean_of_theirs():
    dollars = {"error": np.full((4, 1), 300.0), "naive_error": np.full((4, 1), 200.0)}
    cents = {"error": np.full((2, 1), 0.5), "naive_error": np.full((2, 1), 1.0)}
    flat = {"error": np.full((2, 1), 7.0), "naive_error": np.zeros((2, 1))}
    rows = {name: np.concatenate([one[name] for one in (dollars, cents, flat)]) for name in flat}
    rows |= {"series": np.array(["d"] * 4 + ["c"] * 2 + ["f"] * 2), "block": np.int64(2)}
    assert measure.value(MAE, [rows]) == pytest.approx((1.5 + 0.5) / 2)
    assert measure.series_names(rows) == ["c", "d", "f"]


def test_a_perfect_naive_forecast_leaves_nothing_to_win():
    still = {"error": np.ones((50, 2)), "naive_error": np.zeros((50, 2)), "block": np.int64(5)}
    mean, low, high = measure.interval(MAE, [still])
    assert mean > 1e300
    assert np.isfinite([low, high]).all()
