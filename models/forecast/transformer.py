"""One transformer block over groups of values.

Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; normalised before each part:
Xiong et al., On Layer Normalization in the Transformer Architecture, ICML 2020; several values
a step: Nie et al., A Time Series is Worth 64 Words, ICLR 2023.
"""

from typing import Any

from models.forecast._grouped import grouped

INPUTS = {"stride": 1}
FIT = {"epochs": 16, "batch_size": 512, "learning_rate": 4e-3, "patience": 8}


def build(
    history: int,
    horizon: int,
    *,
    lags: int | None = None,
    group: int = 4,
    dimensions: int = 32,
    heads: int = 2,
    units: int = 64,
    dropout: float = 0.05,
) -> Any:
    """Return an uncompiled keras.Model: the last value plus what an encoder makes of the history.

    Args:
        history: values that are given.
        horizon: values to forecast.
        lags: newest values that are read; None reads all of the history.
        group: neighbouring values read as one step; the oldest that fill none are left out.
        dimensions: of a step's vector.
        heads: of the attention, each as wide as a step's vector.
        units: of the feed-forward layer.
        dropout: share of values that a training step leaves out.

    Returns:
        float32 (series, history) → float32 (series, horizon), both standard scores.
    """
    import numpy as np
    from keras import Model, layers, ops

    values, last, x = grouped(history, lags, group)
    steps = x.shape[1]
    x = layers.Dense(dimensions)(x)
    places = ops.zeros_like(x[:, :, 0], dtype="int32") + np.arange(steps, dtype="int32")
    x = x + layers.Embedding(steps, dimensions)(places)

    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(heads, dimensions, dropout=dropout)(y, y)
    x = x + y
    y = layers.LayerNormalization()(x)
    y = layers.Dense(units, activation="silu")(y)
    y = layers.Dropout(dropout)(y)
    x = x + layers.Dense(dimensions)(y)

    x = layers.Flatten()(layers.LayerNormalization()(x))
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return Model(values, forecast, name="transformer")
