"""The votes of the perceptron over texts: naive Bayes' log-count ratios of the training rows."""

import numpy as np
import pytest
from scored import scores_of
from small_data import SENTIMENT, reviews

from models import architectures
from models.sentiment import perceptron
from models.training import fit as training


def test_the_votes_are_the_log_count_ratios_of_each_class_against_all_others():
    model = perceptron.build(5, 3, 2)
    ids = np.array([[0, 2, 3], [2, 3, 3], [0, 0, 4]], np.int32)
    perceptron.adapt(model, ids, np.array([0, 0, 1]))
    votes = model.get_layer("votes").get_weights()[0]
    # Padding is never counted, then each of the five once more: 1, 1, 3, 4, 1 and 1, 1, 1, 1, 2.
    expected = np.log([1 / 10, 1 / 10, 3 / 10, 4 / 10, 1 / 10]) - np.log(
        [1 / 6, 1 / 6, 1 / 6, 1 / 6, 2 / 6]
    )
    assert votes[:, 0] == pytest.approx(expected, abs=1e-6)
    assert votes[:, 1] == pytest.approx(-expected, abs=1e-6)
    model = perceptron.build(3, 1, 3)
    perceptron.adapt(model, np.array([[2], [2], [1], [2]], np.int32), np.array([0, 0, 1, 2]))
    votes = model.get_layer("votes").get_weights()[0]
    assert votes[2, 1] == pytest.approx(np.log(1 / 4) - np.log(4 / 6), abs=1e-6)


def test_training_learns_factors_and_leaves_the_votes():
    splits = reviews()
    parameters = architectures.resolve("sentiment", "perceptron", {}, SENTIMENT)
    fitted = training.train("sentiment", "perceptron", parameters, splits, SENTIMENT, seed=0)
    kept = fitted.model.get_layer("votes").get_weights()[0]
    train = splits["train"]
    perceptron.adapt(fitted.model, fitted.inputs.to_tensor(train["text"]), train["label"])
    assert np.array_equal(kept, fitted.model.get_layer("votes").get_weights()[0])
    assert np.abs(kept).max() > 1
    scores = scores_of(fitted, splits, SENTIMENT)
    assert scores.metrics["accuracy"] > 0.95
