"""Perceptron: each word votes for a class, and the votes are added up (a bag of words)."""

INPUTS = {"words": 20_000, "length": 800}
FIT = {"epochs": 8, "batch_size": 128, "learning_rate": 3e-2, "patience": 2}


def build(words: int, length: int, classes: int):
    """Return an uncompiled keras.Model: softmax of one weight per word and class, added up.

    The same function as a linear layer over word counts, without ever writing the counts down.
    The sum is divided by the root of the number of words, so that long texts are not more certain.
    In: int32 (text, length), word ids, 0 is padding. Out: float32 (text, class), probabilities.
    Source: Rosenblatt, The Perceptron, Psychological Review, 1958, over a bag of words (Harris,
    Distributional Structure, Word, 1954).
    """
    import keras
    from keras import layers, ops

    ids = keras.Input((length,), dtype="int32", name="input")
    present = ops.cast(ops.not_equal(ids, 0), "float32")
    votes = layers.Embedding(words, classes)(ids) * ops.expand_dims(present, -1)
    count = ops.maximum(ops.sum(present, axis=1, keepdims=True), 1)
    x = ops.sum(votes, axis=1) / ops.sqrt(count)
    probabilities = layers.Softmax(name="output")(x)
    return keras.Model(ids, probabilities, name="perceptron")
