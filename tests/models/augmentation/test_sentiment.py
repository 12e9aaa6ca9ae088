"""What each augmentation does to texts."""

from collections import Counter

import numpy as np
import pytest
from augmented import INPUTS, WORDS, texts, varied

from models import options
from models.augmentation import sentiment as augmentation
from models.augmentation.synonyms import GROUPS
from models.errors import WrongParameter
from models.inputs.texts import TextInputs, words_of

TEXT = INPUTS["sentiment"]


def _varied(ids: np.ndarray, **switched: float) -> np.ndarray:
    return varied("sentiment", ids, **switched)


def test_every_group_is_of_words_as_texts_are_split_and_none_is_in_two():
    words = [word for group in GROUPS for word in group]
    assert len(set(words)) == len(words)
    assert words_of(" ".join(words)) == words
    assert {len(group) for group in GROUPS} == {2, 3, 4}


@pytest.mark.parametrize("name", options.AUGMENTATION["sentiment"])
def test_padding_stays_on_the_left_alone_and_ids_are_known_words(name):
    made = _varied(texts(), **{name: 0.4})
    present = made > 0
    assert (present[:, 1:] >= present[:, :-1]).all()
    assert present[:, -1].all()
    assert (made < TEXT.sizes()["words"]).all()


def test_a_replaced_word_gives_way_to_any_of_its_synonyms():
    ids = TEXT.to_tensor(["the bad good movie"] * 60)  # alone of its group; one of three; of two
    seen = [Counter(column.tolist()) for column in _varied(ids, replace=1.0).T[-4:]]
    the, bad, good, movie = (set(one) for one in seen)
    assert (the, bad) == ({TEXT.ids["the"]}, {TEXT.ids["bad"]})
    assert good == {TEXT.ids["fine"], TEXT.ids["decent"]}
    assert movie == {TEXT.ids["film"]}
    assert min(seen[2].values()) > 15


def test_a_shortened_text_keeps_its_order_and_its_last_word():
    ids = texts()
    varied = _varied(ids, delete=0.5)
    for before, after in zip(ids, varied, strict=True):
        left = iter(before[before > 0])
        assert all(word in left for word in after[after > 0])
    assert np.array_equal(varied[:, -1], ids[:, -1])
    only_last = _varied(ids, delete=1.0)
    assert not only_last[:, :-1].any()


def test_swapped_words_are_the_same_words():
    ids = texts()
    varied = _varied(ids, swap=0.3)
    assert np.array_equal(np.sort(varied, axis=1), np.sort(ids, axis=1))


def test_as_many_words_change_as_the_chance_says():
    ids = np.full((500, 9), 2, np.int32)
    assert (_varied(ids, replace=0.2) != ids).mean() == pytest.approx(0.2, abs=0.03)
    gone = (_varied(ids, delete=0.2) == 0).sum() / (500 * 8)  # the last one stays
    assert gone == pytest.approx(0.2, abs=0.03)


def test_a_set_of_words_and_pairs_has_no_order_to_change():
    parameters = options.AUGMENTATION["sentiment"] | {"swap": 0.1}
    pairs = TextInputs(9, WORDS, TEXT.labels, np.array([[2, 3]], np.int32))
    with pytest.raises(WrongParameter, match="set ngrams=1"):
        augmentation.layers(parameters, pairs)
