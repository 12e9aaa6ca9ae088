"""One transformer block over groups of words, averaged over the text.

Embedding, means of `group` words and their positions, one encoder block, mean over the text.
Neither attention nor mean looks at steps of padding alone.

Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; normalised before each part:
Xiong et al., On Layer Normalization in the Transformer Architecture, ICML 2020.
"""

from typing import Any

from models.sentiment import _masked

INPUTS = {"words": 20_000, "length": 400}
FIT = {"epochs": 2, "batch_size": 128, "learning_rate": 3e-3, "patience": 2}


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 32,
    group: int = 8,
    heads: int = 2,
    units: int = 64,
    dropout: float = 0.5,
) -> Any:
    """Return an uncompiled keras.Model.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.
        dimensions: of a word's vector.
        group: neighbouring words read as one step.
        heads: of the attention, each of `dimensions`.
        units: of the feed-forward layer.
        dropout: share of values that a training step leaves out.

    Returns:
        int32 (text, length), word ids → float32 (text, class), probabilities.
    """
    import numpy as np
    from keras import Input, Model, layers, ops

    ids = Input((length,), dtype="int32", name="input")
    x = layers.Embedding(words, dimensions)(ids)
    x = layers.Dropout(dropout)(x)
    x = layers.AveragePooling1D(group, padding="same")(x)
    present = _masked.steps(_masked.present(ids), group)
    seen = ops.expand_dims(ops.squeeze(ops.greater(present, 0), -1), 1)  # (text, 1, step)
    # Made of the input: a functional model has no other source of tensors.
    places = ops.cast(ops.squeeze(present, -1) * 0, "int32") + np.arange(x.shape[1], dtype="int32")
    x = x + layers.Embedding(x.shape[1], dimensions)(places)
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(heads, dimensions, dropout=dropout)(y, y, attention_mask=seen)
    x = x + y
    y = layers.LayerNormalization()(x)
    y = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(y))
    x = x + layers.Dense(dimensions)(y)
    x = _masked.mean(layers.LayerNormalization()(x), present)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(ids, probabilities, name="transformer")
