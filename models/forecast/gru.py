"""Gated recurrent units over groups of values."""

from typing import Any

from models.forecast._grouped import grouped

INPUTS = {"stride": 1}
FIT = {"epochs": 16, "batch_size": 512, "learning_rate": 8e-3, "patience": 8}


def build(
    history: int,
    horizon: int,
    *,
    lags: int | None = None,
    group: int = 4,
    units: int = 64,
    dropout: float = 0.05,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what a GRU makes of the history, seen
    both by its level and against its last value.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.
        group: neighbouring values read as one step; what does not fill one is left out at the old
            end.
        units: of each recurrent layer.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, horizon),
        standard scores.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical
    Machine Translation, EMNLP 2014; several values a step: Nie et al., A Time Series is Worth 64
    Words, ICLR 2023.
    """
    from keras import Model, layers

    values, last, x = grouped(history, lags, group)
    x = layers.GRU(units)(x)
    x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return Model(values, forecast, name="gru")
