"""Perceptron: one layer of weights from pixels to classes."""

from typing import Any

INPUTS = {"size": None}
FIT = {"epochs": 60, "batch_size": 64, "learning_rate": 3e-3, "patience": 4}


def build(height: int, width: int, channels: int, classes: int) -> Any:
    """Return an uncompiled keras.Model: softmax of a linear function of the pixels.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.

    Source: Rosenblatt, The Perceptron, Psychological Review, 1958; with the softmax of Bridle,
    1990, in place of the step.
    """
    from keras import Input, Model, layers

    pixels = Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(pixels, probabilities, name="perceptron")
