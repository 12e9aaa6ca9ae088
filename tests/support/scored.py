"""How good a fitted Keras model is on the test split, as the product scores its graph."""

from collections.abc import Mapping
from functools import partial

from models.evaluation import measure
from models.evaluation.measure import Scores
from models.training.fit import Fitted, predict


def scores_of(fitted: Fitted, splits: Mapping, facts: Mapping) -> Scores:
    """Score a fitted model on the test split."""
    run = partial(predict, fitted.model)
    return measure.score(run, fitted.inputs, splits, facts, ["test"])["test"]
