"""The floor that a model has to beat: what can be said without having learned anything.

For classes the most frequent one. For series persistence (the last value stays) or the value one
season earlier, whichever is better on validation (Hyndman and Athanasopoulos, Forecasting:
Principles and Practice, 3rd edition, 2021, section 5.2).
"""

from collections.abc import Mapping

import numpy as np

from models.inputs import Windows

PERSISTENCE, SEASONAL = "persistence", "seasonal"


def majority(labels: np.ndarray) -> int:
    """Return the most frequent label; of equally frequent ones the first."""
    return int(np.bincount(labels).argmax())


def forecast(name: str, windows: Windows, split: Mapping[str, np.ndarray], season: int):
    """Return float64 (window, horizon), in the data's own unit.

    name: PERSISTENCE or SEASONAL. season: steps of one season.
    A seasonal value may lie before the window's history, but never in another segment; where
    there is none, persistence takes its place.
    """
    steps = windows.target.shape[1]
    last = np.repeat(windows.history[:, -1:], steps, axis=1)
    if name == PERSISTENCE:
        return last
    now = (windows.start + windows.history.shape[1])[:, None]
    # Of a horizon longer than a season the last season known is repeated.
    rows = now + np.arange(steps) % season - season
    known = (rows >= 0) & (split["segment"][np.maximum(rows, 0)] == split["segment"][now])
    return np.where(known, split["value"][np.maximum(rows, 0)], last)


def best(windows: Windows, split: Mapping[str, np.ndarray], season: int) -> str:
    """Return the name of the naive forecast with the smaller mean absolute error."""
    errors = {
        name: float(np.abs(forecast(name, windows, split, season) - windows.target).mean())
        for name in (PERSISTENCE, SEASONAL)
    }
    return min(errors, key=errors.get)
