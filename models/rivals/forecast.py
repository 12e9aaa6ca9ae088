"""Gradient-boosted trees on lag features: what a series' models are held against."""

from collections.abc import Mapping

import numpy as np

from models.evaluation import measure
from models.evaluation.measure import Scores
from models.examples import Split, examples, fit_inputs
from models.inputs.series import Windows

NAME = "boosted trees on lags"
LAGS = 24  # the newest values; more only add noise


def rival(splits: Mapping[str, Split], facts: Mapping) -> dict[str, Scores]:
    """Return the scores on validation and test of one regressor for each step of the horizon.

    Source: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of
    Statistics, 2001; on histograms: Ke et al., LightGBM, NeurIPS 2017.

    Args:
        splits: train, validation and test, as prepared. Settings chosen once on glucose's
            validation.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor
    from threadpoolctl import threadpool_limits

    inputs = fit_inputs(splits["train"], facts, {})
    windows = examples(inputs, splits["train"], facts["stride"]).windows
    changes = windows.target - windows.history[:, -1:]
    trees = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=60, early_stopping=False, random_state=0
    )
    # Two threads save little, and on busy cores they wait for each other for minutes.
    with threadpool_limits(1):
        fitted = MultiOutputRegressor(trees).fit(_features(windows.history), changes)

    def forecast(windows: Windows, split: Split) -> np.ndarray:
        return windows.history[:, -1:] + fitted.predict(_features(windows.history))

    return measure.score_forecasts(forecast, splits, facts)


def _features(history: np.ndarray) -> np.ndarray:
    """Return float64 (window, feature): the last value, and by how much those before differ."""
    last = history[:, -1:]
    return np.concatenate([last, history[:, -LAGS - 1 : -1] - last], axis=1)
