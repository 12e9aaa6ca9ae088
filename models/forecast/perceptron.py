"""Perceptron: a linear function of the history (a linear autoregression for every step)."""

INPUTS = {"stride": 1}
FIT = {"epochs": 12, "batch_size": 128, "learning_rate": 5e-3, "patience": 3}


def build(history: int, horizon: int, *, lags: int | None = None):
    """Return an uncompiled keras.Model: the last value plus a linear function of the history.

    lags: newest values that are read; None reads all of the history.
    In: float32 (series, history), standard scores. Out: float32 (series, horizon), likewise.
    Source: Rosenblatt, The Perceptron, Psychological Review, 1958; as an autoregression: Yule,
    Philosophical Transactions of the Royal Society A, 1927.
    """
    import keras
    from keras import layers

    lags = min(lags or history, history)
    values = keras.Input((history,), name="input")
    last = values[:, -1:]
    changes = layers.Dense(horizon)(layers.Concatenate()([values[:, -lags:] - last, last]))
    forecast = layers.Add(name="output")([changes, last])
    return keras.Model(values, forecast, name="perceptron")
