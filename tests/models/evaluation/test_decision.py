"""Which label an answer has: chosen on validation, kept in the inputs, told like any other."""

import numpy as np
import pytest

from models.evaluation import decision, measure
from models.evaluation.metrics import METRICS
from models.training.epochs import Judge

RARE = {"task": "image", "labels": ["no", "yes"], "metric": "f1", "positive": "yes"}
COSTS = [[0, 1], [20, 0]]


def rare(seed: int = 0, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which 3 % are 1, and probabilities that know a little and never say it."""
    random = np.random.default_rng(seed)
    label = (random.random(rows) < 0.03).astype(int)
    score = 1 / (1 + np.exp(3.5 - 1.5 * label - random.standard_normal(rows) / 2))
    return label, np.stack([1 - score, score], axis=1)


def splits() -> dict[str, dict[str, np.ndarray]]:
    return {name: {"label": rare(n)[0]} for n, name in enumerate(("train", "validation", "test"))}


@pytest.mark.parametrize(
    "facts", [RARE, RARE | {"metric": "cost", "costs": COSTS}, RARE | {"metric": "macro_f1"}]
)
def test_a_threshold_of_validation_does_better_on_test_than_the_likeliest_label(facts):
    outputs = {"validation": rare(1)[1], "test": rare(2)[1]}
    metric = METRICS[facts["metric"]]
    likeliest, tuned = (
        measure.score_probabilities(outputs, splits(), facts, weights)["test"]
        for weights in ((), None)
    )
    gain = metric.sign * (tuned.metrics[metric.name] - likeliest.metrics[metric.name])
    assert gain > 0.1
    assert tuned.rows["predicted"].sum() > likeliest.rows["predicted"].sum() == 0


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "average_precision", "log_loss"])
def test_what_no_threshold_changes_has_none(name):
    label, chances = rare()
    rows = decision.answered(chances, label, label, RARE)
    assert decision.weights(METRICS[name], rows) == ()


def test_three_classes_are_weighed_one_after_the_other():
    random = np.random.default_rng(0)
    label = random.choice(3, 3000, p=[0.9, 0.07, 0.03])
    chances = np.array([0.9, 0.07, 0.03]) * np.exp(
        np.eye(3)[label] + random.normal(0, 1, (3000, 3))
    )
    chances /= chances.sum(axis=1, keepdims=True)
    rows = decision.answered(chances, label, label, {"labels": list("abc")})
    metric = METRICS["balanced_accuracy"]
    weights = decision.weights(metric, rows)
    tuned = decision.answered(chances, label, label, {"labels": list("abc")}, weights)
    assert metric.of(tuned) > metric.of(rows) + 0.1


def test_epochs_are_told_apart_by_the_metric_at_its_best_threshold():
    assert decision.judge(splits(), RARE | {"metric": "accuracy"}) is None
    judge = decision.judge(splits(), RARE)
    assert isinstance(judge, Judge)
    never, knowing = np.tile([0.97, 0.03], (2000, 1)), rare(1)[1]
    assert (judge.name, judge.sign) == ("positive_f1", 1)
    assert judge.of(None, never) < 0.1 < judge.of(None, knowing) - 0.1
