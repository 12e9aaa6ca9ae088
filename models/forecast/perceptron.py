"""Perceptron: a linear function of the history (a linear autoregression for every step)."""

from typing import Any

INPUTS = {"stride": 1}
FIT = {"epochs": 12, "batch_size": 128, "learning_rate": 5e-3, "patience": 3}


def build(history: int, horizon: int, *, lags: int | None = None) -> Any:
    """Return an uncompiled keras.Model: the last value plus a linear function of the history.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, horizon),
        standard scores.

    Source: Rosenblatt, The Perceptron, Psychological Review, 1958; as an autoregression: Yule,
    Philosophical Transactions of the Royal Society A, 1927.
    """
    from keras import Input, Model, layers

    lags = min(lags or history, history)
    values = Input((history,), name="input")
    last = values[:, -1:]
    changes = layers.Dense(horizon)(layers.Concatenate()([values[:, -lags:] - last, last]))
    forecast = layers.Add(name="output")([changes, last])
    return Model(values, forecast, name="perceptron")
