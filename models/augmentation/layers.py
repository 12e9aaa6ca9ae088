"""Vary what a model is trained on, and only that: layers in front of it that serve no request."""

import importlib
from collections.abc import Mapping

import keras

from models import options
from models.examples import Inputs


def in_front_of(model: keras.Model, task: str, parameters: Mapping, inputs: Inputs) -> keras.Model:
    """Return a model with the same weights that varies its input while it is being trained.

    The layers are those of `models/augmentation/<task>.py`; with all of them off, it is the model.
    """
    if not options.augmented(task, parameters):
        return model
    layers = importlib.import_module(f"models.augmentation.{task}").layers(parameters, inputs)

    x = given = keras.Input(model.input.shape[1:], dtype=model.input.dtype)
    for layer in layers:
        x = layer(x)
    return keras.Model(given, model(x))
