"""Simple recurrent network (Elman) over groups of words, pooled over time."""

from typing import Any

from models.sentiment import _masked

INPUTS = {"words": 20_000, "length": 400}
FIT = {"epochs": 2, "batch_size": 128, "learning_rate": 5e-3, "patience": 2, "clip": 1.0}


def build(
    words: int,
    length: int,
    classes: int,
    *,
    dimensions: int = 32,
    group: int = 8,
    units: int = 64,
    dropout: float = 0.3,
) -> Any:
    """Return an uncompiled keras.Model: embedding, means of `group` words, recurrence, mean over
    time.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.
        dimensions: of a word's vector.
        group: neighbouring words read as one step.
        units: of each recurrent layer.
        dropout: share of values that a training step leaves out.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, class),
        probabilities.

    Source: Elman, Finding Structure in Time, Cognitive Science, 1990; pooling over time: Collobert
    et al., JMLR 2011.
    """
    from keras import Input, Model, layers

    ids = Input((length,), dtype="int32", name="input")
    x = layers.Embedding(words, dimensions)(ids)
    x = layers.Dropout(dropout)(x)
    x = layers.AveragePooling1D(group, padding="same")(x)
    x = layers.SimpleRNN(units, return_sequences=True)(x)
    x = _masked.mean(x, _masked.steps(_masked.present(ids), group))
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="output")(x)
    return Model(ids, probabilities, name="simple_rnn")
