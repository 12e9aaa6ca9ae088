"""Stratified splits: equal rows on one side, shares kept, nothing lost, rows stay in place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import classes, words
from models.inputs import texts

SHARES = {"train": 0.64, "validation": 0.16, "test": 0.20}


def digest_of(numbers) -> np.ndarray:
    return classes.digests(np.array([str(number) for number in numbers], dtype=object))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=120))
def test_every_row_has_one_part_and_equal_rows_the_same(rows):
    content, labels = (np.array(column) for column in zip(*rows, strict=True))
    drawn = classes.draw(labels, digest_of(content), SHARES)
    assert sorted(np.concatenate(list(drawn.values()))) == list(range(len(rows)))
    sides = [set(content[numbers]) for numbers in drawn.values()]
    assert sum(len(side) for side in sides) == len(set(content))


def test_each_class_is_divided_in_the_same_shares():
    labels = np.repeat([0, 1], [1000, 200])
    drawn = classes.draw(labels, digest_of(range(1200)), SHARES)
    counts = {part: np.bincount(labels[rows]).tolist() for part, rows in drawn.items()}
    assert counts == {"train": [640, 128], "validation": [160, 32], "test": [200, 40]}


def test_most_rows_keep_their_part_when_others_come():
    labels = np.zeros(1100, dtype=int)
    digest = digest_of(range(1100))
    before = classes.draw(labels[:1000], digest[:1000], SHARES)
    after = classes.draw(labels, digest, SHARES)
    stayed = sum(len(set(before[part]) & set(after[part])) for part in SHARES)
    assert stayed > 950


def test_rows_of_equal_content_id_or_group_go_together_and_the_group_says_where():
    content, ids, groups = (digest_of(names) for names in ("abcad", "12345", "xyzzw"))
    place = classes.together(content, ids, groups)
    # The first and the fourth row are equal, so that x and z are one.
    assert len(set(place[[0, 2, 3]])) == 1
    assert len(set(place)) == 3
    assert set(place) <= set(groups)
    recoded = classes.together(digest_of("abczd"), ids, groups)
    assert [*recoded[[1, 4]]] == [*place[[1, 4]]]
    assert [*classes.together(content)] == [*content]


@pytest.mark.parametrize(
    ("text", "other", "equal"),
    [
        ("A fine  film", "a fine film\n", True),
        ("a fine film", "A fine film!", True),
        ("a fine film", "a fine<br />film", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("很好", "很好！", True),
        ("fine 👍", "fine 👎", False),
        (":-)", ":-(", False),
        ("a fine film", "a fine filmmaker", False),
    ],
)
def test_texts_are_equal_where_their_words_are(text, other, equal):
    first, second = classes.digests([text, other])
    assert (first == second) == equal


@settings(deadline=None)
@given(st.text(st.characters(categories=None), max_size=30))
def test_words_are_those_that_a_model_reads(text):
    assert words.words_of(text) == texts.words_of(text)


def test_pictures_are_equal_by_their_bytes():
    pictures = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    assert len(set(classes.digests(pictures))) == 1
    pictures[1, 0, 0] = 1
    assert len(set(classes.digests(pictures))) == 2
