"""Artificial neural network: fully connected hidden layers between history and forecast."""

from typing import Any

INPUTS = {"stride": 1}
FIT = {"epochs": 24, "batch_size": 128, "learning_rate": 4e-3, "patience": 12}


def build(
    history: int,
    horizon: int,
    *,
    lags: int | None = None,
    units: int = 128,
    depth: int = 3,
    activation: str = "silu",
    dropout: float = 0.1,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what `depth` hidden layers make of the
    history, seen both against its last value and by its level.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.
        units: of each hidden layer.
        depth: hidden layers.
        activation: of the hidden layers.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, horizon),
        standard scores.

    Source: Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors,
    Nature, 1986; SiLU: Elfwing, Uchibe and Doya, Neural Networks, 2018; dropout: Srivastava et al.,
    JMLR 2014.
    """
    from keras import Input, Model, layers

    lags = min(lags or history, history)
    values = Input((history,), name="input")
    last = values[:, -1:]
    x = layers.Concatenate()([values[:, -lags:] - last, last])
    for _ in range(depth):
        x = layers.Dense(units, activation=activation, kernel_initializer="he_normal")(x)
        x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return Model(values, forecast, name="ann")
