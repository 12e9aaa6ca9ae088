"""Artificial neural network: fully connected hidden layers between pixels and classes."""

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
):
    """Return an uncompiled keras.Model: hidden layers between the pixels and a softmax.

    units: of the first hidden layer; each one after it has half as many. depth: hidden layers.
    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors,
    Nature, 1986; rectifier: Glorot, Bordes and Bengio, AISTATS 2011.
    """
    import keras
    from keras import layers

    pixels = keras.Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    for level in range(depth):
        x = layers.Dense(max(units // 2**level, 1), activation=activation)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="ann")
