"""Augmented texts: what each parameter does to them, and what none of them touches."""

from collections import Counter

import keras
import numpy as np
import pytest
from small_data import SENTIMENT, reviews

from models import architectures, augment, options
from models import train as training
from models.augmentation import sentiment as augmentation
from models.augmentation.synonyms import GROUPS
from models.errors import WrongParameter
from models.inputs import TextInputs, words_of

NAMES = tuple(options.AUGMENTATION["sentiment"])
each = pytest.mark.parametrize("name", NAMES)
WORDS = ("good", "fine", "decent", "bad", "movie", "film", "table", "the")
INPUTS = TextInputs(9, WORDS, ("negative", "positive"))
TEXTS = ["the good movie", "good fine bad table film the decent movie the", "table", "unheard film"]


def _ids() -> np.ndarray:
    """int32 (64, 9): short texts, a full one, one word alone, an unknown word."""
    return INPUTS.to_tensor(TEXTS * 16)


def _varied(ids: np.ndarray, *, while_training: bool = True, **switched: float) -> np.ndarray:
    keras.utils.set_random_seed(3)
    chosen = options.AUGMENTATION["sentiment"] | switched
    for layer in augmentation.layers(chosen, INPUTS):
        ids = layer(ids, training=while_training)
    return keras.ops.convert_to_numpy(ids)


def test_every_group_is_of_words_as_texts_are_split_and_none_is_in_two():
    words = [word for group in GROUPS for word in group]
    assert len(set(words)) == len(words)
    assert words_of(" ".join(words)) == words
    assert {len(group) for group in GROUPS} == {2, 3, 4}


def test_nothing_is_switched_on_by_default():
    for arch in architectures.names("sentiment"):
        parameters = architectures.resolve("sentiment", arch, {}, {})
        assert augmentation.layers(parameters, INPUTS) == []


@each
def test_each_does_something_and_keeps_shape_type_and_padding(name):
    ids = _ids()
    varied = _varied(ids, **{name: 0.4})
    assert (varied.shape, varied.dtype) == (ids.shape, ids.dtype)
    assert (varied != ids).any()
    present = varied > 0
    assert (present[:, 1:] >= present[:, :-1]).all()  # padding on the left alone
    assert present[:, -1].all()
    assert (varied < INPUTS.sizes()["words"]).all()


@each
def test_each_varies_every_text_and_every_step_anew(name):
    full = np.repeat(_ids()[1:2], 64, axis=0)
    assert len(np.unique(_varied(full, **{name: 0.4}), axis=0)) > 5
    keras.utils.set_random_seed(3)
    [layer] = augmentation.layers(options.AUGMENTATION["sentiment"] | {name: 0.4}, INPUTS)
    first, second = (keras.ops.convert_to_numpy(layer(full, training=True)) for _ in range(2))
    assert (first != second).any()


@each
def test_each_is_repeated_by_the_same_seed(name):
    assert np.array_equal(_varied(_ids(), **{name: 0.4}), _varied(_ids(), **{name: 0.4}))


@each
def test_nothing_changes_where_nothing_is_trained(name):
    assert np.array_equal(_varied(_ids(), while_training=False, **{name: 1.0}), _ids())


def test_a_replaced_word_gives_way_to_any_of_its_synonyms():
    ids = INPUTS.to_tensor(["the bad good movie"] * 60)  # alone of its group; one of three; of two
    seen = [Counter(column.tolist()) for column in _varied(ids, replace=1.0).T[-4:]]
    the, bad, good, movie = (set(one) for one in seen)
    assert (the, bad) == ({INPUTS.ids["the"]}, {INPUTS.ids["bad"]})
    assert good == {INPUTS.ids["fine"], INPUTS.ids["decent"]}
    assert movie == {INPUTS.ids["film"]}
    assert min(seen[2].values()) > 15


def test_a_shortened_text_keeps_its_order_and_its_last_word():
    ids = _ids()
    varied = _varied(ids, delete=0.5)
    for before, after in zip(ids, varied, strict=True):
        left = iter(before[before > 0])
        assert all(word in left for word in after[after > 0])
    assert np.array_equal(varied[:, -1], ids[:, -1])
    only_last = _varied(ids, delete=1.0)
    assert not only_last[:, :-1].any()


def test_swapped_words_are_the_same_words():
    ids = _ids()
    varied = _varied(ids, swap=0.3)
    assert np.array_equal(np.sort(varied, axis=1), np.sort(ids, axis=1))


def test_as_many_words_change_as_the_chance_says():
    ids = np.full((500, 9), 2, np.int32)
    assert (_varied(ids, replace=0.2) != ids).mean() == pytest.approx(0.2, abs=0.03)
    gone = (_varied(ids, delete=0.2) == 0).sum() / (500 * 8)  # the last one stays
    assert gone == pytest.approx(0.2, abs=0.03)


def test_labels_survive_and_validation_rows_are_never_changed():
    """A model behind the layers answers as without them, and trains to its labels."""
    splits = reviews()
    switched = dict.fromkeys(NAMES, 0.1) | {"words": 100, "length": 16, "epochs": 8}
    parameters = architectures.resolve("sentiment", "lstm", switched, SENTIMENT)
    fitted = training.train("sentiment", "lstm", parameters, splits, SENTIMENT, seed=0)
    assert fitted.history[-1]["val_accuracy"] > 0.9
    learner = augment.in_front_of(fitted.model, "sentiment", parameters, fitted.inputs)
    tensor = fitted.inputs.to_tensor(splits["validation"]["text"])
    plain, behind = (model.predict(tensor, verbose=0) for model in (fitted.model, learner))
    assert learner is not fitted.model
    assert np.array_equal(plain, behind)


@each
def test_a_chance_above_one_is_refused(name):
    with pytest.raises(WrongParameter, match=f"{name} is a chance"):
        _varied(_ids(), **{name: 1.1})


@each
def test_a_set_of_words_and_pairs_has_no_order_to_change(name):
    parameters = options.AUGMENTATION["sentiment"] | {name: 0.1}
    pairs = TextInputs(9, WORDS, INPUTS.labels, np.array([[2, 3]], np.int32))
    with pytest.raises(WrongParameter, match="set ngrams=1"):
        augmentation.layers(parameters, pairs)
