"""Fit the guard of a dataset: the autoencoder whose error says whether an input looks like it.

It is trained by the same loop as every architecture, towards an error of 0, and then calibrated on
the validation rows. One guard serves all models of a dataset's version.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models import architectures
from models.artifact import artifact
from models.errors import ExportMismatch
from models.examples import Examples, Split, examples, examples_of_a_fit
from models.export import convert
from models.familiarity.familiarity import SLACK, Familiarity
from models.training import epochs, optimisation
from models.training.epochs import OnEpoch, Rows
from models.training.fit import built, predict
from models.training.seeds import seeded

if TYPE_CHECKING:
    import keras

SEED = 0
MOST_ROWS = 5_000  # of the training split: more take longer, and the guard knows little more
PARITY_ROWS = 512


@dataclass(frozen=True)
class FittedGuard:
    """A trained autoencoder, and what its errors mean."""

    model: "keras.Model"
    familiarity: Familiarity
    history: list[dict[str, float]]  # one entry an epoch: loss, val_loss
    seconds: float


def parameters(task: str, facts: Mapping) -> dict:
    """Return the complete parameters of a dataset's guard: of large data it takes a part.

    facts: the dataset's, with the rows of its training split.
    """
    rows = facts["rows"]["train"]
    if task == "forecast":  # neighbouring windows say nearly the same
        part = {"stride": math.ceil(rows / MOST_ROWS)}
    else:
        part = {"share": min(1.0, MOST_ROWS / rows)}
    return architectures.resolve(task, architectures.GUARD, part, facts)


def fit(
    task: str,
    parameters: Mapping,
    splits: Mapping[str, Split],
    facts: Mapping,
    on_epoch: OnEpoch | None = None,
) -> FittedGuard:
    """Return the autoencoder with the weights of its best validation loss, calibrated.

    parameters: from `parameters`. splits: train and validation, as prepared.
    on_epoch: called after each epoch with its number, from 1, and its metrics.
    Raises what `train.train` raises.
    """
    started = time.monotonic()
    inputs, training, validation = examples_of_a_fit(splits, facts, parameters)
    with seeded(SEED):
        model, learner = built(task, architectures.GUARD, parameters, inputs)
        history = _trained(learner, parameters, training, validation, on_epoch)
    familiarity = Familiarity.calibrate(inputs, predict(model, validation.tensor))
    return FittedGuard(model, familiarity, history, time.monotonic() - started)


def write(folder: Path, fitted: FittedGuard, split: Split, facts: Mapping) -> float:
    """Write the guard's files into `folder`: those that travel with each champion, and the Keras
    model for whoever wants its codes. Returns the share of the split that looks familiar.

    split: the test split; up to 512 of its rows prove the ONNX graph equal to Keras.
    Raises ExportMismatch.
    """
    fitted.model.save(folder / "autoencoder.keras")
    convert.to_onnx(fitted.model, folder / "familiarity.onnx")
    artifact.write_familiarity(folder, fitted.familiarity)
    tensor = examples(fitted.familiarity.inputs, split, facts.get("stride", 1)).tensor
    errors = convert.runner(folder / "familiarity.onnx")(tensor)
    _check_parity(predict(fitted.model, tensor[:PARITY_ROWS]), errors[:PARITY_ROWS])
    return float(np.mean([one["familiar"] for one in fitted.familiarity.to_answers(errors)]))


def _trained(
    model, parameters: Mapping, training: Examples, validation: Examples, on_epoch
) -> list[dict[str, float]]:
    """Bring the error down to 0: what the model gives is its loss already."""
    plan = optimisation.plan(architectures.GUARD, SEED, parameters, len(training.tensor))
    optimisation.compile_model(model, parameters, plan.steps, accuracy=False)
    rows = (
        Rows(part.tensor, np.zeros((len(part.tensor), 1), np.float32), None)
        for part in (training, validation)
    )
    history, _ = epochs.run(model, *rows, plan, on_epoch)
    return history


def _check_parity(expected: np.ndarray, errors: np.ndarray) -> None:
    """Raise ExportMismatch unless each error is equal, but for a share of it or of a usual one."""
    if not np.allclose(errors, expected, rtol=SLACK, atol=SLACK * np.median(expected)):
        difference = np.abs(errors - expected).max()
        raise ExportMismatch(
            f"The guard's ONNX graph differs from Keras by {difference:.2e} where a usual error is "
            f"{np.median(expected):.2e}; {SLACK} of it is allowed."
        )
