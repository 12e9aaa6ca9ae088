"""Texts that could as well have been written: layers for the training step alone.

Each word is changed or not on its own; all parameters are chances, from 0, off, to 1:
    replace  that a word with synonyms in `synonyms.py` gives way to one of them
    delete   that a word is left out; the last word of a text stays
    swap     that a word changes places with the next
Padding stays on the left and is never taken for a word.

Source: Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks, EMNLP 2019.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops, random

from models.augmentation.varied import Varied
from models.errors import WrongParameter
from models.inputs.texts import PADDING, TextInputs


def layers(parameters: Mapping, inputs: TextInputs) -> list[keras.layers.Layer]:
    """Return the Keras layers that are switched on, in the order in which they work.

    Each takes and gives int32 (text, length) word ids. Raises WrongParameter.
    """
    if inputs.pairs is not None:
        raise WrongParameter(
            "replace, delete and swap change words in their order, which ngrams=2 does not keep: "
            "set ngrams=1, or all three to 0."
        )
    switched: list[keras.layers.Layer] = []
    if parameters["replace"]:
        switched.append(Replaced(parameters["replace"], synonyms(inputs)))
    if parameters["delete"]:
        switched.append(Shortened(parameters["delete"]))
    if parameters["swap"]:
        switched.append(Swapped(parameters["swap"]))
    return switched


def synonyms(inputs: TextInputs) -> np.ndarray:
    """Return int32 (id, choice): for each id those that may stand for it, repeated to fill the row;
    for one without synonyms itself."""
    from models.augmentation.synonyms import GROUPS

    groups = [[inputs.ids[word] for word in group if word in inputs.ids] for group in GROUPS]
    others = {
        word: [other for other in group if other != word]
        for group in groups
        if len(group) > 1
        for word in group
    }
    # 12 is a multiple of 1, 2, 3 and 4: each synonym of a word comes equally often.
    choices = np.repeat(np.arange(inputs.sizes()["words"], dtype=np.int32)[:, None], 12, axis=1)
    for word, row in others.items():
        choices[word] = np.resize(row, 12)
    return choices


class Chance(Varied):
    """A layer that does something to each word with the same chance."""

    def drawn(self, ids: Any) -> Any:
        """Return bool (text, length): the words that were drawn, never padding."""
        numbers = random.uniform(ops.shape(ids), seed=self.seed_generator)
        return ops.logical_and(numbers < self.amount, ids != PADDING)


class Replaced(Chance):
    """Put a synonym in a word's place."""

    def __init__(self, chance: float, choices: np.ndarray, **layer_options: Any) -> None:
        super().__init__(chance, **layer_options)
        self.choices = choices

    def varied(self, ids: Any) -> Any:
        count = self.choices.shape[1]
        choice = random.randint(ops.shape(ids), 0, count, seed=self.seed_generator)
        return ops.where(self.drawn(ids), ops.take(self.choices.ravel(), ids * count + choice), ids)


class Shortened(Chance):
    """Leave words out and move the others to the right, over their places."""

    def varied(self, ids: Any) -> Any:
        places = ops.arange(ids.shape[1])
        left_out = ops.logical_and(self.drawn(ids), places < ids.shape[1] - 1)
        ids = ops.where(left_out, PADDING, ids)
        return _sorted_by(ids, ops.where(ids == PADDING, places - ids.shape[1], places))


class Swapped(Chance):
    """Put words behind their right neighbours."""

    def varied(self, ids: Any) -> Any:
        places = 2 * ops.arange(ids.shape[1])
        return _sorted_by(ids, ops.where(self.drawn(ids), places + 3, places))


def _sorted_by(ids: Any, keys: Any) -> Any:
    """Return each text's ids in the order of their keys, int32 (text, length), no two alike."""
    return ops.take_along_axis(ids, ops.argsort(keys, axis=1), axis=1)
