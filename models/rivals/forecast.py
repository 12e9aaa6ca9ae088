"""Regressions on lag features: what a series' models are held against."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.evaluation import measure
from models.evaluation.measure import Scores
from models.examples import Split, examples, fit_inputs
from models.inputs.series import Windows

TREES, RIDGE = "boosted trees on lags", "ridge on lags"
LAGS = 24  # the newest values; more only add noise
PENALTIES = np.logspace(-3, 5, 17)


def rivals(splits: Mapping[str, Split], facts: Mapping) -> dict[str, dict[str, Scores]]:
    """Return the scores on validation and test of regressors for each step of the horizon, by name.

    Sources: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of
    Statistics, 2001; on histograms: Ke et al., LightGBM, NeurIPS 2017; Hoerl and Kennard, Ridge
    Regression, Technometrics, 1970, its penalty by leave-one-out error on the training split.

    Args:
        splits: train, validation and test, as prepared. Settings chosen once on glucose's
            validation.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.multioutput import MultiOutputRegressor
    from threadpoolctl import threadpool_limits

    inputs = fit_inputs(splits["train"], facts, {})
    windows = examples(inputs, splits["train"], facts["stride"]).windows
    changes = windows.target - windows.history[:, -1:]
    trees = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=60, early_stopping=False, random_state=0
    )
    scored = {}
    # Two threads save little, and on busy cores they wait for each other for minutes.
    with threadpool_limits(1):
        for name, regressor in ((TREES, MultiOutputRegressor(trees)), (RIDGE, RidgeCV(PENALTIES))):
            fitted = regressor.fit(_features(windows.history), changes)

            def forecast(windows: Windows, split: Split, fitted: Any = fitted) -> np.ndarray:
                return windows.history[:, -1:] + fitted.predict(_features(windows.history))

            scored[name] = measure.score_forecasts(forecast, splits, facts)
    return scored


def _features(history: np.ndarray) -> np.ndarray:
    """Return float64 (window, feature): the last value, and by how much those before differ."""
    last = history[:, -1:]
    return np.concatenate([last, history[:, -LAGS - 1 : -1] - last], axis=1)
