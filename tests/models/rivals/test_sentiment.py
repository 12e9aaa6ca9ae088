"""The classical rival for texts learns, and its scores are those that a model would get."""

import numpy as np
import pytest
from small_data import SENTIMENT, reviews

from models.errors import WrongData
from models.rivals import sentiment


def test_the_rival_is_scored_on_validation_and_test():
    splits = reviews()
    [scores] = sentiment.rivals(splits, SENTIMENT).values()
    assert set(scores) == {"validation", "test"}
    for name, one in scores.items():
        assert one.metrics["accuracy"] > 0.95 > one.metrics["floor"]
        assert one.naive.startswith("always ")
        assert one.rows["probabilities"].shape == (len(splits[name]["label"]), 2)


def test_a_class_that_the_training_split_lacks_is_never_predicted():
    splits = reviews()
    facts = SENTIMENT | {"labels": ["unseen", "negative", "positive"]}
    shifted = {name: {**one, "label": one["label"] + 1} for name, one in splits.items()}
    scores = sentiment.rivals(shifted, facts)[sentiment.NAME]["test"]
    assert scores.metrics["accuracy"] > 0.95
    assert not scores.rows["probabilities"][:, 0].any()


def test_texts_without_a_common_word_are_refused():
    train = {"text": np.array(["one", "two"], object), "label": np.array([0, 1])}
    with pytest.raises(WrongData, match="in common"):
        sentiment.rivals(reviews() | {"train": train}, SENTIMENT)
