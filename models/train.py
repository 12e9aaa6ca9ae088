"""Fit one architecture with one seed: data in, the model with its best weights out."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models import architectures, naive
from models.errors import TrainingDiverged, WrongData, WrongParameter
from models.examples import Examples, Inputs, Split, examples, fit_inputs

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Fitted:
    """A trained model and what it takes to use and judge it."""

    model: "keras.Model"
    inputs: Inputs
    history: list[dict[str, float]]  # one entry an epoch: loss, val_loss, …
    seconds: float
    parameter_count: int
    floor: str | int  # the naive rival: the commonest label's index, or a naive forecast's name


def train(
    task: str,
    arch: str,
    parameters: Mapping,
    splits: Mapping[str, Split],
    facts: Mapping,
    seed: int,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> Fitted:
    """Return the model with the weights of its best validation loss, fitted from a clean seed.

    parameters: from `architectures.resolve`. splits: train and validation, as prepared.
    on_epoch: called after each epoch with its number, from 1, and its metrics.
    Equal arguments on one processor and backend give equal weights; a GPU adds up in any order.
    Raises WrongParameter, WrongData, TrainingDiverged, and InputError for a row that no model can
    read.
    """
    import keras

    started = time.monotonic()
    inputs = fit_inputs(splits["train"], facts, parameters)
    training = _examples("train", inputs, splits, parameters.get("stride", 1))
    validation = _examples("validation", inputs, splits, facts.get("stride", 1))
    keras.utils.set_random_seed(seed)
    model = _built(task, arch, parameters, inputs)
    history = _fit(model, arch, parameters, training, validation, on_epoch)
    if task == "forecast":
        outputs = predict(model, validation.tensor)
        inputs = inputs.calibrated(outputs, validation.windows.target)
        floor = naive.best(validation.windows, splits["validation"], facts["season"])
    else:
        floor = naive.majority(training.target)
    seconds = time.monotonic() - started
    return Fitted(model, inputs, history, seconds, model.count_params(), floor)


def predict(model: "keras.Model", tensor):
    """Return the model's outputs for a batched tensor, without its training-time noise."""
    return model.predict(tensor, batch_size=512, verbose=0)


def _examples(name: str, inputs: Inputs, splits: Mapping, stride: int) -> Examples:
    try:
        return examples(inputs, splits[name], stride)
    except WrongData as error:
        raise WrongData(f"The {name} split: {error}") from error


def _built(task: str, arch: str, parameters: Mapping, inputs: Inputs) -> "keras.Model":
    file = architectures.module(task, arch)
    chosen = {name: parameters[name] for name in architectures.build_defaults(file)}
    try:
        return file.build(**inputs.sizes(), **chosen)
    except ValueError as error:  # Keras' own, which names its argument and not ours
        raise WrongParameter(f"{task}/{arch} cannot be built with {chosen}: {error}") from error


def _fit(model, arch, parameters, training, validation, on_epoch) -> list[dict[str, float]]:
    """Minimise the loss with Adam (Kingma and Ba, ICLR 2015), the rate falling along a cosine
    (Loshchilov and Hutter, ICLR 2017), and stop once validation has not improved for a while."""
    import keras

    epochs, batch_size = parameters["epochs"], parameters["batch_size"]
    steps = epochs * math.ceil(len(training.target) / batch_size)
    rate = keras.optimizers.schedules.CosineDecay(parameters["learning_rate"], steps)
    classes = training.windows is None
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy" if classes else "mean_absolute_error",
        metrics=["accuracy"] if classes else [],
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    history = []

    def note(epoch: int, metrics: Mapping) -> None:
        for name in ("loss", "val_loss"):
            if not math.isfinite(metrics[name]):
                raise TrainingDiverged(arch, epoch + 1, metrics[name])
        history.append({name: float(value) for name, value in metrics.items()})
        if on_epoch:
            on_epoch(epoch + 1, history[-1])

    model.fit(
        training.tensor,
        training.target,
        validation_data=(validation.tensor, validation.target),
        validation_batch_size=512,
        epochs=epochs,
        batch_size=batch_size,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=note),
            keras.callbacks.EarlyStopping(
                patience=parameters["patience"], restore_best_weights=True
            ),
        ],
        verbose=0,
    )
    return history
