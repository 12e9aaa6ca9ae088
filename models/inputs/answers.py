"""What an answer looks like, and when two of them are equal."""

from collections.abc import Mapping, Sequence

import numpy as np

TOLERANCE = 1e-4  # two outputs are equal within this, in the model's own output space
TIE = 2e-4  # the top class may differ where the best two are closer than this


def decided(probabilities: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the label (row,) of probabilities (row, class), each class's weighed if there are
    weights: of two classes that is a threshold."""
    return (probabilities * weights if len(weights) else probabilities).argmax(axis=1)


def class_answer(labels: Sequence[str], row: list[float], weights: Sequence[float] = ()) -> dict:
    weighed = _weighed(row, weights)
    return {
        "label": labels[weighed.index(max(weighed))],
        "probabilities": dict(zip(labels, row, strict=True)),
    }


def same_classes(expected: Mapping, answer: Mapping, weights: Sequence[float] = ()) -> bool:
    wanted, given = expected["probabilities"], answer["probabilities"]
    if wanted.keys() != given.keys():
        return False
    if any(not abs(wanted[label] - given[label]) <= TOLERANCE for label in wanted):
        return False
    if expected["label"] == answer["label"]:
        return True
    second, first = sorted(_weighed(list(wanted.values()), weights))[-2:]
    return first - second < TIE * max(weights, default=1)


def _weighed(row: list[float], weights: Sequence[float]) -> list[float]:
    return [one * weight for one, weight in zip(row, weights, strict=True)] if weights else row
