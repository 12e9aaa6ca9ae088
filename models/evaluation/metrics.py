"""The metrics that a dataset may be decided by, `metric:` of its entry, each declared once.

A metric turns the rows of a split (`measure.Scores.rows`) into one value a row, whose mean it is.
What is no mean over rows gives the values of the infinitesimal jackknife: the metric, and how it
moves as the row gets more weight (Efron, The Jackknife, the Bootstrap and Other Resampling Plans,
1982, chapter 6; of ROC AUC that is the test of DeLong, DeLong and Clarke-Pearson, Biometrics,
1988). Intervals, paired tests, slices and early stopping then need to know no metric by its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Rows = Mapping[str, np.ndarray]
BINS = 15  # of the calibration error
LEVEL = 0.95  # of the intervals that are kept for plots, and of that of a score
COVERED = (0.80, LEVEL)  # of the intervals whose coverage and loss are measured
LEAST = 1e-15  # the least probability that a logarithm is of


@dataclass(frozen=True)
class Metric:
    """What tells models apart.

    name: how it is recorded: `test_<name>`. text: how a person reads it.
    values: from the rows to (row,), whose mean is the metric; nan where it says nothing of them.
    threshold: whether a threshold other than the likeliest label may do better.
    additive: whether each value is of its row alone, so that it means something on one class.
    constant: from the share of each class to the label that does best as the answer to all.
    series: whether it is of forecasts, relative to the best naive one.
    power: of a forecast's errors; of squares the root of the mean is taken.
    column: of a forecast's rows, what it is the mean of; the naive one's is `naive_` and that.
    """

    name: str
    text: str
    values: Callable[[Rows], np.ndarray] = lambda rows: rows["error"]
    more_is_better: bool = True
    threshold: bool = False
    additive: bool = False
    constant: Callable[[Rows], int] = lambda rows: int(rows["prior"].argmax())
    series: bool = False
    power: int = 1
    column: str = "error"

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.more_is_better else -1

    def of(self, rows: Rows) -> float:
        """The metric of the rows."""
        return float(self.values(rows).mean())

    def naive(self, rows: Rows) -> dict[str, np.ndarray]:
        """The rows as if they had been answered without having learned anything.

        Of classes that is one label for all, and the shares of the training split.
        """
        if self.series:
            return {**rows, self.column: rows[f"naive_{self.column}"]}
        if self is ACCURACY:
            return {**rows, "correct": rows["naive_correct"]}
        label = np.full(len(rows["label"]), self.constant(rows))
        shares = np.tile(rows["prior"], (len(label), 1))
        correct = label == rows["label"]
        return {**rows, "predicted": label, "probabilities": shares, "correct": correct}

    def grain(self, rows: Rows) -> float:
        """About what one row more does to it: rows that all agree prove no sameness."""
        label, counts = np.unique(rows["label"], return_counts=True)
        if self is ACCURACY:
            return 1 / len(rows["label"])
        if self.threshold and self.additive:  # the dearest mistake
            return float(rows["costs"].max() / len(rows["label"]))
        if self.threshold:  # an answer is right or wrong
            return 1 / counts.min()
        moves = self.values(rows)[rows["label"] == label[counts.argmin()]] - self.of(rows)
        return float(np.sqrt(np.mean(moves**2)) / len(rows["label"]))


def of(facts: Mapping) -> Metric:
    """The metric of a dataset; its default where the facts name none.

    Args:
        facts: the dataset's, with its task.
    """
    return METRICS[facts.get("metric") or ("mae" if facts["task"] == "forecast" else "accuracy")]


def rooted(squares: np.ndarray, naive_squares: np.ndarray) -> np.ndarray:
    """Return values (seed, row) whose mean over the naive one is the root of that of the squares,
    and moves as the root does, to first order."""
    base = naive_squares if naive_squares.any() else np.ones_like(naive_squares)
    root = np.sqrt(squares.mean(axis=1, keepdims=True) / base.mean())
    return squares / (2 * np.maximum(root, LEAST)) + root * base / 2


def radii(inputs: Any, history: np.ndarray) -> dict[float, np.ndarray]:
    """Return level → half-width of the interval at each step, in the data's own unit."""
    return {level: inputs.radius(level, history) for level in COVERED}


def pinball(error: np.ndarray, radii: Mapping[float, np.ndarray]) -> np.ndarray:
    """Return the mean pinball loss of a forecast's quantiles: its median and its intervals' ends
    (Koenker and Bassett, Regression Quantiles, Econometrica, 1978).

    That of both ends of an interval is its width and what falls outside, as in the interval score
    of Gneiting and Raftery, Journal of the American Statistical Association, 2007.

    error: absolute (window, step). radii: level → the interval's half-width at each step.
    """
    ends = [(1 - p) * radius + np.maximum(error - radius, 0) for p, radius in radii.items()]
    return (error / 2 + sum(ends)) / (1 + 2 * len(ends))


def foreseen(target: np.ndarray, forecast: np.ndarray, facts: Mapping) -> dict[str, np.floating]:
    """Recall and precision of the values beyond a level that matters, where any are.

    Args:
        target: (window, step), in the data's own unit.
        forecast: likewise.
        facts: the dataset's, with `below` and `above` where they are levels that matter.
    """
    scores: dict[str, np.floating] = {}
    for name, beyond in (("below", np.less), ("above", np.greater)):
        if name in facts:
            true, said = beyond(target, facts[name]), beyond(forecast, facts[name])
            hits = (true & said).sum()
            scores |= {f"recall_{name}": hits / true.sum()} if true.any() else {}
            scores |= {f"precision_{name}": hits / said.sum()} if said.any() else {}
    return scores


def calibration_error(certainty: np.ndarray, correct: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of equal width (Guo, Pleiss, Sun and
    Weinberger, On Calibration of Modern Neural Networks, ICML, 2017).

    certainty: of each answer (row,). correct: bool (row,).
    """
    bins = np.minimum(certainty * BINS, BINS - 1).astype(int)
    gaps = np.bincount(bins, certainty - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(certainty))


def _accuracy(rows: Rows) -> np.ndarray:
    return rows["correct"].astype(float)


def _balanced_accuracy(rows: Rows) -> np.ndarray:
    """The mean of the classes' recalls, as scikit-learn's `balanced_accuracy_score`."""
    _, index, counts = np.unique(rows["label"], return_inverse=True, return_counts=True)
    hits = rows["predicted"] == rows["label"]
    recall = np.bincount(index, hits) / counts
    weight = len(hits) / (len(counts) * counts)
    return recall.mean() + (hits - recall[index]) * weight[index]


def _f1(rows: Rows) -> np.ndarray:
    """Of the positive label, as scikit-learn's `f1_score`; of rows without any it says nothing."""
    if not (rows["label"] == rows["positive"]).any():
        return np.full(len(rows["label"]), np.nan)
    return _f1_of(rows, int(rows["positive"]))


def _macro_f1(rows: Rows) -> np.ndarray:
    """The mean over the classes that there are rows of, as scikit-learn's `f1_score` of them."""
    return np.mean([_f1_of(rows, label) for label in np.unique(rows["label"])], axis=0)


def _f1_of(rows: Rows, label: int) -> np.ndarray:
    """Twice the hits over what is and what is said to be of the class: a ratio of two means."""
    truth, said = rows["label"] == label, rows["predicted"] == label
    hits, either = 2.0 * (truth & said), truth.astype(float) + said
    if not either.any():
        return np.zeros(len(truth))
    score = hits.mean() / either.mean()
    return score + (hits - score * either) / either.mean()


def _roc_auc(rows: Rows) -> np.ndarray:
    """The chance that a row of a class looks more like it than one of another class."""
    return _over_classes(rows, _roc_auc_of)


def _roc_auc_of(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Each row's share of the rows of the other side that it is on the right side of."""
    from scipy.stats import rankdata

    ranks, count, positive = rankdata(score), len(truth), truth.sum()
    right = np.empty(count)
    right[truth] = (ranks[truth] - rankdata(score[truth])) / (count - positive)
    right[~truth] = 1 - (ranks[~truth] - rankdata(score[~truth])) / positive
    area = right[truth].mean()
    return area + (right - area) * np.where(truth, count / positive, count / (count - positive))


def _average_precision(rows: Rows) -> np.ndarray:
    """The mean precision at each row of a class, as scikit-learn's `average_precision_score`."""
    return _over_classes(rows, _average_precision_of)


def _average_precision_of(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    count, positive = len(truth), truth.sum()
    levels, level = np.unique(-score, return_inverse=True)  # rows of one score stand together
    hits = np.bincount(level, truth, len(levels))
    above, true_above = np.cumsum(np.bincount(level)), np.cumsum(hits)
    precision = true_above / above
    area = (hits @ precision) / positive

    def below(values: np.ndarray) -> np.ndarray:
        return np.cumsum((hits * values)[::-1])[::-1][level]

    # A row's weight counts among those above each row of the class that is not above itself.
    moved = truth * (precision[level] - area + below(1 / above)) - below(precision / above)
    return area + moved * count / positive


def _over_classes(rows: Rows, of_class: Callable) -> np.ndarray:
    """Of the positive label; where there is none the mean over the classes, each against all."""
    label = rows["label"]
    classes = [int(rows["positive"])] if "positive" in rows else np.unique(label)
    truths = [label == one for one in classes]
    if any(truth.all() or not truth.any() for truth in truths):
        return np.full(len(label), np.nan)
    each = zip(truths, classes, strict=True)
    return np.mean([of_class(t, rows["probabilities"][:, one]) for t, one in each], axis=0)


def _log_loss(rows: Rows) -> np.ndarray:
    chance = rows["probabilities"][np.arange(len(rows["label"])), rows["label"]]
    return -np.log(chance.clip(LEAST))


def _cost(rows: Rows) -> np.ndarray:
    """What is predicted as -1 has no cost: its label is gone (`pipelines.experiments.scores`)."""
    cost = rows["costs"][rows["label"], rows["predicted"]]
    return np.where(rows["predicted"] < 0, np.nan, cost)


ACCURACY = Metric("accuracy", "accuracy", _accuracy, additive=True)
MAE = Metric("relative_mae", "relative MAE", more_is_better=False, series=True)

# By the word in params.yaml. F1 is recorded under a longer name: `f1` is the mean over the classes.
METRICS = {
    "accuracy": ACCURACY,
    "balanced_accuracy": Metric(
        "balanced_accuracy", "balanced accuracy", _balanced_accuracy, threshold=True
    ),
    "macro_f1": Metric("macro_f1", "macro F1", _macro_f1, threshold=True),
    "f1": Metric(
        *("positive_f1", "F1 of the positive label", _f1),
        threshold=True,
        constant=lambda rows: int(rows["positive"]),
    ),
    "roc_auc": Metric("roc_auc", "ROC AUC", _roc_auc),
    "average_precision": Metric("average_precision", "average precision", _average_precision),
    "log_loss": Metric("log_loss", "log loss", _log_loss, more_is_better=False, additive=True),
    "cost": Metric(
        *("cost", "cost a row", _cost),
        more_is_better=False,
        threshold=True,
        additive=True,
        constant=lambda rows: int((rows["prior"] @ rows["costs"]).argmin()),
    ),
    "mae": MAE,
    "rmse": Metric("relative_rmse", "relative RMSE", more_is_better=False, series=True, power=2),
    "pinball": Metric(
        *("relative_pinball", "relative pinball loss"),
        more_is_better=False,
        series=True,
        column="pinball",
    ),
}
