"""Artificial neural network with batch normalisation between each affine map and its activation."""

INPUTS = {"size": None}
FIT = {"epochs": 15, "batch_size": 64, "learning_rate": 2e-3, "patience": 5}


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
    """Return an uncompiled keras.Model: hidden layers, each normalised over the batch before it
    is activated; the affine map's summand is the normalisation's own.

    units: of the first hidden layer; each one after it has half as many. depth: hidden layers.
    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """
    import keras
    from keras import layers

    pixels = keras.Input((height, width, channels), name="input")
    x = layers.Flatten()(pixels)
    for level in range(depth):
        x = layers.Dense(max(units // 2**level, 1), use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation(activation)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="ann_batchnorm")
