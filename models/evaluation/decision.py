"""Which label follows from probabilities, chosen on validation in the metric that matters.

Each class's probability is weighed before the likeliest is taken: of two classes that is a
threshold. Argmax is right for accuracy alone; for F1 see Lipton, Elkan and Naryanaswamy, Optimal
Thresholding of Classifiers to Maximize F1 Measure, ECML PKDD, 2014.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation import metrics, naive
from models.evaluation.metrics import ACCURACY, Metric, Rows
from models.examples import Inputs, Split, examples
from models.inputs.answers import decided

if TYPE_CHECKING:
    from models.training.epochs import Judge

TRIED = 200  # weights of all classes together


def answered(
    probabilities: np.ndarray,
    label: np.ndarray,
    training: np.ndarray,
    facts: Mapping,
    weights: Sequence[float] = (),
) -> dict[str, np.ndarray]:
    """Return what metrics read of classified rows.

    Args:
        probabilities: (row, class).
        label: the true ones (row,).
        training: the labels of the training split.
        facts: the dataset's.
        weights: of the classes.
    """
    predicted, labels = decided(probabilities, weights), facts["labels"]
    rows = {
        "label": label,
        "probabilities": probabilities,
        "predicted": predicted,
        "correct": predicted == label,
        "naive_correct": label == naive.majority(training),
        "prior": np.bincount(training, minlength=len(labels)) / len(training),
    }
    if "positive" in facts:
        rows["positive"] = np.int64(labels.index(facts["positive"]))
    if "costs" in facts:
        rows["costs"] = np.array(facts["costs"])
    return rows


def weights(metric: Metric, rows: Rows) -> tuple[float, ...]:
    """Return the weight of each class that does best on the rows; empty where argmax does.

    One class after the other, from the rarest: of two classes a single threshold.
    """
    if not metric.threshold:
        return ()
    chances, prior = rows["probabilities"], rows["prior"]
    chosen = [1.0] * len(prior)
    best = first = metric.sign * metric.of(rows)
    for label in np.argsort(prior, kind="stable")[: len(prior) - (len(prior) == 2)]:
        others = np.delete(chances * chosen, label, axis=1).max(axis=1)
        # From this weight on a row is answered with the label.
        turns = np.unique(others / chances[:, label].clip(1e-12))
        middles = np.sqrt(turns[1:] * turns[:-1])
        places = np.linspace(0, len(middles) - 1, max(5, TRIED // len(prior)))
        for weight in middles[np.unique(places.astype(int))] if len(middles) else ():
            tried = [*chosen[:label], float(weight), *chosen[label + 1 :]]
            score = metric.sign * metric.of(_applied(rows, tried))
            if score > best:
                chosen, best = tried, score
    return tuple(chosen) if best > first else ()


def on_validation(
    outputs: np.ndarray, splits: Mapping[str, Split], facts: Mapping
) -> tuple[float, ...]:
    """Return the weights that do best on validation in the dataset's metric.

    Args:
        outputs: probabilities of the validation split (row, class).
        splits: train and validation, as prepared.
        facts: the dataset's.
    """
    validation, training = (splits[name]["label"] for name in ("validation", "train"))
    return weights(metrics.of(facts), answered(outputs, validation, training, facts))


def deciding(
    run: Callable[[np.ndarray], np.ndarray],
    inputs: Inputs,
    splits: Mapping[str, Split],
    facts: Mapping,
) -> Inputs:
    """Return inputs whose answers are the labels that do best on validation.

    Args:
        run: the fitted model, from a tensor (row, …) to outputs (row, …).
        inputs: fitted inputs.
        splits: train and validation, as prepared.
        facts: the dataset's.
    """
    if not metrics.of(facts).threshold:
        return inputs
    outputs = run(examples(inputs, splits["validation"]).tensor)
    return replace(inputs, weights=on_validation(outputs, splits, facts))


def judge(splits: Mapping[str, Split], facts: Mapping) -> "Judge | None":
    """Return what tells the epochs of a fit apart on validation; None where its loss does.

    Args:
        splits: train and validation, as prepared.
        facts: the dataset's.
    """
    from models.training.epochs import Judge  # imports Keras

    metric = metrics.of(facts)
    if metric is ACCURACY or (metric.series and metric.power == 1):
        return None
    if metric.series:

        def off(inputs: Inputs, outputs: np.ndarray) -> float:
            windows = inputs.windows(splits["validation"], facts["stride"])
            return float(
                np.sqrt(
                    np.square(inputs.unscaled(outputs, windows.history) - windows.target).mean()
                )
            )

        return Judge("rmse", metric.sign, off)
    validation, training = (splits[name]["label"] for name in ("validation", "train"))

    def of(inputs: Inputs, outputs: np.ndarray) -> float:
        rows = answered(outputs, validation, training, facts)
        return metric.of(_applied(rows, weights(metric, rows)))

    return Judge(metric.name, metric.sign, of)


def _applied(rows: Rows, weights: Sequence[float]) -> dict[str, np.ndarray]:
    """The rows as they are answered with these weights of the classes."""
    predicted = decided(rows["probabilities"], weights)
    return {**rows, "predicted": predicted, "correct": predicted == rows["label"]}
