"""Forecasts are graded beside the naive forecasts of the gate, of what the log knows."""

import numpy as np
import pyarrow
import pytest

from models.evaluation import naive
from models.inputs.series import SeriesInputs
from pipelines.monitoring import forecasts, requests

HISTORY, HORIZON, SEASON = 6, 4, 3
STEP = 60_000_000


@pytest.mark.parametrize("rival", naive.SERIES)
def test_the_naive_errors_are_those_of_the_gate(rival):
    values = np.random.default_rng(0).normal(size=60)
    inputs = SeriesInputs.fit(values, HISTORY, HORIZON)
    split = {"value": values, "segment": np.zeros(60, int), "observed": np.ones(60, bool)}
    windows = inputs.windows(split)
    expected = np.abs(naive.forecast(rival, windows, split, SEASON) - windows.target).mean(axis=1)
    records = [
        {
            "time": start * STEP,
            "client": None,
            "series": "s",
            "last_time": (start + HISTORY - 1) * STEP,
            "interval": STEP,
            "history": history.tolist(),
            "first": history[0],
            "last": history[-1],
            "forecast": [0.0] * HORIZON,
            "lower": [-1.0] * HORIZON,
            "upper": [1.0] * HORIZON,
        }
        for start, history in zip(windows.start.tolist(), windows.history, strict=True)
    ]
    named = pyarrow.Table.from_pylist(records, schema=requests.schema(list(records[0])))
    graded = forecasts.grade(named, named, rival, SEASON, HISTORY)
    whole = len(records) - HORIZON  # of the last ones not every step has come
    assert graded.naive_error[:whole] == pytest.approx(expected[:whole])
    assert graded.error[:whole] == pytest.approx(np.abs(windows.target).mean(axis=1)[:whole])
    held = (np.abs(windows.target) <= 1).mean(axis=1)
    assert graded.covered[:whole] == pytest.approx(held[:whole])
    assert len(graded.row) == len(records) - HORIZON // 2  # half of the steps must come
