"""Artificial neural network: fully connected hidden layers between pixels and classes."""

from typing import Any

INPUTS = {"size": None}
FIT = {"epochs": 60, "batch_size": 64, "learning_rate": 1e-3, "patience": 5}


def build(
    height: int,
    width: int,
    channels: int,
    classes: int,
    *,
    units: int = 256,
    depth: int = 2,
    activation: str = "relu",
) -> Any:
    """Return an uncompiled keras.Model: hidden layers between the pixels and a softmax.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.
        units: of the first hidden layer; each one after it has half as many.
        depth: hidden layers.
        activation: of the hidden layers.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.

    Source: Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors,
    Nature, 1986; rectifier: Glorot, Bordes and Bengio, AISTATS 2011.
    """
    from keras import Input, Model, layers

    pixels = Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    for level in range(depth):
        x = layers.Dense(max(units // 2**level, 1), activation=activation)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(pixels, probabilities, name="ann")
