"""Convolution over neighbouring words, averaged over the text."""

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
):
    """Return an uncompiled keras.Model: embedding, convolution, mean over the text.

    dimensions: of a word's vector. width: words that a filter reads at once.
    In: int32 (text, length), word ids, 0 is padding. Out: float32 (text, class), probabilities.
    Source: Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014, with the
    mean in place of the maximum: every match of a filter counts, not the best alone.
    """
    import keras
    from keras import layers

    ids = keras.Input((length,), dtype="int32", name="input")
    x = layers.Embedding(words, dimensions)(ids)
    x = layers.Dropout(dropout)(x)
    x = layers.Conv1D(filters, width, padding="same", activation=activation)(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(ids, probabilities, name="cnn")
