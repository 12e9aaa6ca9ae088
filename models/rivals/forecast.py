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
    inputs = fit_inputs(splits["train"], facts, {})
    regressors = _fitted(examples(inputs, splits["train"], facts["stride"]).windows)

    def forecast(windows: Windows, split: Split) -> np.ndarray:
        features = _features(windows.history)
        changes = np.stack([one.predict(features) for one in regressors], axis=1)
        return windows.history[:, -1:] + changes

    return measure.score_forecasts(forecast, splits, facts)


def _fitted(windows: Windows) -> list:
    """Return a regressor of the change since the last value for each step of the horizon."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    features, changes = _features(windows.history), windows.target - windows.history[:, -1:]
    # Two threads save little, and on busy cores they wait for each other for minutes.
    with threadpool_limits(1):
        return [
            HistGradientBoostingRegressor(
                loss="absolute_error", max_iter=60, early_stopping=False, random_state=0
            ).fit(features, change)
            for change in changes.T
        ]


def _features(history: np.ndarray) -> np.ndarray:
    """Return float64 (window, feature): the last value, and by how much those before differ."""
    last = history[:, -1:]
    return np.concatenate([last, history[:, -LAGS - 1 : -1] - last], axis=1)
