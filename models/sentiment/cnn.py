"""Convolution over neighbouring words, averaged over the text."""

from typing import Any

from models.sentiment import _masked

INPUTS = {"words": 30_000, "length": 400}
FIT = {"epochs": 4, "batch_size": 128, "learning_rate": 1e-2, "patience": 2}


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 16,
    width: int = 5,
    filters: int = 64,
    activation: str = "relu",
    dropout: float = 0.5,
) -> Any:
    """Return an uncompiled keras.Model: embedding, convolution, mean over the text.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.
        dimensions: of a word's vector.
        width: words that a filter reads at once.
        filters: of the convolution.
        activation: of the hidden layers.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, class),
        probabilities.

    Source: Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014, with the
    mean in place of the maximum: every match of a filter counts, not the best alone.
    """
    from keras import Input, Model, layers

    ids = Input((length,), dtype="int32", name="input")
    x = layers.Embedding(words, dimensions)(ids)
    x = layers.Dropout(dropout)(x)
    x = layers.Conv1D(filters, width, padding="same", activation=activation)(x)
    x = _masked.mean(x, _masked.present(ids))
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(ids, probabilities, name="cnn")
