"""Fit the guard of a dataset: the autoencoder whose error says whether an input looks like it.

It is trained by the same loop as every architecture, towards an error of 0, and then calibrated on
the validation rows. One guard serves all models of a dataset's version.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from models import architectures
from models.examples import Split, examples_of_a_fit
from models.familiarity.familiarity import Familiarity
from models.training import epochs, optimisation
from models.training.epochs import OnEpoch, Rows
from models.training.fit import built, predict

SEED = 0


@dataclass(frozen=True)
class FittedGuard:
    """A trained autoencoder, and what its errors mean."""

    model: keras.Model
    familiarity: Familiarity
    history: list[dict[str, float]]  # one entry an epoch: loss, val_loss
    seconds: float


def fit(
    task: str,
    parameters: Mapping,
    splits: Mapping[str, Split],
    facts: Mapping,
    on_epoch: OnEpoch | None = None,
) -> FittedGuard:
    """Return the autoencoder with the weights of its best validation loss, calibrated.

    Args:
        task: one of `architectures.TASKS`.
        parameters: from `architectures.guard_parameters`.
        splits: train and validation, as prepared.
        facts: the dataset's.
        on_epoch: called after each epoch with its number, from 1, and its metrics.

    Raises:
        WrongParameter, WrongData, TrainingDiverged, InputError: as `fit.train` does.
    """
    started = time.monotonic()
    inputs, training, validation = examples_of_a_fit(splits, facts, parameters)
    model, learner = built(task, architectures.GUARD, parameters, inputs, SEED)
    plan = optimisation.plan(architectures.GUARD, SEED, parameters, len(training.tensor))
    optimisation.compile_model(learner, parameters, plan.steps, accuracy=False)
    fitted, validated = (  # towards 0: what the model gives is its error already
        Rows(part.tensor, np.zeros((len(part.tensor), 1), np.float32), None)
        for part in (training, validation)
    )
    progress, _ = epochs.run(learner, fitted, validated, plan, on_epoch)
    familiarity = Familiarity.calibrate(inputs, predict(model, validation.tensor))
    return FittedGuard(model, familiarity, progress.history, time.monotonic() - started)
