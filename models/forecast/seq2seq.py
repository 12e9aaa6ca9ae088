"""Encoder and decoder: one GRU reads the history, another one goes on from there, step by step."""

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
    units: int = 48,
    dropout: float = 0.05,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what a decoder says step by step. It
    starts from the state in which the history, seen both by its level and against its last value,
    left the encoder, and reads that state again at every step.

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
    state = layers.Dropout(dropout)(layers.GRU(units)(x))
    x = layers.RepeatVector(horizon)(state)
    x = layers.GRU(units, return_sequences=True)(x, initial_state=state)
    changes = layers.Reshape((horizon,))(layers.Dense(1)(x))
    forecast = layers.Add(name="output")([changes, last])
    return Model(values, forecast, name="seq2seq")
