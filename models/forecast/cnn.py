"""Convolutional neural network: dilated causal filters, each layer reaching twice as far back."""

from typing import Any

INPUTS = {"stride": 1}
FIT = {"epochs": 16, "batch_size": 512, "learning_rate": 8e-3, "patience": 8}


def build(
    history: int,
    horizon: int,
    *,
    lags: int | None = None,
    filters: int = 32,
    units: int = 64,
    dropout: float = 0.05,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what causal convolutions of 3 make of
    the history, seen both by its level and against its last value.

    There are as many of them, dilated by 1, 2, 4, ..., as it takes to read all the values.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.
        filters: of each convolution.
        units: of the dense layer that reads the last step.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, horizon),
        standard scores.

    Source: van den Oord et al., WaveNet, 2016; for series: Bai, Kolter and Koltun, An Empirical
    Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling, 2018.
    """
    from keras import Input, Model, layers, ops

    lags = min(lags or history, history)
    values = Input((history,), name="input")
    last = values[:, -1:]
    x = ops.stack([values, values - last], axis=-1)[:, -lags:]
    dilation = 1
    while 2 * dilation - 1 < lags:  # a layer with this dilation and those before reach so far
        x = layers.Conv1D(
            filters, 3, padding="causal", dilation_rate=dilation, activation="silu",
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        dilation *= 2
    x = layers.Dense(units, activation="silu", kernel_initializer="he_normal")(x[:, -1])
    x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return Model(values, forecast, name="cnn")
