"""The epochs of one fit: shuffled by seed and number, watched, and taken up again after a kill."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from models.errors import TrainingDiverged
from models.training import checkpoint
from models.training.checkpoint import Progress

EVALUATED_AT_ONCE = 512

OnEpoch = Callable[[int, dict[str, float]], None]


class Judge(NamedTuple):
    """What tells epochs apart on validation instead of the loss."""

    name: str
    sign: int  # 1 where more is better, -1 where less is
    of: Callable[[Any, np.ndarray], float]  # the fitted inputs and the outputs (row, …)


class Rows(NamedTuple):
    """What the loss is taken over."""

    tensor: np.ndarray  # (row, …)
    target: np.ndarray  # (row,) or (row, …), as the loss takes it
    weight: np.ndarray | None  # float32 (row,), each row's say; None is an equal one


@dataclass(frozen=True)
class Plan:
    """What the epochs of one fit go by: rows a step, and epochs without gain before the end.

    steps: of all epochs together.
    """

    arch: str
    seed: int
    epochs: int
    batch_size: int
    patience: int
    steps: int


def run(
    model: keras.Model,
    training: Rows,
    validation: Rows | None,
    plan: Plan,
    on_epoch: OnEpoch | None = None,
    kept: Path | None = None,
    judge: tuple[Judge, Any] | None = None,
) -> tuple[Progress, float]:
    """Fit a compiled model and leave it with the weights of its best epoch.

    Returns how it went (the metrics of each epoch: loss, val_loss, …), and the seconds that the
    epochs of a checkpoint had taken.

    Args:
        validation: what tells epochs apart; without it the last one is the best.
        on_epoch: called after each epoch with its number, from 1, and its metrics.
        kept: the file of a checkpoint; where there is one, the epochs in it are not done again, and
            what follows is to the last bit what would have followed without the interruption.
        judge: what says which epoch is best, and the inputs that it reads; by default the loss.

    Raises:
        TrainingDiverged: the loss is not finite any more.
    """
    progress = Progress() if kept is None else checkpoint.restore(kept, model)
    report = on_epoch or (lambda epoch, metrics: None)
    for epoch, metrics in enumerate(progress.history, start=1):
        report(epoch, metrics)
    earlier = progress.seconds
    while not _done(progress, plan):
        started = time.monotonic()
        metrics = _epoch(model, training, validation, plan, len(progress.history))
        _check_finite(plan.arch, len(progress.history) + 1, metrics)
        if validation is None:
            loss = -float(len(progress.history))  # less with each epoch
        elif judge is None:
            loss = metrics["val_loss"]
        else:
            (name, sign, of), inputs = judge
            outputs = model.predict(validation.tensor, batch_size=EVALUATED_AT_ONCE, verbose=0)
            metrics[f"val_{name}"] = of(inputs, outputs)
            loss = -sign * metrics[f"val_{name}"]
        progress.add(metrics, loss, time.monotonic() - started, model)
        if kept is not None and not _done(progress, plan):
            checkpoint.write(kept, model, progress)
        report(len(progress.history), metrics)
    model.set_weights(progress.best_weights)
    return progress, earlier


def _done(progress: checkpoint.Progress, plan: Plan) -> bool:
    """Early stopping (Prechelt, Early Stopping: But When?, 1998): nothing gained for a while."""
    return len(progress.history) >= plan.epochs or progress.epochs_without_gain >= plan.patience


def _epoch(
    model: keras.Model, training: Rows, validation: Rows | None, plan: Plan, number: int
) -> dict[str, float]:
    # One fit an epoch: the order of rows then depends on seed and number alone, on any backend.
    order = np.random.default_rng((plan.seed, number)).permutation(len(training.target))
    # An incomplete last batch would be compiled anew; other rows are left out next time.
    order = order[: len(order) // plan.batch_size * plan.batch_size]
    fitted = model.fit(
        training.tensor[order],
        training.target[order],
        batch_size=plan.batch_size,
        sample_weight=None if training.weight is None else training.weight[order],
        shuffle=False,
        verbose=0,
    )
    metrics = {name: values[-1] for name, values in fitted.history.items()}
    if validation is not None:
        validated = model.evaluate(
            validation.tensor,
            validation.target,
            sample_weight=validation.weight,
            batch_size=EVALUATED_AT_ONCE,
            return_dict=True,
            verbose=0,
        )
        metrics |= {f"val_{name}": value for name, value in validated.items()}
    return {name: float(value) for name, value in metrics.items()}


def _check_finite(arch: str, epoch: int, metrics: dict[str, float]) -> None:
    for name in ("loss", "val_loss"):
        if not math.isfinite(metrics.get(name, 0.0)):
            raise TrainingDiverged(arch, epoch, metrics[name])
