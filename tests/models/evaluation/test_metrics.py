"""Each metric is scikit-learn's, and each row's value is what a weight on that row does to it."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sklearn

from models.evaluation.metrics import METRICS

ROWS, CHANGE = 300, 1e-5


def rows_of(classes: int, positive: bool) -> dict[str, np.ndarray]:
    """Rows of a mediocre model, with ties among its probabilities."""
    random = np.random.default_rng(classes)
    label = random.integers(0, classes, ROWS)
    chances = 0.6 * random.dirichlet(np.ones(classes), ROWS)
    chances[np.arange(ROWS), label] += 0.4 * random.random(ROWS)
    chances = chances.round(2) + 1e-3
    chances /= chances.sum(axis=1, keepdims=True)
    predicted = chances.argmax(axis=1)
    return {
        "label": label,
        "predicted": predicted,
        "correct": predicted == label,
        "probabilities": chances,
        "prior": np.bincount(label) / ROWS,
        "costs": random.random((classes, classes)),
        **({"positive": np.int64(1)} if positive else {}),
    }


def _one_against_all(score, rows, sample_weight):
    classes = [1] if "positive" in rows else range(rows["probabilities"].shape[1])
    truths = [(rows["label"] == one, rows["probabilities"][:, one]) for one in classes]
    return np.mean([score(*pair, sample_weight=sample_weight) for pair in truths])


def _f1(average):
    return partial(sklearn.f1_score, average=average, labels=[1] if average is None else None)


EXPECTED = {
    "accuracy": (sklearn.accuracy_score, "predicted"),
    "balanced_accuracy": (sklearn.balanced_accuracy_score, "predicted"),
    "macro_f1": (_f1("macro"), "predicted"),
    "f1": (_f1(None), "predicted"),
    "roc_auc": (sklearn.roc_auc_score, None),
    "average_precision": (sklearn.average_precision_score, None),
    "log_loss": (sklearn.log_loss, "probabilities"),
}


@pytest.mark.parametrize(("classes", "positive"), [(2, True), (2, False), (4, True), (4, False)])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_metric_is_scikit_learns_and_so_is_what_each_row_does_to_it(name, classes, positive):
    if name == "f1" and not positive:
        return
    rows, (score, column) = rows_of(classes, positive), EXPECTED[name]

    def expected(weight=None):
        if column is None:
            return _one_against_all(score, rows, weight)
        return np.mean(score(rows["label"], rows[column], sample_weight=weight))

    values = METRICS[name].values(rows)
    assert values.mean() == pytest.approx(expected(), abs=1e-12)
    for row in (0, 7, 150):
        moved = expected(1 + CHANGE * np.eye(ROWS)[row])
        derivative = (moved - expected()) / CHANGE
        assert (values[row] - values.mean()) / ROWS == pytest.approx(derivative, abs=1e-6)


def test_a_cost_is_what_its_mistakes_cost():
    rows = rows_of(2, True) | {"costs": np.array([[0, 1], [20, 0]])}
    missed = np.count_nonzero((rows["label"] == 1) & ~rows["correct"])
    alarms = np.count_nonzero((rows["label"] == 0) & ~rows["correct"])
    assert METRICS["cost"].of(rows) == pytest.approx((alarms + 20 * missed) / ROWS)


@pytest.mark.parametrize(
    ("name", "naive"),
    [
        ("balanced_accuracy", 0.5),
        ("macro_f1", 0.97 / 1.97),
        ("f1", 0.06 / 1.03),
        ("roc_auc", 0.5),
        ("average_precision", 0.03),
        ("log_loss", -0.03 * np.log(0.03) - 0.97 * np.log(0.97)),
        ("cost", 0.97),
    ],
)
def test_the_naive_answer_is_the_best_that_needs_no_learning(name, naive):
    """Of 3 % positive rows; a missed one costs 50 times a false alarm, so that all are alarms."""
    rows = {
        "label": (np.arange(1000) < 30).astype(int),
        "prior": np.array([0.97, 0.03]),
        "positive": np.int64(1),
        "costs": np.array([[0, 1], [50, 0]]),
    }
    metric = METRICS[name]
    assert metric.of(metric.naive(rows)) == pytest.approx(naive, abs=1e-3)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_rows_of_one_class_have_no_order(name):
    rows = rows_of(2, True) | {"label": np.zeros(ROWS, int)}
    assert np.isnan(METRICS[name].of(rows))
