"""From a prepared split to what Keras fits on: input tensors and targets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from models.errors import WrongData
from models.inputs import kinds
from models.inputs.kinds import Split

Inputs = Any  # one of the classes in `models/inputs/`, whose common part is `kinds.Inputs`


class Examples(NamedTuple):
    """Rows that a model can be fitted or measured on."""

    tensor: np.ndarray  # what `inputs.to_tensor` gives, (row, …)
    target: np.ndarray  # int64 label (row,), or float32 standard scores (window, horizon)
    windows: Any  # `inputs.series.Windows` of a series, else None


def examples_of_a_fit(
    splits: Mapping[str, Split], facts: Mapping, parameters: Mapping
) -> tuple[Inputs, Examples, Examples]:
    """Return fitted inputs, and the examples to fit and to validate on.

    Args:
        splits: train and validation, as prepared.
        facts: the dataset's.
        parameters: the architecture's; `share` names the part of the training split to use.

    Raises:
        WrongData: nothing is left of a split; the message has its name.
        InputError: a row that no model can read.
    """
    used = share_of(splits["train"], parameters["share"], facts)
    inputs = fit_inputs(used, facts, parameters)
    training = _of_split("train", inputs, used, parameters.get("stride", 1))
    validation = _of_split("validation", inputs, splits["validation"], facts.get("stride", 1))
    return inputs, training, validation


def share_of(split: Split, share: float, facts: Mapping) -> Split:
    """Return a part of a split: the latest rows of all series, else those of a fixed random draw.

    Where holes leave the latest rows of a series not half their share of windows, more are taken.

    Args:
        split: columns (row,) by name.
        share: over 0, at most 1.
        facts: the dataset's.
    """
    if share == 1:
        return split
    rows = len(next(iter(split.values())))
    count = max(1, round(share * rows))
    if facts["task"] == "forecast":
        time = split["time"]
        start = np.sort(time[fit_inputs(split, facts, {}).window_starts(split)])
        wanted = min(len(start), max(1, round(share * len(start))))
        first = np.sort(time)[rows - count]
        if 2 * np.count_nonzero(start >= first) < wanted:
            first = start[-wanted]
        chosen = np.flatnonzero(time >= first)
    else:
        chosen = np.random.default_rng(0).permutation(rows)[:count]
    return {name: column[chosen] for name, column in split.items()}


def fit_inputs(split: Split, facts: Mapping, parameters: Mapping) -> Inputs:
    """Return the inputs of the dataset's task, fitted on the training split.

    Args:
        split: the training split.
        facts: the dataset's.
        parameters: the architecture's.
    """
    return kinds.of_task(facts["task"]).fit_split(split, facts, parameters)


def examples(inputs: Inputs, split: Split, stride: int = 1) -> Examples:
    """Turn a split into tensors and targets.

    Args:
        inputs: fitted inputs.
        split: columns (row,) by name.
        stride: rows between neighbouring windows of a series.

    Raises:
        WrongData: nothing is left.
        InputError: a row that no model can read.
    """
    if inputs.kind == "series":
        windows = inputs.windows(split, stride)
        if not len(windows.start):
            raise WrongData(
                f"No unbroken stretch of this split holds {inputs.history} values of history and "
                f"{inputs.horizon} observed targets: take a longer series, or less of both."
            )
        targets = inputs.scaled(windows.target, windows.history)
        return Examples(inputs.to_tensor(windows.history), targets, windows)
    if not len(split["label"]):
        raise WrongData("A split without rows cannot be trained or measured on.")
    return Examples(inputs.to_tensor(split[inputs.kind]), split["label"], None)


def _of_split(name: str, inputs: Inputs, split: Split, stride: int) -> Examples:
    try:
        return examples(inputs, split, stride)
    except WrongData as error:
        raise WrongData(f"The {name} split: {error}") from error
