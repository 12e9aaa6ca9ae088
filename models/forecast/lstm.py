"""Long short-term memory over groups of values."""

INPUTS = {"stride": 1}
FIT = {"epochs": 12, "batch_size": 128, "learning_rate": 3e-3, "patience": 3}


def build(
    history: int,
    horizon: int,
    *,
    group: int = 6,
    units: int = 32,
    dropout: float = 0.2,
):
    """Return an uncompiled keras.Model: the last value plus what an LSTM makes of the history,
    seen both by its level and against its last value.

    group: neighbouring values read as one step; what does not fill one is left out at the old end.
    In: float32 (series, history), standard scores. Out: float32 (series, horizon), likewise.
    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation, 1997; several
    values a step: Nie et al., A Time Series is Worth 64 Words, ICLR 2023.
    """
    import keras
    from keras import layers, ops

    group = min(group, history)
    values = keras.Input((history,), name="input")
    last = values[:, -1:]
    x = ops.stack([values, values - last], axis=-1)[:, history % group :]
    x = layers.Reshape((history // group, 2 * group))(x)
    x = layers.LSTM(units)(x)
    x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return keras.Model(values, forecast, name="lstm")
