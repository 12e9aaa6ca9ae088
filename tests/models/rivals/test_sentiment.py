"""The classical rival for texts learns, and its scores are those that a model would get."""

import numpy as np
import pytest
from small_data import SENTIMENT, reviews

from models.errors import WrongData
from models.rivals import sentiment


@pytest.fixture(scope="module")
def scored():
    return sentiment.rivals(reviews(), SENTIMENT)


@pytest.mark.parametrize("name", [sentiment.TF_IDF, sentiment.NB_SVM])
def test_a_rival_is_scored_on_validation_and_test(scored, name):
    splits, scores = reviews(), scored[name]
    assert set(scores) == {"validation", "test"}
    for name, one in scores.items():
        assert one.metrics["accuracy"] > 0.95 > one.metrics["floor"]
        assert one.naive.startswith("always ")
        assert one.rows["probabilities"].shape == (len(splits[name]["label"]), 2)


def test_a_class_that_the_training_split_lacks_is_never_predicted(scored):
    splits = reviews()
    facts = SENTIMENT | {"labels": ["unseen", "negative", "positive"]}
    shifted = {name: {**one, "label": one["label"] + 1} for name, one in splits.items()}
    for name, scores in sentiment.rivals(shifted, facts).items():
        chances = scores["test"].rows["probabilities"]
        assert not chances[:, 0].any()
        assert np.allclose(chances[:, 1:], scored[name]["test"].rows["probabilities"])


def test_triples_tell_what_words_and_pairs_do_not(monkeypatch):
    """The class is the sum of the first and the last of three words, modulo three."""
    first, last = np.random.default_rng(0).integers(0, 3, (2, 600))
    texts = [f"a{one} middle b{other}" for one, other in zip(first, last, strict=True)]
    split = {"text": np.array(texts, object), "label": (first + last) % 3}
    splits = dict.fromkeys(("train", "validation", "test"), split)
    facts = SENTIMENT | {"labels": ["0", "1", "2"]}
    pairs, triples = (one["test"].metrics for one in sentiment.rivals(splits, facts).values())
    assert pairs["accuracy"] < 0.7 < triples["accuracy"] == 1
    monkeypatch.setattr(sentiment, "CHARACTERS", 50 * len(texts[0]))
    _, few = sentiment.rivals(splits, facts).values()
    assert few["test"].metrics["log_loss"] > triples["log_loss"]


def test_texts_without_a_common_word_are_refused():
    train = {"text": np.array(["one", "two"], object), "label": np.array([0, 1])}
    with pytest.raises(WrongData, match="in common"):
        sentiment.rivals(reviews() | {"train": train}, SENTIMENT)
