"""What stands beside the networks in a leaderboard is scored on the same rows as they are."""

import numpy as np
import pytest
from small_data import FACTS

from models.evaluation import baselines, measure, metrics, naive
from models.inputs.series import SeriesInputs
from models.rivals import forecast


@pytest.mark.parametrize("task", ["image", "sentiment"])
def test_the_majority_class_scores_what_its_floor_says(task, splits):
    scored = baselines.baselines(splits[task], FACTS[task])
    assert list(scored) == ["majority"]
    for split in ("validation", "test"):
        scores = scored["majority"][split]
        assert scores.metrics["accuracy"] == scores.metrics["floor"]
        assert len(scores.rows["correct"]) == len(splits[task][split]["label"])
        mean, low, high = measure.interval(metrics.of({"task": task}), [scores.rows])
        assert low <= mean <= high


def test_the_best_naive_forecast_on_validation_is_every_baseline_s_measure(splits):
    scored = baselines.baselines(splits["forecast"], FACTS["forecast"])
    assert list(scored) == list(naive.SERIES)
    for name in naive.SERIES:
        assert scored[name]["test"].naive == "seasonal"
        assert scored[name]["test"].metrics["coverage_95"] == pytest.approx(0.95, abs=0.05)
    assert scored["seasonal"]["test"].metrics["relative_mae"] == 1
    assert all(scored[name]["validation"].metrics["relative_mae"] >= 1 for name in naive.SERIES)


def test_a_baseline_is_scored_on_the_windows_of_a_model(splits):
    split, facts = splits["forecast"], FACTS["forecast"]
    inputs = SeriesInputs.fit(split["train"]["value"], facts["history"], facts["horizon"])
    expected = inputs.windows(split["test"]).target
    rows = baselines.baselines(split, facts)["persistence"]["test"].rows
    assert rows["error"].shape == expected.shape
    assert np.array_equal(rows["target"][0], expected[0])


@pytest.mark.parametrize("name", [forecast.TREES, forecast.RIDGE])
def test_a_rival_learns_the_wave_alike_twice_and_brings_its_own_intervals(splits, name):
    scored, again = (forecast.rivals(splits["forecast"], FACTS["forecast"])[name] for _ in range(2))
    assert np.array_equal(scored["test"].rows["error"], again["test"].rows["error"])
    for split in ("validation", "test"):
        metrics = scored[split].metrics
        assert metrics["relative_mae"] < 0.95
        assert metrics["coverage_95"] == pytest.approx(0.95, abs=0.05)
