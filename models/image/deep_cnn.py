"""Deep convolutional neural network: blocks of normalised convolutions, each at half the size."""

INPUTS = {"size": None}
FIT = {"epochs": 10, "batch_size": 64, "learning_rate": 3e-3, "patience": 5}


def build(
    height: int,
    width: int,
    channels: int,
    classes: int,
    *,
    filters: int = 32,
    blocks: int = 3,
    depth: int = 2,
    pooling: str = "max",
    dropout: float = 0.3,
):
    """Return an uncompiled keras.Model: blocks of 3 x 3 convolutions, averaged over the picture.

    A block's first convolution is pooled before it is normalised and rectified: that is the same
    filters at a quarter of the work.
    filters: of the first block; each one after it has twice as many. depth: convolutions a block.
    pooling: max or average, of 2 x 2. dropout: share of the last features that a step leaves out.
    In: float32 (picture, height, width, channels), 0..1. Out: float32 (picture, class),
    probabilities.
    Source: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015; Ioffe and Szegedy,
    Batch Normalization, ICML 2015; pooled mean at the end: Lin, Chen and Yan, ICLR 2014.
    """
    import keras
    from keras import layers

    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
    pixels = keras.Input((height, width, channels), name="input")
    x = pixels
    for block in range(blocks):
        for position in range(depth):
            x = layers.Conv2D(filters * 2**block, 3, padding="same", use_bias=False)(x)
            if position == 0:
                x = pool(2, padding="same")(x)
            x = layers.BatchNormalization(momentum=0.8)(x)  # fits of few steps
            x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, probabilities, name="deep_cnn")
