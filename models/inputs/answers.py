"""What an answer looks like, and when two of them are equal."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.inputs.errors import InputError

TOLERANCE = 1e-4  # two outputs are equal within this, in the model's own output space
TIE = 2e-4  # the top class may differ where the best two are closer than this


def predict(
    inputs: Any, run: Callable[[np.ndarray], np.ndarray], rows: Any, **options: Any
) -> tuple[np.ndarray, list[dict]]:
    """Return the tensor that the model reads of raw inputs, and its answer to each.

    Args:
        inputs: those of the model.
        run: the model, from a tensor to outputs.
        rows: as `to_tensor` takes them.
        options: of a forecast: horizon, level.

    Raises:
        InputError: a row is against a rule, or the model has no finite answer to one.
    """
    tensor = inputs.to_tensor(rows)
    outputs = run(tensor)
    if not math.isfinite(outputs.sum()):
        raise InputError("no_finite_answer", "The model has no finite answer to this input.")
    if inputs.kind == "series":
        return tensor, inputs.answers(run, rows, outputs, **options)
    return tensor, inputs.to_answers(outputs, **options)


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
