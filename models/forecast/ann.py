"""Artificial neural network: fully connected hidden layers between history and forecast."""

INPUTS = {"stride": 1}
FIT = {"epochs": 12, "batch_size": 128, "learning_rate": 2e-3, "patience": 4}


def build(history: int, horizon: int, *, units: int = 128, depth: int = 2, dropout: float = 0.2):
    """Return an uncompiled keras.Model: the last value plus what `depth` hidden layers make of
    the history, seen both against its last value and by its level.

    In: float32 (series, history), standard scores. Out: float32 (series, horizon), likewise.
    Source: Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors,
    Nature, 1986; dropout: Srivastava et al., JMLR 2014.
    """
    import keras
    from keras import layers

    values = keras.Input((history,), name="input")
    last = values[:, -1:]
    x = layers.Concatenate()([values - last, last])
    for _ in range(depth):
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dropout(dropout)(x)
    forecast = layers.Add(name="output")([layers.Dense(horizon)(x), last])
    return keras.Model(values, forecast, name="ann")
