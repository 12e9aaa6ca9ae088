"""Simple recurrent networks (Elman), stacked: each layer reads the states of the one below."""

from typing import Any

from models.forecast._grouped import grouped

INPUTS = {"stride": 1}
FIT = {"epochs": 24, "batch_size": 256, "learning_rate": 4e-3, "patience": 12}


def build(
    history: int,
    horizon: int,
    *,
    lags: int | None = None,
    group: int = 4,
    units: int = 48,
    depth: int = 2,
    dropout: float = 0.05,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what `depth` recurrent layers make of
    the history, seen both by its level and against its last value.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.
        group: neighbouring values read as one step; what does not fill one is left out at the old
            end.
        units: of each recurrent layer.
        depth: how many layers are stacked.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, float32 (series, history), standard scores → float32 (series, horizon),
        standard scores.

    Source: Elman, Finding Structure in Time, Cognitive Science, 1990; stacked: Pascanu et al., How
    to Construct Deep Recurrent Neural Networks, ICLR 2014.
    """
    from keras import Model, layers

    values, last, x = grouped(history, lags, group)
    for level in range(1, depth + 1):
        x = layers.SimpleRNN(units, return_sequences=level < depth)(x)
        x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return Model(values, forecast, name="deep_rnn")
