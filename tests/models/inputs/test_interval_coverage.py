"""Prediction intervals hold the share of targets that they promise, on real readings.

What is promised holds where the windows of calibration and of the test could have changed places:
they are drawn at random here. On the test split, which comes after all others in time, a run says
what its intervals held: `test_coverage_80` and `test_coverage_95`.
"""

import numpy as np
import pytest

from data import declared, prepare
from data.sources import glucose
from models.inputs.series import SeriesInputs

DRAWS = 20


@pytest.fixture(scope="module")
def glucose_splits() -> dict:
    """The glucose monitor's readings as `prepare` cuts them."""
    raw, entry = glucose.rows("glucose"), declared.entry("glucose")
    return prepare.by_time(raw, entry, declared.shares("series")).splits


@pytest.fixture(scope="module")
def forecasts(glucose_splits) -> tuple[SeriesInputs, np.ndarray, np.ndarray]:
    """Inputs of 72 readings and 12 steps; forecasts (window, step), scaled, by least squares on the
    training split; and what came. The windows are those of the other two splits."""
    inputs = SeriesInputs.fit(glucose_splits["train"]["value"], 72, 12)
    known = inputs.windows(glucose_splits["train"])
    tensor = inputs.to_tensor(known.history)
    weights = np.linalg.lstsq(tensor, inputs.scaled(known.target), rcond=None)[0]
    later = [inputs.windows(glucose_splits[split]) for split in ("validation", "test")]
    tensor = inputs.to_tensor(np.concatenate([windows.history for windows in later]))
    return inputs, tensor @ weights, np.concatenate([windows.target for windows in later])


@pytest.mark.parametrize("level", [0.80, 0.95])
def test_windows_drawn_at_random_are_held_at_every_step_as_often_as_promised(forecasts, level):
    """The mean over draws is within four standard errors of the level, for each step ahead."""
    inputs, outputs, target = forecasts
    random, half = np.random.default_rng(0), len(target) // 2
    held = []
    for _ in range(DRAWS):
        known, new = np.split(random.permutation(len(target)), [half])
        calibrated = inputs.calibrated(outputs[known], target[known])
        error = np.abs(inputs.unscaled(outputs[new]) - target[new])
        held.append((error <= calibrated.radius(level)).mean(axis=0))
    # Of n + m exchangeable residuals: the share of m below a quantile of n.
    variance = level * (1 - level) * (1 / half + 1 / (len(target) - half))
    assert np.mean(held, axis=0) == pytest.approx(level, abs=4 * np.sqrt(variance / DRAWS))
