"""Dense autoencoder: how badly a text's bag of words is redrawn from a short code."""

from typing import Any

INPUTS = {"words": 500, "length": 400}
FIT = {
    "epochs": 8, "batch_size": 128, "learning_rate": 5e-3, "patience": 3,
    "loss": "mean_absolute_error",
}  # fmt: skip


def build(words: int, length: int, classes: int, *, code: int = 8, doubt: int = 30) -> Any:
    """Return an uncompiled keras.Model: shares of words, a code, the softmax that redraws the
    shares, and the error of each text. The code itself comes out of its layer named "code".

    Unknown words are one word among the others: a text in another language is mostly that one.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: not used.
        code: values of the code.
        doubt: the error of a text of n words counts n / (n + doubt), for a few words have odd
            shares by chance alone.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, 1), the
        squared error summed over the words; the target is 0.

    Source: Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    Science, 2006, where bags of words are redrawn by a softmax.
    """
    from keras import Input, Model, layers, ops

    ids = Input((length,), dtype="int32", name="input")
    counts = layers.CategoryEncoding(words, output_mode="count")(ids)[:, 1:]
    n = ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1)
    shares = counts / n
    # Roots: of a share by chance, the root's variance is the same for rare and frequent words.
    x = layers.Dense(code, activation="tanh", name="code")(ops.sqrt(shares))
    squares = ops.square(shares - layers.Dense(words - 1, activation="softmax")(x))
    error = ops.sum(squares, axis=1, keepdims=True) * n / (n + doubt)
    error = layers.Reshape((1,), name="output")(error)
    return Model(ids, error, name="autoencoder")
