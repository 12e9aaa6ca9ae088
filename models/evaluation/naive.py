"""The naive baseline of a model: what can be said without having learned anything.

For classes the most frequent one. For series whichever is best on validation of persistence (the
last value stays), the value one season earlier, and drift (the line through the first and last
value of the history goes on): Hyndman and Athanasopoulos, Forecasting: Principles and Practice,
3rd edition, 2021, section 5.2.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation import metrics
from models.examples import Inputs

if TYPE_CHECKING:
    from models.inputs.series import Windows

PERSISTENCE, SEASONAL, DRIFT = SERIES = ("persistence", "seasonal", "drift")


def majority(labels: np.ndarray) -> int:
    """Return the most frequent label; of equally frequent ones the first."""
    return int(np.bincount(labels).argmax())


def forecast(
    name: str, windows: "Windows", split: Mapping[str, np.ndarray], season: int
) -> np.ndarray:
    """Return a naive forecast, float64 (window, horizon), in the data's own unit.

    A seasonal value may lie before the window's history, but never in another segment; where
    there is none, persistence takes its place.

    Args:
        name: one of SERIES.
        windows: of the split.
        split: value and segment (row,).
        season: steps of one season.
    """
    steps = windows.target.shape[1]
    last = np.repeat(windows.history[:, -1:], steps, axis=1)
    if name == PERSISTENCE:
        return last
    if name == DRIFT:
        rise = windows.history[:, -1:] - windows.history[:, :1]
        apart = max(windows.history.shape[1] - 1, 1)  # a history of one value does not rise
        return last + rise / apart * np.arange(1, steps + 1)
    now = (windows.start + windows.history.shape[1])[:, None]
    # Of a horizon longer than a season the last season known is repeated.
    rows = now + np.arange(steps) % season - season
    inside = (rows >= 0) & (split["segment"][np.maximum(rows, 0)] == split["segment"][now])
    return np.where(inside, split["value"][np.maximum(rows, 0)], last)


def best(inputs: Inputs, split: Mapping[str, np.ndarray], facts: Mapping) -> tuple[str, Inputs]:
    """Return the name of the naive forecast that loses least, and inputs with its intervals.

    Args:
        inputs: fitted inputs.
        split: the validation split.
        facts: the dataset's.
    """
    metric, windows = metrics.of(facts), inputs.windows(split, facts["stride"])
    tried = {}
    for name in SERIES:
        values = forecast(name, windows, split, facts["season"])
        own = inputs.calibrated(inputs.scaled(values, windows.history), windows)
        loss = np.abs(values - windows.target) ** metric.power
        if metric.column == "pinball":
            loss = metrics.pinball(loss, metrics.radii(own, windows.history))
        tried[name] = float(loss.mean()), own
    best = min(tried, key=lambda name: tried[name][0])
    return best, tried[best][1]
