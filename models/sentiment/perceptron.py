"""Perceptron: each word and pair votes for a class, and the votes are added up (a bag of words)."""

from typing import Any

import numpy as np

from models.sentiment import _masked

INPUTS = {"words": 200_000, "length": 800, "ngrams": 2}
FIT = {"epochs": 3, "batch_size": 128, "learning_rate": 5e-2, "patience": 2}


def build(words: int, length: int, classes: int) -> Any:
    """Return an uncompiled keras.Model: softmax of one weight per word and class, added up.

    The same function as a linear layer over word counts, without ever writing the counts down. Each
    weight is a fixed vote, which `adapt` takes from the training rows, times a learned factor: a
    rare word's vote is weak until it has proved itself. The sum is divided by the root of the
    number of words, so that long texts are not more certain.

    Args:
        words: size of the id space; id 0 is padding, 1 an unknown word.
        length: words of a text that are read.
        classes: labels to choose from.

    Returns:
        An uncompiled model, int32 (text, length), word ids, 0 is padding → float32 (text, class),
        probabilities.

    Source: Rosenblatt, The Perceptron, Psychological Review, 1958, over a bag of words (Harris,
    Distributional Structure, Word, 1954); votes: Wang and Manning, Baselines and Bigrams, ACL 2012.
    """
    from keras import Input, Model, layers, ops

    ids = Input((length,), dtype="int32", name="input")
    present = _masked.present(ids)
    votes = layers.Embedding(words, classes, "ones", trainable=False, name="votes")(ids)
    factors = layers.Embedding(words, classes, "zeros", name="factors")(ids)
    count = ops.maximum(ops.sum(present, axis=1), 1)
    x = ops.sum(votes * factors * present, axis=1) / ops.sqrt(count)
    probabilities = layers.Softmax(name="output")(x)
    return Model(ids, probabilities, name="perceptron")


def adapt(model: Any, ids: np.ndarray, labels: np.ndarray) -> None:
    """Set the votes to naive Bayes' log-count ratios: how much more of a class's words than of the
    other classes' words is this one, every word counted once more than it was seen.

    Args:
        model: as `build` returns it.
        ids: int32 (text, length).
        labels: int64 (text,).
    """
    layer = model.get_layer("votes")
    words, classes = layer.embeddings.shape
    each = [np.bincount(ids[labels == one].ravel(), minlength=words) for one in range(classes)]
    counts = np.stack(each, axis=1)  # (word, class)
    counts[0] = 0  # padding
    own, others = counts + 1.0, counts.sum(axis=1, keepdims=True) - counts + 1.0
    layer.set_weights([np.log(own / own.sum(axis=0)) - np.log(others / others.sum(axis=0))])
