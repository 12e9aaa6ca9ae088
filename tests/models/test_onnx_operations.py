"""Every operation of `keras.ops` that export writes itself computes what Keras computes, on 256
inputs."""

import numpy as np
import pytest
from keras import ops
from translation import SERIES, check, model_of, tensor_of

from models.errors import NotTranslated
from models.export.graph import translate

# At least one use of every operation in the table.
OPERATIONS = {
    "Absolute": lambda x: ops.absolute(x),
    "Add": lambda x: 1 + x,
    "Any": lambda x: ops.cast(ops.any(x > 1, axis=1), "float32"),
    "Cast": lambda x: ops.cast(ops.cast(x * 3, "int32"), "float32"),
    "Clip": lambda x: ops.clip(x, -1, 0.5),
    "Concatenate": lambda x: ops.concatenate([x, -x], axis=1),
    "Cumsum": lambda x: ops.cumsum(x, axis=1),
    "Divide": lambda x: ops.divide(x, 3),
    "Equal": lambda x: ops.cast(ops.equal(ops.cast(x, "int32"), 1), "float32"),
    "Erf": lambda x: ops.erf(x),
    "Exp": lambda x: ops.exp(x),
    "ExpandDims": lambda x: ops.expand_dims(x, (1, -1)),
    "Flip": lambda x: ops.flip(x, axis=1),
    "Gelu": lambda x: ops.gelu(x, approximate=False),
    "GetItem": lambda x: x[:, 9:2:-3, -2, None] + x[..., :3, 1][:, None],
    "Greater": lambda x: ops.cast(x > 0, "float32"),
    "GreaterEqual": lambda x: ops.cast(x >= 0.5, "float32"),
    "LeakyRelu": lambda x: ops.leaky_relu(x, 0.1),
    "Less": lambda x: ops.cast(x < 0.5, "float32"),
    "LessEqual": lambda x: ops.cast(x[:, 1:] <= x[:, :-1], "float32"),
    "Log": lambda x: ops.log(ops.exp(x)),
    "LogicalAnd": lambda x: ops.cast(ops.logical_and(x > 0, x < 1), "float32"),
    "LogicalNot": lambda x: ops.cast(ops.logical_not(x > 0), "float32"),
    "LogicalOr": lambda x: ops.cast(ops.logical_or(x < 0, x > 1), "float32"),
    "Matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "Max": lambda x: ops.max(x, axis=1),
    "Maximum": lambda x: ops.maximum(x, 0),
    "Mean": lambda x: ops.mean(x, axis=(1, 2)),
    "Min": lambda x: ops.min(x, axis=-1, keepdims=True),
    "Minimum": lambda x: ops.minimum(x, np.float32(0.5)),
    "Multiply": lambda x: ops.cast(x, "int32") * 0.5,
    "Negative": lambda x: -x,
    "NotEqual": lambda x: ops.cast(ops.not_equal(ops.cast(x, "int32"), 1), "float32"),
    "OneHot": lambda x: ops.one_hot(ops.cast(x * 3, "int32"), 3),
    "OnesLike": lambda x: ops.ones_like(x) + x,
    "Pad": lambda x: ops.pad(x, ((0, 0), (2, 1), (0, 0)), constant_values=0.5),
    "Power": lambda x: ops.power(x, 2),
    "Reciprocal": lambda x: ops.reciprocal(1 + ops.square(x)),
    "Relu": lambda x: ops.relu(x),
    "Repeat": lambda x: ops.repeat(x, 3, axis=1),
    "Reshape": lambda x: ops.reshape(x, (-1, 22, 2)),
    "Rsqrt": lambda x: ops.rsqrt(1 + ops.square(x)),
    "Sigmoid": lambda x: ops.sigmoid(x),
    "Silu": lambda x: ops.silu(x),
    "Softmax": lambda x: ops.softmax(x, axis=1),
    "Softplus": lambda x: ops.softplus(x),
    "Split": lambda x: ops.subtract(*ops.split(x[:, :10], 2, axis=1)),
    "Sqrt": lambda x: ops.sqrt(ops.absolute(x)),
    "Square": lambda x: ops.square(x),
    "Squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "Stack": lambda x: ops.stack([x, x + 1], axis=1),
    "Std": lambda x: ops.std(x, axis=1, keepdims=True),
    "Subtract": lambda x: x - x[:, -1:],
    "Sum": lambda x: ops.sum(x, axis=1),
    "Swapaxes": lambda x: ops.swapaxes(x, 1, -1),
    "Take": lambda x: ops.take(x, [4, 0, 4], axis=1),
    "Tanh": lambda x: ops.tanh(x),
    "Transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "TrueDivide": lambda x: ops.cast(x * 9, "int32") / 4,
    "Var": lambda x: ops.var(x, axis=(1, 2)),
    "Where": lambda x: ops.where(x > 0, x, -1),
    "ZerosLike": lambda x: ops.zeros_like(x) + x[:, :1],
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_computes_the_same(name, tmp_path):
    model = model_of(SERIES, OPERATIONS[name])
    assert name in {type(one).__name__ for one in model.operations}
    translate.build(model)
    check(model, tensor_of(SERIES), tmp_path / "model.onnx")


# Other uses of an operation, where it knows several.
USES = {
    "constant": lambda x: x * ops.arange(4, dtype="float32") + np.ones(4, np.float32),
    "constant_on_the_left": lambda x: ops.matmul(ops.ones((2, 11)), x),
    "every_kind_of_place": lambda x: x[:, 3, None, -1:] + x[:, -2:, 2:, None][:, :, 0],
    "flip_all": lambda x: ops.flip(x[:, :, 0], axis=-1),
    "split_at": lambda x: ops.concatenate(ops.split(x, [3, 5], axis=1)[::-1], axis=1),
    "split_whole": lambda x: ops.split(x, 1, axis=-1)[0],
    "sum_of_integers": lambda x: ops.cast(ops.sum(ops.cast(x, "int32"), axis=1), "float32"),
    "table": lambda x: ops.take(
        ops.reshape(ops.arange(12.0), (4, 3)), ops.cast(x > 0, "int32"), axis=0
    ),
    "whole_from_mask": lambda x: ops.sum(ops.cast(x > 0, "float32"), axis=1),
}


@pytest.mark.parametrize("name", list(USES))
def test_another_use_of_an_operation_computes_the_same(name, tmp_path):
    model = model_of(SERIES, USES[name])
    translate.build(model)
    check(model, tensor_of(SERIES), tmp_path / "model.onnx")


def test_every_operation_in_the_tables_is_tried():
    assert set(OPERATIONS) == set(translate.OPERATIONS)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: ops.sum(x), "every axis"),
        (lambda x: ops.mean(ops.cast(x, "int32"), axis=1), "reduces"),
        (lambda x: ops.gelu(x), "approximate"),
        (lambda x: ops.take(x, [1, 2]), "no axis"),
        (lambda x: ops.repeat(x, 2, axis=0), "repeats rows"),
        (lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), mode="reflect"), "reflect"),
        (lambda x: ops.reshape(x, (2, -1)), "number of rows"),
    ],
)
def test_a_setting_that_is_not_known_is_not_guessed(function, said):
    with pytest.raises(NotTranslated, match=said):
        translate.build(model_of(SERIES, function))
