"""Small inputs of each task, and how its augmentation varies them."""

import importlib

import keras
import numpy as np

from models import options
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs

SEED = 3
WORDS = ("good", "fine", "decent", "bad", "movie", "film", "table", "the")
TEXTS = ["the good movie", "good fine bad table film the decent movie the", "table", "unheard film"]
INPUTS = {
    "image": ImageInputs(10, 14, 3, ("a", "b")),
    "sentiment": TextInputs(9, WORDS, ("negative", "positive")),
    "forecast": SeriesInputs(30, 4, 0.0, 1.0),
}


def pictures(count: int = 64) -> np.ndarray:
    """float32 (picture, 10, 14, 3), all alike: smooth, bright on one side, black and white."""
    rows, columns = np.mgrid[0:10, 0:14] / 13
    waves = np.stack([columns, columns * rows, 1 - columns**2], axis=-1)
    return np.broadcast_to(waves, (count, 10, 14, 3)).astype(np.float32)


def texts() -> np.ndarray:
    """int32 (64, 9), ids: short texts, a full one, one word alone, an unknown word."""
    return INPUTS["sentiment"].to_tensor(TEXTS * 16)


def histories(count: int = 64) -> np.ndarray:
    """float32 (series, 30): waves that bend everywhere, each of a phase of its own."""
    phase = np.linspace(0, 6, count)[:, None]
    return np.sin(np.arange(30) * 0.7 + phase).astype(np.float32)


def layers(task: str, **switched: float) -> list[keras.layers.Layer]:
    """The task's layers with some parameters switched on, seeded."""
    keras.utils.set_random_seed(SEED)
    module = importlib.import_module(f"models.augmentation.{task}")
    return module.layers(options.AUGMENTATION[task] | switched, INPUTS[task])


def varied(
    task: str, tensor: np.ndarray, *, while_training: bool = True, **switched: float
) -> np.ndarray:
    """What the task's layers make of the tensor."""
    for layer in layers(task, **switched):
        tensor = layer(tensor, training=while_training)
    return keras.ops.convert_to_numpy(tensor)
