"""Artificial neural network: fully connected hidden layers between pixels and classes."""

INPUTS = {"size": None}
FIT = {"epochs": 60, "batch_size": 64, "learning_rate": 1e-3, "patience": 5}


def build(
    height: int, width: int, channels: int, classes: int, *, units: int = 256, depth: int = 2
):
    """Return an uncompiled keras.Model: `depth` hidden layers of `units` rectified units each.

    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors,
    Nature, 1986; rectifier: Glorot, Bordes and Bengio, AISTATS 2011.
    """
    import keras
    from keras import layers

    pixels = keras.Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    for _ in range(depth):
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="ann")
