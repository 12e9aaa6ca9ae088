"""Artificial neural network that leaves out units at random while it learns."""

from typing import Any

INPUTS = {"size": None}
FIT = {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3, "patience": 5}


def build(
    height: int,
    width: int,
    channels: int,
    classes: int,
    *,
    units: int = 512,
    depth: int = 2,
    activation: str = "relu",
    dropout: float = 0.4,
) -> Any:
    """Return an uncompiled keras.Model: hidden layers, each followed by dropout.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.
        units: of the first hidden layer; each one after it has half as many.
        depth: hidden layers.
        activation: of the hidden layers.
        dropout: share of each hidden layer's units that a training step leaves out.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, JMLR 2014.
    """
    from keras import Input, Model, layers

    pixels = Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    for level in range(depth):
        x = layers.Dense(max(units // 2**level, 1), activation=activation)(x)
        x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(pixels, probabilities, name="ann_dropout")
