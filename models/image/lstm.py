"""Long short-term memory that reads a picture row by row, from the top."""

from typing import Any

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
) -> Any:
    """Return an uncompiled keras.Model: an LSTM over the rows, its last state to the classes.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.
        units: of the LSTM.
        dropout: share of its last state that a training step leaves out.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation, 1997; pictures
    as sequences: Le, Jaitly and Hinton, arXiv:1504.00941, 2015.
    """
    from keras import Input, Model, layers

    pixels = Input((height, width, channels), name="input")
    x = layers.Reshape((height, width * channels))(pixels)
    x = layers.LSTM(units)(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(pixels, probabilities, name="lstm")
