"""Long short-term memory that reads a picture row by row, from the top."""

INPUTS = {"size": None}
FIT = {"epochs": 20, "batch_size": 64, "learning_rate": 3e-3, "patience": 4}


def build(
    height: int,
    width: int,
    channels: int,
    classes: int,
    *,
    units: int = 64,
    dropout: float = 0.2,
):
    """Return an uncompiled keras.Model: an LSTM over the rows, its last state to the classes.

    units: of the LSTM. dropout: share of its last state that a training step leaves out.
    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation, 1997; pictures
    as sequences: Le, Jaitly and Hinton, arXiv:1504.00941, 2015.
    """
    import keras
    from keras import layers

    pixels = keras.Input((height, width, channels), name="input")
    x = layers.Reshape((height, width * channels))(pixels)
    x = layers.LSTM(units)(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="lstm")
