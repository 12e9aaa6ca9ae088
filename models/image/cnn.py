"""Convolutional neural network: learned filters, pooled twice, then one hidden layer."""

from typing import Any

INPUTS = {"size": None}
FIT = {"epochs": 10, "batch_size": 32, "learning_rate": 2e-3, "patience": 4}


def build(
    height: int,
    width: int,
    channels: int,
    classes: int,
    *,
    filters: int = 32,
    units: int = 128,
    dropout: float = 0.4,
) -> Any:
    """Return an uncompiled keras.Model: two pooled convolutions of 3 x 3, then one dense layer.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.
        filters: of the first convolution; the second has twice as many.
        units: of a layer.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.

    Source: LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document
    Recognition, Proceedings of the IEEE, 1998; dropout: Srivastava et al., JMLR 2014.
    """
    from keras import Input, Model, layers

    pixels = Input((height, width, channels), name="input")
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(pixels)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(pixels, probabilities, name="cnn")
