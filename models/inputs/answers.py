"""What an answer looks like, and when two of them are equal."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.inputs.errors import InputError

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-4  # two outputs are equal within this, in the model's own output space
TIE = 2e-4  # the top class may differ where the best two are closer than this


def predict(
    inputs: Any, run: "Callable[[np.ndarray], np.ndarray]", rows: Any, **options: Any
) -> "tuple[np.ndarray, list[dict]]":
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


def class_answer(labels: Sequence[str], row: list[float]) -> dict:
    return {
        "label": labels[row.index(max(row))],
        "probabilities": dict(zip(labels, row, strict=True)),
    }


def same_classes(expected: Mapping, answer: Mapping) -> bool:
    wanted, given = expected["probabilities"], answer["probabilities"]
    if wanted.keys() != given.keys():
        return False
    if any(not abs(wanted[label] - given[label]) <= TOLERANCE for label in wanted):
        return False
    if expected["label"] == answer["label"]:
        return True
    second, first = sorted(wanted.values())[-2:]
    return first - second < TIE
