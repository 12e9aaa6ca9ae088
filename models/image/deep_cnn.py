"""Deep convolutional neural network: blocks of normalised convolutions, each at half the size.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015; Ioffe and Szegedy,
Batch Normalization, ICML 2015; pooled mean at the end: Lin, Chen and Yan, ICLR 2014.
"""

from typing import Any

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
) -> Any:
    """Return an uncompiled keras.Model: blocks of 3 x 3 convolutions, averaged over the picture.

    A block's first convolution is pooled before it is normalised and rectified: that is the same
    filters at a quarter of the work.

    Args:
        height: pixels from top to bottom.
        width: pixels from left to right.
        channels: 1 for grey, 3 for colour.
        classes: labels to choose from.
        filters: of the first block; each one after it has twice as many.
        blocks: each reads the picture at half the size of the one before.
        depth: convolutions a block.
        pooling: max or average, of 2 x 2.
        dropout: share of the last features that a step leaves out.

    Returns:
        An uncompiled model, float32 (picture, height, width, channels), 0..1 → float32 (picture,
        class), probabilities.
    """
    from keras import Input, Model, layers

    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
    pixels = Input((height, width, channels), name="input")
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
    return Model(pixels, probabilities, name="deep_cnn")
