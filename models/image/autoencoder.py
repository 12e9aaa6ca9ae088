"""Convolutional autoencoder: how badly a picture is redrawn from a short code."""

import math
from typing import Any

INPUTS = {"size": None}
FIT = {
    "epochs": 10, "batch_size": 32, "learning_rate": 4e-3, "patience": 3,
    "loss": "mean_absolute_error",
}  # fmt: skip


def build(
    height: int, width: int, channels: int, classes: int, *, filters: int = 8, code: int = 32
) -> Any:
    """Return an uncompiled keras.Model: two strided convolutions, a code, and the way back; what it
    gives is the error of each picture. The code itself comes out of its layer named "code".

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: not used.
        filters: of the first convolution; the second has twice as many.
        code: values of the code.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        1), the mean squared error over pixels and channels; the target is 0.

    Source: Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    Science, 2006; convolutional: Masci et al., Stacked Convolutional Auto-Encoders for Hierarchical
    Feature Extraction, ICANN 2011.
    """
    from keras import Input, Model, layers, ops

    pixels = Input((height, width, channels), name="input")
    halved = doubled = {"strides": 2, "padding": "same"}
    x = layers.Conv2D(filters, 3, activation="relu", **halved)(pixels)
    x = layers.Conv2D(2 * filters, 3, activation="relu", **halved)(x)
    small = x.shape[1:]
    x = layers.Flatten()(x)
    # Bounded, so that a brightness far from any that was seen cannot be carried through.
    x = layers.Dense(code, activation="tanh", name="code")(x)
    x = layers.Dense(math.prod(small), activation="relu")(x)
    x = layers.Reshape(small)(x)
    x = layers.Conv2DTranspose(filters, 3, activation="relu", **doubled)(x)
    x = layers.Conv2DTranspose(channels, 3, **doubled)(x)
    # Sides that are no multiple of four came back a little longer.
    squares = ops.square(pixels - x[:, :height, :width])
    error = layers.Reshape((1,), name="output")(ops.mean(squares, axis=(1, 2, 3), keepdims=True))
    return Model(pixels, error, name="autoencoder")
