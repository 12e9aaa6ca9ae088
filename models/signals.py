"""Numbers that say what an input is like, for whoever watches a service for drift.

One function for both sides: the service measures requests, monitoring the held-out rows. What an
answer or the request log says anyway is not measured again. No code of a fit imports this module.
"""

from typing import Any

import numpy as np

from models.inputs.texts import SHORT_TEXT

# By the kind of the inputs, what `measured` returns.
NAMES = {
    "image": ("brightness", "contrast"),
    "text": ("unknown", "foreign"),
    "series": ("step", "repeats"),
}


def measured(inputs: Any, row: Any, tensor: np.ndarray) -> dict[str, float]:
    """Return the signals of one raw input, by their names.

    Args:
        inputs: those of the model.
        row: a raw input that it takes.
        tensor: what it made of the input, without the axis of rows.

    Returns:
        brightness, contrast: mean and standard deviation of the picture that the model reads, 0..1.
        unknown: which share of the words that are read the model does not know; foreign: which
        share of the characters is not ASCII; neither of a long text, whose words nobody remembers.
        step: root mean square of the changes from one value to the next, in standard scores;
        repeats: which share of the values that are read equals the one before.
    """
    if inputs.kind == "text":
        return _of_text(inputs, row)
    values = tensor.reshape(-1)
    return _of_series(values) if inputs.kind == "series" else _of_picture(values)


def _of_picture(pixels: np.ndarray) -> dict[str, float]:
    # By sums alone: numpy's own deviation takes five times as long for a small picture.
    mean = float(pixels.sum()) / len(pixels)
    variance = float(pixels.dot(pixels)) / len(pixels) - mean * mean
    return {"brightness": mean, "contrast": max(variance, 0.0) ** 0.5}


def _of_text(inputs: Any, text: str) -> dict[str, float]:
    if len(text) > SHORT_TEXT:
        return {}
    foreign = 0.0 if text.isascii() else 1 - len(text.encode("ascii", "ignore")) / len(text)
    return {"unknown": inputs.unknown_share([text]), "foreign": foreign}


def _of_series(values: np.ndarray) -> dict[str, float]:
    changes = values[1:] - values[:-1]
    count = max(len(changes), 1)  # a model may read a single value
    return {
        "step": (float(changes.dot(changes)) / count) ** 0.5,
        "repeats": 1 - int(np.count_nonzero(changes)) / count,
    }
