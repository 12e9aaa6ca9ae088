"""Perceptron: one layer of weights from pixels to classes."""

INPUTS = {"size": None}
FIT = {"epochs": 60, "batch_size": 64, "learning_rate": 3e-3, "patience": 4}


def build(height: int, width: int, channels: int, classes: int):
    """Return an uncompiled keras.Model: softmax of a linear function of the pixels.

    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Rosenblatt, The Perceptron, Psychological Review, 1958; with the softmax of Bridle,
    1990, in place of the step.
    """
    import keras
    from keras import layers

    pixels = keras.Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="perceptron")
