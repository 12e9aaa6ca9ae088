"""Long short-term memory over groups of words, pooled over time."""

INPUTS = {"words": 20_000, "length": 400}
FIT = {"epochs": 2, "batch_size": 128, "learning_rate": 1e-2, "patience": 2, "clip": 1.0}


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 32,
    group: int = 8,
    units: int = 64,
    dropout: float = 0.3,
):
    """Return an uncompiled keras.Model: embedding, means of `group` words, LSTM, maximum over time.

    dimensions: of a word's vector. group: neighbouring words read as one step.
    In: int32 (text, length), word ids, 0 is padding. Out: float32 (text, class), probabilities.
    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation, 1997; pooling
    over time: Collobert et al., JMLR 2011.
    """
    import keras
    from keras import layers

    ids = keras.Input((length,), dtype="int32", name="input")
    x = layers.Embedding(words, dimensions)(ids)
    x = layers.Dropout(dropout)(x)
    x = layers.AveragePooling1D(group, padding="same")(x)
    x = layers.LSTM(units, return_sequences=True)(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(ids, probabilities, name="lstm")
