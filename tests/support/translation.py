"""Models of one function, inputs for them, and what export makes of them."""

from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import ops

from models.export import convert

ROWS = 256
ROW, SERIES, PICTURE = (10,), (11, 4), (9, 7, 3)
FUSED = ("RNN", "GRU", "LSTM")


def model_of(shape: tuple, function, dtype: str = "float32") -> keras.Model:
    """A model of one function, every weight of it random: biases and moments too."""
    tensor = keras.Input(shape, dtype=dtype)
    model = keras.Model(tensor, function(tensor))
    random = np.random.default_rng(0)
    for weight in model.weights:
        values = random.normal(0, 0.4, weight.shape)
        weight.assign(np.abs(values) if "variance" in weight.path else values)
    return model


def tensor_of(shape: tuple, dtype: str = "float32") -> np.ndarray:
    random = np.random.default_rng(1)
    if dtype == "int32":
        ids = random.integers(1, 30, (ROWS, *shape)).astype(np.int32)
        ids[::3, :-2] = 0  # short texts: padding on the left
        return ids
    return random.normal(size=(ROWS, *shape)).astype(np.float32)


def check(model: keras.Model, tensor: np.ndarray, path: Path) -> Counter:
    """Export the model, hold the graph against it, and count the graph's nodes."""
    convert.to_onnx(model, path)
    expected = ops.convert_to_numpy(model(tensor, training=False))
    outputs = convert.runner(path)(tensor)
    assert outputs.shape == expected.shape
    convert.check_parity(expected, outputs)
    return Counter(node.op_type for node in onnx.load(path).graph.node)
