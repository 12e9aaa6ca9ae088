"""Linear classifier over the mean of vectors of words and of hashed pairs, as fastText."""

from typing import Any

from models.sentiment import _masked

INPUTS = {"words": 30_000, "length": 400}
FIT = {"epochs": 3, "batch_size": 128, "learning_rate": 2e-2, "patience": 2}

EXACT = 2**22  # a quotient of less, and a half, is rounded to the right whole number in float32


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 8,
    buckets: int = 200_000,
    dropout: float = 0.5,
) -> Any:
    """Return an uncompiled keras.Model: the mean of word and pair vectors, and a linear layer.

    A pair of neighbouring words has the vector of its bucket, the remainder of a number made of
    both ids: no pair needs a place in a vocabulary, and those that share a bucket share a vector.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.
        dimensions: of a vector.
        buckets: of pairs.
        dropout: share of words and pairs that a training step leaves out.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, class),
        probabilities.

    Source: Joulin, Grave, Bojanowski and Mikolov, Bag of Tricks for Efficient Text Classification,
    EACL 2017.
    """
    from keras import Input, Model, layers, ops

    ids = Input((length,), dtype="int32", name="input")
    present = _masked.present(ids)
    number = ids[:, :-1] * max(1, EXACT // words - 1) + ids[:, 1:]
    whole = ops.cast((ops.cast(number, "float32") + 0.5) / buckets, "int32")
    pair = layers.Embedding(buckets, dimensions)(number - whole * buckets)
    word = layers.Embedding(words, dimensions)(ids)
    kept = layers.Dropout(dropout)(present), layers.Dropout(dropout)(present[:, :-1])
    x = ops.sum(word * kept[0], axis=1) + ops.sum(pair * kept[1], axis=1)
    x = x / ops.maximum(ops.sum(present, axis=1), 1)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(ids, probabilities, name="hashed")
