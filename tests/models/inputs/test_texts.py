"""From a raw text to word ids: what is accepted, and that nothing but InputError escapes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_inputs import PAIRED, TEXT, refused

from models.inputs.texts import TextInputs, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Good FILM", ["good", "film"]),
        ("good<br /><br />film", ["good", "film"]),
        ("<p class='x'>good</p>", ["good"]),
        ("a < b > c", ["a", "b", "c"]),
        ("don't, don’t", ["dont", "dont"]),
        ("first-rate: 10/10!!!", ["first", "rate", "10", "10"]),
        ("“très bien”…", ["très", "bien"]),
        ("tab\tnew\nline\x00nul", ["tab", "new", "line", "nul"]),
        ("<" * 1000, []),
        ("Straße ΟΔΟΣ", ["straße", "οδος"]),
        ("今天很好。ＯＫ", ["今", "天", "很", "好", "ok"]),
        ("すごいﾀﾞ ดี ລາວ", [*"すごいダ", *"ดี", *"ລາວ"]),
        ("ល្អ ကောင်း", [*"ល្អ", *"ကောင်း"]),
        ("재미있다 अच्छी", ["재미있다", "अच्छी"]),
        ("cafe\u0301 ﬁlm", ["café", "film"]),
        ("great👍🏽good❤️ 👨‍👩‍👧", ["great", *"👍🏽", "good", "❤", *"👨👩👧"]),
        ("in\u00advisible\ufeff", ["invisible"]),
        ("10€ 5\u00a0kg 20°", ["10", "5", "kg", "20", "°"]),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_words_become_ids_padded_on_the_left():
    tensor = TEXT.to_tensor(["Good film", "bad bad unheard good good good film dont"])
    assert tensor.dtype == np.int32
    assert tensor.tolist() == [[0, 0, 0, 0, 2, 4], [1, 2, 2, 2, 4, 5]]


def test_the_commonest_words_are_the_vocabulary():
    texts = ["b b b a a c", "a a c d"]
    fitted = TextInputs.fit(texts, ("negative", "positive"), words=4, length=3)
    assert fitted.vocabulary == ("a", "b")
    assert fitted.sizes() == {"words": 4, "length": 3, "classes": 2}
    tied = TextInputs.fit(["z y x", "x"], ("negative", "positive"), words=9, length=3)
    assert tied.vocabulary == ("x", "y", "z")
    assert TextInputs.fit(texts, ("negative", "positive"), words=1, length=3).vocabulary == ()
    assert tied == TextInputs.fit(["x", "z y x"], ("negative", "positive"), words=9, length=3)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("good film", [2, 4, 6]),
        ("good good film good film", [2, 4, 6]),  # a set: each once
        ("film good", [2, 4]),  # no pair that is known
        ("good bad film good", [2, 3, 4, 8]),
        ("bad film and bad good film", [1, 2, 3, 4, 6, 7]),  # the last four words alone
        ("bad", [3]),
        ("unheard unheard", [1]),
        (":-)", [1]),
    ],
)
def test_words_and_pairs_become_a_set_of_ids(text, ids):
    tensor = PAIRED.to_tensor([text])
    assert tensor.dtype == np.int32
    assert tensor.tolist() == [[0] * (8 - len(ids)) + ids]


def test_the_commonest_words_and_pairs_are_the_vocabulary():
    texts = ["a b a b c", "a b c"]  # a 3, b 3, c 2; a b 3, b c 2, b a 1
    fitted = TextInputs.fit(texts, ("negative", "positive"), words=6, length=5, ngrams=2)
    assert fitted.vocabulary == ("a", "b", "c")
    assert fitted.pairs.tolist() == [[2, 3]]
    assert fitted.sizes() == {"words": 6, "length": 10, "classes": 2}
    every = TextInputs.fit(texts, ("negative", "positive"), words=99, length=5, ngrams=2)
    assert every.pairs.tolist() == [[2, 3], [3, 2], [3, 4]]
    for words in (1, 2, 3):
        few = TextInputs.fit(texts, ("negative", "positive"), words, length=5, ngrams=2)
        assert few.pairs.shape == (0, 2)
        assert few.to_tensor(["a b"])[0, -1] in (1, 2)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=9), max_size=5), st.integers(1, 40))
def test_a_pair_is_known_only_with_both_its_words(texts, words):
    texts = [" ".join(one) for one in texts]
    fitted = TextInputs.fit(texts, ("negative", "positive"), words, length=20, ngrams=2)
    assert len(fitted.vocabulary) + len(fitted.pairs) <= max(words - 2, 0)
    assert ((fitted.pairs >= 2) & (fitted.pairs < len(fitted.vocabulary) + 2)).all()
    for text in filter(None, texts):
        ids = fitted.to_tensor([text])[0]
        assert (ids < fitted.sizes()["words"]).all()
        assert (np.diff(ids[ids > 0]) > 0).all()


@pytest.mark.parametrize("text", ["", " \n\t", "\u2003"])
def test_an_empty_text_is_refused(text):
    assert "The text is empty" in refused("empty_text", TEXT.to_tensor, [text])


@pytest.mark.parametrize("text", [None, 3, True, b"good", ["good"], {"text": "good"}, math.nan])
def test_what_is_not_a_text_is_refused(text):
    refused("not_a_text", TEXT.to_tensor, [text])


def test_a_text_too_long_is_refused_and_the_text_at_fault_named():
    longest = "a " * 100_000
    assert TEXT.to_tensor([longest]).tolist() == [[1] * 6]
    assert "200,001" in refused("text_too_long", TEXT.to_tensor, [longest + "a"])
    assert refused("empty_text", TEXT.to_tensor, ["good", "", "bad"]).startswith("Text 2 is")


@pytest.mark.parametrize("text", ["<br />", ":-)", "😀", "\ud800", "\x00\x01", "。"])
def test_a_text_without_known_words_is_read_as_unknown(text):
    assert TEXT.to_tensor([text]).tolist() == [[0, 0, 0, 0, 0, 1]]


@settings(deadline=None)
@given(st.text(st.characters(categories=None), max_size=200))
def test_any_text_gives_ids_or_input_error(text):
    if text.strip():
        tensor = TEXT.to_tensor([text])
        assert tensor.shape == (1, 6)
        assert ((tensor >= 0) & (tensor < 6)).all()
        assert tensor[0, -1] > 0
    else:
        refused("empty_text", TEXT.to_tensor, [text])


def test_marks_without_end_take_no_time():
    """Unicode sorts the marks of a character: 200,000 of two kinds in turn take a minute."""
    assert TEXT.to_tensor(["a" + "\u0301\uff9e" * 99_000]).tolist() == [[1] * 6]


def test_a_model_of_before_cuts_words_as_it_was_trained():
    fields, arrays = TextInputs.fit(["很好 👍"], ("negative", "positive"), 9, 3).spec()
    assert fields["vocabulary"] == ["好", "很", "👍"]
    del fields["tokenizer"]
    before = TextInputs.from_spec(fields | {"vocabulary": ["很好👍"]}, arrays)
    assert before.spec()[0] == fields | {"vocabulary": ["很好👍"]}
    assert before.to_tensor(["很好👍！"]).tolist() == [[0, 0, 2]]


@pytest.mark.parametrize(
    ("facts", "score"),
    [
        ({"labels": ["a", "b"], "positive": "a"}, 0.5),
        ({"labels": ["a", "b"]}, None),
        ({"labels": ["a", "b", "c"], "positive": "c"}, 0.125),
        ({"labels": ["a", "b", "c"]}, None),
    ],
)
def test_the_score_is_the_probability_of_the_label_that_is_called_positive(facts, score):
    """It travels with the model; one of before `positive` has that of the second of two."""
    split, parameters = {"text": ["good film", "bad film"]}, {"words": 5, "length": 3}
    fitted = TextInputs.fit_split(split, facts, parameters)
    fields, arrays = fitted.spec()
    outputs = np.array([[0.5, 0.375, 0.125][: len(facts["labels"])]])
    [answer] = TextInputs.from_spec(fields, arrays).to_answers(outputs)
    assert answer.get("score") == score
    del fields["positive"]
    before = TextInputs.from_spec(fields, arrays)
    assert before.spec()[0] == fields  # as its manifest's digest has it
    [answer] = before.to_answers(outputs)
    assert answer.get("score") == (0.375 if len(facts["labels"]) == 2 else None)
