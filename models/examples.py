"""From a prepared split to what Keras fits on: input tensors and targets."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.errors import WrongData, WrongParameter
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs, Windows
from models.inputs.texts import TextInputs

Inputs = ImageInputs | TextInputs | SeriesInputs
Split = Mapping[str, np.ndarray]


class Examples(NamedTuple):
    """Rows that a model can be fitted or measured on."""

    tensor: np.ndarray  # what `inputs.to_tensor` gives, (row, …)
    target: np.ndarray  # int64 label (row,), or float32 standard scores (window, horizon)
    windows: Windows | None  # of a series


def examples_of_a_fit(
    splits: Mapping[str, Split], facts: Mapping, parameters: Mapping
) -> tuple[Inputs, Examples, Examples]:
    """Return the inputs, fitted on the share of the training split that `parameters` name, and the
    examples to fit and to validate on.

    Raises WrongParameter, WrongData with the split's name, and InputError for a row that no model
    can read.
    """
    used = share_of(splits["train"], parameters["share"], facts)
    inputs = fit_inputs(used, facts, parameters)
    training = _of_split("train", inputs, used, parameters.get("stride", 1))
    validation = _of_split("validation", inputs, splits["validation"], facts.get("stride", 1))
    return inputs, training, validation


def share_of(split: Split, share: float, facts: Mapping) -> Split:
    """Return a part of a split: the latest rows of a series, else those of a fixed random draw."""
    if share == 1:
        return split
    rows = len(next(iter(split.values())))
    count = max(1, round(share * rows))
    if facts["task"] == "forecast":
        chosen = np.arange(rows - count, rows)
    else:
        chosen = np.random.default_rng(0).permutation(rows)[:count]
    return {name: column[chosen] for name, column in split.items()}


def fit_inputs(split: Split, facts: Mapping, parameters: Mapping) -> Inputs:
    """Fit the inputs of the dataset's task on the training split. Raises WrongParameter."""
    if facts["task"] == "image":
        return ImageInputs.fit(split["image"], facts["labels"], parameters["size"])
    if facts["task"] == "sentiment":
        words, length = parameters["words"], parameters["length"]
        ngrams = parameters.get("ngrams", 1)  # where order matters there is no such parameter
        if ngrams > 2:
            raise WrongParameter(f"ngrams must be 1 (words) or 2 (and pairs), not {ngrams!r}.")
        return TextInputs.fit(split["text"], facts["labels"], words, length, ngrams)
    return SeriesInputs.fit(split["value"], facts["history"], facts["horizon"])


def examples(inputs: Inputs, split: Split, stride: int = 1) -> Examples:
    """Turn a split into tensors and targets.

    stride: rows between neighbouring windows of a series.
    Raises WrongData when nothing is left, InputError when a row is not fit for the model.
    """
    if inputs.kind == "series":
        windows = inputs.windows(split, stride)
        if not len(windows.start):
            raise WrongData(
                f"No unbroken stretch of this split holds {inputs.history} values of history and "
                f"{inputs.horizon} observed targets: take a longer series, or less of both."
            )
        return Examples(inputs.to_tensor(windows.history), inputs.scaled(windows.target), windows)
    if not len(split["label"]):
        raise WrongData("A split without rows cannot be trained or measured on.")
    return Examples(inputs.to_tensor(split[inputs.kind]), split["label"], None)


def _of_split(name: str, inputs: Inputs, split: Split, stride: int) -> Examples:
    try:
        return examples(inputs, split, stride)
    except WrongData as error:
        raise WrongData(f"The {name} split: {error}") from error
