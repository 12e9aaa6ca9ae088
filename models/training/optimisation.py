"""How weights go down a loss: the loss, the optimizer, its learning rate and steps, by name."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import optimizers

from models.training.epochs import Plan

MOMENTUM = 0.9
# Keras runs several steps between two looks at the host: half the time of a small model's epoch.
STEPS_AT_ONCE = 32


def compile_model(
    model: keras.Model, parameters: Mapping, steps: int, accuracy: bool, replicas: int = 1
) -> None:
    """Give the model its loss, its optimizer and the metrics that each epoch reports.

    Args:
        steps: of the whole training, after which a cosine schedule has come down to nothing
            (Loshchilov and Hutter, ICLR 2017).
        accuracy: report it, beside the loss.
        replicas: devices that work on each batch.
    """
    # Several steps at once are not to be had from TensorFlow's replicas.
    at_once = 1 if replicas > 1 else min(STEPS_AT_ONCE, steps // parameters["epochs"])
    model.compile(
        optimizer=_optimizer(parameters, steps),
        loss=_loss(parameters["loss"]),
        metrics=["accuracy"] if accuracy else [],
        steps_per_execution=at_once,
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    # Else the first step makes the optimizer's variables, and is traced once more without that.
    model.optimizer.build(model.trainable_variables)


def plan(arch: str, seed: int, parameters: Mapping, rows: int) -> Plan:
    """Return what the epochs of a fit on that many training rows go by."""
    each = batch_size(parameters, rows)
    epochs = parameters["epochs"]
    return Plan(arch, seed, epochs, each, parameters["patience"], steps=epochs * (rows // each))


def batch_size(parameters: Mapping, rows: int) -> int:
    """Return the rows of one step: all of them, one, or as many as `batch_size` says."""
    wanted = {
        "full-batch": rows,
        "stochastic": 1,
        "mini-batch": parameters["batch_size"],
    }
    return min(wanted[parameters["descent"]], rows)


def targets(labels: np.ndarray, classes: int, loss: str) -> np.ndarray:
    """Return labels, int64 (row,), as the loss takes them: as they are, or float32 (row, class)."""
    if loss == "categorical_crossentropy":
        return labels
    return np.eye(classes, dtype=np.float32)[labels]


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the weight of each class that gives all of them the same say, float32 (class,).

    Source: King and Zeng, Logistic Regression in Rare Events Data, Political Analysis, 2001.

    Args:
        labels: int64 (row,), of the training split.
    """
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def _optimizer(parameters: Mapping, steps: int) -> Any:
    """Adam (Kingma and Ba, ICLR 2015; with decoupled weight decay: Loshchilov and Hutter, ICLR
    2019), RMSprop (Tieleman and Hinton, 2012), or gradient descent with or without momentum
    (Polyak, 1964)."""
    rate = parameters["learning_rate"]
    if parameters["schedule"] == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, steps)
    chosen: Any = {
        "adam": optimizers.Adam,
        "rmsprop": optimizers.RMSprop,
        "sgd": optimizers.SGD,
        "momentum": partial(optimizers.SGD, momentum=MOMENTUM),
    }[parameters["optimizer"]]
    return chosen(
        rate,
        weight_decay=parameters["weight_decay"] or None,
        global_clipnorm=parameters["clip"] or None,
    )


def _loss(name: str) -> str:
    """Return Keras' name of the loss, for targets as `targets` makes them."""
    others = {
        "categorical_crossentropy": "sparse_categorical_crossentropy",
        "hinge": "categorical_hinge",
    }
    return others.get(name, name)
