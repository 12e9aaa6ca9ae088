"""Fit one architecture with one seed: data in, the model with its best weights out.

A refit learns from validation rows too. What only rows that a model has not seen can tell, when to
stop, its temperature and its intervals, it takes from the fit of the training rows.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from models import architectures
from models.augmentation import layers
from models.errors import WrongParameter
from models.examples import Examples, Inputs, Split, examples, examples_of_a_fit, share_of
from models.training import devices, keras_settings, optimisation
from models.training.checkpoint import Progress
from models.training.epochs import Judge, OnEpoch, Rows, run
from models.training.seeds import seeded

LEAST_GAIN = 1e-4  # of the log loss, for which a temperature is taken


@dataclass(frozen=True)
class Fitted:
    """A trained model and what it takes to use and judge it.

    best_epoch: whose weights they are, from 1. sharpness: by which the logits were multiplied.
    """

    model: keras.Model
    inputs: Inputs
    history: list[dict[str, float]]  # one entry an epoch: loss, val_loss, …
    seconds: float
    parameter_count: int
    best_epoch: int
    sharpness: float


@dataclass(frozen=True)
class Found:
    """What a fit of the training rows found out on validation rows, for the refit that has no rows
    left to find it out on."""

    inputs: Inputs  # calibrated
    epochs: int
    sharpness: float


def train(
    task: str,
    arch: str,
    parameters: Mapping,
    splits: Mapping[str, Split],
    facts: Mapping,
    seed: int,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    judge: Judge | None = None,
) -> Fitted:
    """Return the model with the weights of its best epoch, fitted from a clean seed.

    Equal arguments on one processor and backend give equal weights; a GPU adds up in any order.

    Args:
        parameters: from `architectures.resolve`.
        splits: train and validation, as prepared.
        on_epoch: called after each epoch with its number, from 1, and its metrics.
        checkpoint: a file that holds where the fit stands after each epoch; a fit goes on from it.
        judge: what says on validation which epoch is best; by default its loss.

    Raises:
        WrongParameter: Keras refuses a parameter.
        WrongData: a split holds too little.
        TrainingDiverged: the loss is not finite any more.
        InputError: a row that no model can read.
    """
    started = time.monotonic()
    inputs, training, validation = examples_of_a_fit(splits, facts, parameters)
    recipe = _Recipe(task, arch, parameters, facts, inputs, seed)
    judged = None if judge is None else (judge, inputs)
    model, progress, earlier = recipe.fitted(training, validation, on_epoch, checkpoint, judged)
    inputs, factor = _calibrated(model, inputs, validation, splits["validation"], facts)
    return _finished(model, progress, inputs, factor, earlier + time.monotonic() - started)


def refit(
    task: str,
    arch: str,
    parameters: Mapping,
    splits: Mapping[str, Split],
    facts: Mapping,
    seed: int,
    found: Found,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Return the model of the rows of training and validation together.

    It learns for as many epochs as were best on validation, and is as sure as the model of the
    training rows, which validation has judged (a cross-fit of one fold): no row is left to judge
    this one. Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 7.10.

    Args:
        found: what the fit of the training rows found out.
        task, arch, parameters, splits, facts, seed, on_epoch, checkpoint: as `train` takes them.
    """
    started = time.monotonic()
    used = share_of(splits["train"], parameters["share"], facts)
    both = {name: np.append(rows, splits["validation"][name], 0) for name, rows in used.items()}
    rows = examples(found.inputs, both, parameters.get("stride", 1))
    recipe = _Recipe(task, arch, parameters, facts, found.inputs, seed)
    fitted = recipe.fitted(rows, None, on_epoch, checkpoint, epochs=found.epochs)
    model, progress, earlier = fitted
    seconds = earlier + time.monotonic() - started
    return _finished(model, progress, found.inputs, found.sharpness, seconds)


@dataclass(frozen=True)
class _Recipe:
    """All that decides a fit but its rows."""

    task: str
    arch: str
    parameters: Mapping
    facts: Mapping
    inputs: Inputs
    seed: int

    def fitted(
        self,
        training: Examples,
        validation: Examples | None,
        on_epoch: OnEpoch | None,
        checkpoint: Path | None,
        judge: tuple[Judge, Inputs] | None = None,
        epochs: int | None = None,
    ) -> tuple[keras.Model, Progress, float]:
        """Return the model, its epochs, and the seconds that those of the checkpoint had taken.

        epochs: how many, where no validation tells; the learning rate falls as if there were all.
        """
        task, arch, parameters = self.task, self.arch, self.parameters
        plan = optimisation.plan(arch, self.seed, parameters, len(training.target))
        with devices.data_parallel(plan.batch_size) as replicas:
            model, learner = built(task, arch, parameters, self.inputs, self.seed)
            _adapt(model, task, arch, training)
            accuracy = task != "forecast"  # there is no class to be right about in a forecast
            optimisation.compile_model(learner, parameters, plan.steps, accuracy, replicas)
            rows = self._rows(training, validation)
            plan = replace(plan, epochs=epochs or plan.epochs)
            progress, earlier = run(learner, *rows, plan, on_epoch, checkpoint, judge)
        if parameters["precision"] != "float32":  # what serves computes in float32
            plain = {**parameters, "precision": "float32"}
            weights = model.get_weights()
            model, _ = built(task, arch, plain, self.inputs, self.seed)
            model.set_weights(weights)
        return model, progress, earlier

    def _rows(self, training: Examples, validation: Examples | None) -> tuple[Rows, Rows | None]:
        """The examples with their targets as the loss takes them, weighed alike in both splits."""
        inputs, parameters = self.inputs, self.parameters
        weights = self.facts.get("class_weights")
        if parameters.get("class_weights") or weights == "balanced":
            weights = optimisation.class_weights(training.target, len(inputs.labels))

        def rows(part: Examples) -> Rows:
            if inputs.kind == "series":
                return Rows(part.tensor, part.target, None)
            target = optimisation.targets(part.target, len(inputs.labels), parameters["loss"])
            weight = None if weights is None else np.asarray(weights, np.float32)[part.target]
            return Rows(part.tensor, target, weight)

        return rows(training), None if validation is None else rows(validation)


def _finished(
    model: keras.Model, progress: Progress, inputs: Inputs, factor: float, seconds: float
) -> Fitted:
    """Return what was fitted, at its temperature."""
    taken = _sharpened(model, factor)
    size, best = model.count_params(), progress.best_epoch
    return Fitted(model, inputs, progress.history, seconds, size, best, taken)


def _calibrated(
    model: keras.Model, inputs: Inputs, validation: Examples, split: Split, facts: Mapping
) -> tuple[Inputs, float]:
    """Fit on validation what a model says of its own sureness: intervals, or `sharpness`."""
    outputs = predict(model, validation.tensor)
    if inputs.kind != "series":
        return inputs, sharpness(outputs, validation.target) or 1.0
    inputs = inputs.calibrated(outputs, validation.windows)
    return inputs.followed(partial(predict, model), split, facts["stride"]), 1.0


def predict(model: keras.Model, tensor: np.ndarray) -> np.ndarray:
    """Return the model's outputs for a batched tensor, without its training-time noise."""
    return model.predict(tensor, batch_size=512, verbose=0)


def built(
    task: str, arch: str, parameters: Mapping, inputs: Inputs, seed: int
) -> tuple[keras.Model, keras.Model]:
    """Return the model, and the same model behind the layers that vary what it is trained on.

    Args:
        task: one of `architectures.TASKS`.
        arch: an architecture of the task.
        parameters: the complete ones, from `architectures.resolve`.
        inputs: fitted inputs.
        seed: from which all that is drawn follows.

    Raises:
        WrongParameter: Keras refuses a parameter.
    """
    file = architectures.module(task, arch)
    chosen = {name: parameters[name] for name in architectures.build_defaults(file)}

    def build() -> tuple[keras.Model, keras.Model]:
        model = file.build(**inputs.sizes(), **chosen)
        return model, layers.in_front_of(model, task, parameters, inputs)

    keras_settings.pin()
    try:
        with _precision(parameters["precision"]):
            return seeded(seed, build)
    except ValueError as error:  # Keras' own, which names its argument and not ours
        raise WrongParameter(f"{task}/{arch} cannot be built with {chosen}: {error}") from error


def _sharpened(model: keras.Model, factor: float) -> float:
    """Multiply the logits, inside the last layer; returns by what: 1 where there are none."""
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.activation is keras.activations.softmax):
        return 1.0
    if factor != 1:
        last.set_weights([weights * factor for weights in last.get_weights()])
    return factor


def sharpness(outputs: np.ndarray, target: np.ndarray) -> float | None:
    """Return by what the logits are multiplied for the least log loss: one over the temperature.

    Labels stay as they are. None where that gains nothing, or where every row is answered rightly:
    the loss falls as long as the model grows surer. Source: Guo, Pleiss, Sun and Weinberger, On
    Calibration of Modern Neural Networks, ICML, 2017.

    Args:
        outputs: probabilities of the validation split (row, class).
        target: its labels, int64 (row,).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    if (outputs.argmax(axis=1) == target).all():
        return None
    rows = np.arange(len(target))
    logits = np.log(outputs.astype(float).clip(1e-15))

    def log_loss(factor: float) -> float:
        return -float(log_softmax(factor * logits, axis=1)[rows, target].mean())

    best = float(minimize_scalar(log_loss, bounds=(0.05, 20), method="bounded").x)
    return best if log_loss(best) < log_loss(1.0) - LEAST_GAIN else None


def _adapt(model: keras.Model, task: str, arch: str, training: Examples) -> None:
    """Set the weights that an architecture takes from the training rows and does not learn."""
    file = architectures.module(task, arch)
    if hasattr(file, "adapt"):
        file.adapt(model, training.tensor, training.target)


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Mixed precision (Micikevicius et al., ICLR 2018): 16 bits to compute, 32 for the weights."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
