"""Feed-forward network over the average of a text's word vectors."""

from typing import Any

from models.sentiment import _masked

INPUTS = {"words": 30_000, "length": 400}
FIT = {"epochs": 3, "batch_size": 128, "learning_rate": 5e-3, "patience": 2}


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 32,
    units: int = 64,
    depth: int = 2,
    activation: str = "relu",
    dropout: float = 0.5,
) -> Any:
    """Return an uncompiled keras.Model: embedding, mean over the words, `depth` hidden layers.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.
        dimensions: of a word's vector.
        units: of each hidden layer.
        depth: hidden layers.
        activation: of the hidden layers.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, class),
        probabilities.

    Source: Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification, ACL 2015.
    """
    from keras import Input, Model, layers, ops

    ids = Input((length,), dtype="int32", name="input")
    present = _masked.present(ids)
    x = layers.Embedding(words, dimensions)(ids) * layers.Dropout(dropout)(present)
    x = ops.sum(x, axis=1) / ops.maximum(ops.sum(present, axis=1), 1)
    for _ in range(depth):
        x = layers.Dense(units, activation=activation)(x)
        x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(ids, probabilities, name="ann")
