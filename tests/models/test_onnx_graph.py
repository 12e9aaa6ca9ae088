"""Every layer and operation that export writes itself computes what Keras computes, on 256 inputs,
and a recurrent layer is one node."""

from collections import Counter
from functools import reduce

import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops
from test_model_contract import ALL, SIZES

from models import architectures, export, onnx_graph
from models.errors import NotTranslated

ROWS = 256
ROW, SERIES, PICTURE = (10,), (11, 4), (9, 7, 3)
FUSED = ("RNN", "GRU", "LSTM")


def _model(shape: tuple, function, dtype: str = "float32") -> keras.Model:
    """A model of one function, every weight of it random: biases and moments too."""
    tensor = keras.Input(shape, dtype=dtype)
    model = keras.Model(tensor, function(tensor))
    random = np.random.default_rng(0)
    for weight in model.weights:
        values = random.normal(0, 0.4, weight.shape)
        weight.assign(np.abs(values) if "variance" in weight.path else values)
    return model


def _tensor(shape: tuple, dtype: str = "float32") -> np.ndarray:
    random = np.random.default_rng(1)
    if dtype == "int32":
        ids = random.integers(1, 30, (ROWS, *shape)).astype(np.int32)
        ids[::3, :-2] = 0  # short texts: padding on the left
        return ids
    return random.normal(size=(ROWS, *shape)).astype(np.float32)


def _check(model: keras.Model, tensor: np.ndarray, path) -> Counter:
    """Export the model, hold the graph against it, and count the graph's nodes."""
    export.to_onnx(model, path)
    expected = ops.convert_to_numpy(model(tensor, training=False))
    outputs = export.runner(path)(tensor)
    assert outputs.shape == expected.shape
    export.check_parity(expected, outputs)
    return Counter(node.op_type for node in onnx.load(path).graph.node)


CELLS = {
    "simple_rnn": layers.SimpleRNN,
    "gru": layers.GRU,
    "gru_reset_before": lambda units, **options: layers.GRU(units, reset_after=False, **options),
    "lstm": layers.LSTM,
}
# What is made of a cell, and how many nodes it may take.
FORMS = {
    "one": (1, lambda cell: [cell(5)]),
    "two": (2, lambda cell: [cell(5, return_sequences=True), cell(3)]),
    "pooled": (1, lambda cell: [cell(5, return_sequences=True), layers.GlobalMaxPooling1D()]),
    "both_ways": (1, lambda cell: [layers.Bidirectional(cell(5))]),
    "both_ways_pooled": (
        1,
        lambda cell: [
            layers.Bidirectional(cell(5, return_sequences=True)),
            layers.GlobalAveragePooling1D(),
        ],
    ),
    "summed": (
        1,
        lambda cell: [layers.Bidirectional(cell(5, return_sequences=True), merge_mode="sum")],
    ),
    "backwards": (1, lambda cell: [cell(5, go_backwards=True)]),
    "backwards_sequence": (1, lambda cell: [cell(5, go_backwards=True, return_sequences=True)]),
    "without_bias": (1, lambda cell: [cell(5, use_bias=False)]),
    "rectified": (1, lambda cell: [cell(5, activation="relu")]),
}


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("over", ["series", "embedding"])
def test_a_recurrent_layer_is_one_node(over, cell, form, tmp_path):
    count, made = FORMS[form]
    stack = made(CELLS[cell])
    if over == "embedding":
        shape, dtype = (11,), "int32"
        stack = [layers.Embedding(30, 4), *stack]
    else:
        shape, dtype = SERIES, "float32"
    model = _model(shape, lambda x: reduce(lambda y, layer: layer(y), stack, x), dtype)
    found = _check(model, _tensor(shape, dtype), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == count
    assert not {"Loop", "Scan", "If"} & set(found)


@pytest.mark.parametrize(
    "activation",
    ["elu", "hard_sigmoid", "leaky_relu", "linear", "relu", "sigmoid", "softplus", "softsign"],
)
@pytest.mark.parametrize("cell", list(CELLS))
def test_the_activations_of_a_recurrent_layer_are_its_own(cell, activation, tmp_path):
    """Of the gates another than of the state; both ways, so that each has its own settings."""
    gates = {} if cell == "simple_rnn" else {"recurrent_activation": "hard_sigmoid"}
    layer = layers.Bidirectional(CELLS[cell](3, activation=activation, **gates))
    found = _check(_model((4, 4), layer), _tensor((4, 4)), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 1


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
def test_both_ways_are_merged_as_asked(merge, tmp_path):
    layer = layers.Bidirectional(layers.GRU(5), merge_mode=merge)
    assert _check(_model(SERIES, layer), _tensor(SERIES), tmp_path / "model.onnx")["GRU"] == 1


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_decoder_starts_from_its_encoder_s_states(cell, tmp_path):
    def through(x):
        _, *states = CELLS[cell](5, return_state=True)(x)
        repeated = layers.RepeatVector(3)(states[0])
        return CELLS[cell](5, return_sequences=True)(repeated, initial_state=states)

    found = _check(_model(SERIES, through), _tensor(SERIES), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 2


def _two(x):
    return [x, layers.Dense(x.shape[-1])(x)]


# At least one use of every layer in the table.
LAYERS = [
    (ROW, layers.Dense(3, activation="softmax")),
    (SERIES, layers.Dense(3, use_bias=False)),
    (SERIES, layers.Activation("tanh")),
    (ROW, layers.ReLU()),
    (ROW, layers.ReLU(negative_slope=0.3)),
    (ROW, layers.LeakyReLU(0.1)),
    (SERIES, layers.Softmax(axis=1)),
    (PICTURE, layers.Flatten()),
    (SERIES, layers.Reshape((2, -1))),
    (PICTURE, layers.Permute((3, 1, 2))),
    (ROW, layers.RepeatVector(3)),
    (PICTURE, layers.Conv2D(5, 3, padding="same", activation="relu")),
    (PICTURE, layers.Conv2D(5, (3, 2), strides=2, padding="same", activation="softmax")),
    (PICTURE, layers.Conv2D(5, 2, dilation_rate=2, use_bias=False)),
    (PICTURE, layers.Conv2D(6, 3, groups=3)),
    (SERIES, layers.Conv1D(5, 3, strides=2, padding="same")),
    (SERIES, layers.Conv1D(5, 3, dilation_rate=2, padding="causal")),
    (PICTURE, layers.MaxPooling2D(padding="same")),
    (PICTURE, layers.MaxPooling2D((3, 2), strides=1)),
    (SERIES, layers.MaxPooling1D(3, padding="same")),
    (PICTURE, layers.AveragePooling2D(3, padding="same")),
    (SERIES, layers.AveragePooling1D(4, padding="same")),
    (PICTURE, layers.GlobalMaxPooling2D(keepdims=True)),
    (SERIES, layers.GlobalMaxPooling1D()),
    (PICTURE, layers.GlobalAveragePooling2D()),
    (SERIES, layers.GlobalAveragePooling1D(keepdims=True)),
    (PICTURE, layers.BatchNormalization()),
    (ROW, layers.BatchNormalization(scale=False, center=False)),
    (ROW, layers.ActivityRegularization(0.2)),
    (ROW, layers.AlphaDropout(0.2)),
    (ROW, layers.Dropout(0.2)),
    (ROW, layers.GaussianDropout(0.2)),
    (ROW, layers.GaussianNoise(0.2)),
    (PICTURE, layers.RandomBrightness(0.2)),
    (PICTURE, layers.RandomContrast(0.2)),
    (PICTURE, layers.RandomFlip()),
    (PICTURE, layers.RandomRotation(0.2)),
    (PICTURE, layers.RandomTranslation(0.2, 0.2)),
    (PICTURE, layers.RandomZoom(0.2)),
    (SERIES, layers.SpatialDropout1D(0.2)),
    (PICTURE, layers.SpatialDropout2D(0.2)),
    *((ROW, layers.Activation(name)) for name in onnx_graph.onnx_layers.ACTIVATIONS),
]
MERGED = [
    (SERIES, layers.Concatenate(axis=1)),
    (ROW, layers.Add()),
    (ROW, layers.Subtract()),
    (ROW, layers.Multiply()),
    (ROW, layers.Maximum()),
    (ROW, layers.Minimum()),
]


def _named(cases: list[tuple]):
    names = [type(layer).__name__ for _, layer in cases]
    return pytest.mark.parametrize(("shape", "layer"), cases, ids=names)


@_named(LAYERS)
def test_a_layer_computes_the_same(shape, layer, tmp_path):
    model = _model(shape, layer)
    onnx_graph.build(model)  # on its own, without tf2onnx
    _check(model, _tensor(shape), tmp_path / "model.onnx")


@_named(MERGED)
def test_tensors_are_merged_the_same(shape, layer, tmp_path):
    model = _model(shape, lambda x: layer(_two(x)))
    onnx_graph.build(model)
    _check(model, _tensor(shape), tmp_path / "model.onnx")


# At least one use of every operation in the table.
OPERATIONS = {
    "Absolute": lambda x: ops.absolute(x),
    "Add": lambda x: 1 + x,
    "Cast": lambda x: ops.cast(ops.cast(x * 3, "int32"), "float32"),
    "Concatenate": lambda x: ops.concatenate([x, -x], axis=1),
    "Divide": lambda x: ops.divide(x, 3),
    "Equal": lambda x: ops.cast(ops.equal(ops.cast(x, "int32"), 1), "float32"),
    "Exp": lambda x: ops.exp(x),
    "ExpandDims": lambda x: ops.expand_dims(x, (1, -1)),
    "GetItem": lambda x: x[:, 9:2:-3, -2],
    "Greater": lambda x: ops.cast(x > 0, "float32"),
    "GreaterEqual": lambda x: ops.cast(x >= 0.5, "float32"),
    "Less": lambda x: ops.cast(x < 0.5, "float32"),
    "LessEqual": lambda x: ops.cast(x[:, 1:] <= x[:, :-1], "float32"),
    "Log": lambda x: ops.log(ops.exp(x)),
    "Matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "Max": lambda x: ops.max(x, axis=1),
    "Maximum": lambda x: ops.maximum(x, 0),
    "Mean": lambda x: ops.mean(x, axis=(1, 2)),
    "Min": lambda x: ops.min(x, axis=-1, keepdims=True),
    "Minimum": lambda x: ops.minimum(x, np.float32(0.5)),
    "Multiply": lambda x: ops.cast(x, "int32") * 0.5,
    "Negative": lambda x: -x,
    "NotEqual": lambda x: ops.cast(ops.not_equal(ops.cast(x, "int32"), 1), "float32"),
    "Relu": lambda x: ops.relu(x),
    "Reshape": lambda x: ops.reshape(x, (-1, 22, 2)),
    "Sigmoid": lambda x: ops.sigmoid(x),
    "Softmax": lambda x: ops.softmax(x, axis=1),
    "Sqrt": lambda x: ops.sqrt(ops.absolute(x)),
    "Square": lambda x: ops.square(x),
    "Squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "Stack": lambda x: ops.stack([x, x + 1], axis=1),
    "Subtract": lambda x: x - x[:, -1:],
    "Sum": lambda x: ops.sum(x, axis=1),
    "Tanh": lambda x: ops.tanh(x),
    "Transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "TrueDivide": lambda x: ops.cast(x * 9, "int32") / 4,
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_computes_the_same(name, tmp_path):
    model = _model(SERIES, OPERATIONS[name])
    assert name in {type(one).__name__ for one in model.operations}
    onnx_graph.build(model)
    _check(model, _tensor(SERIES), tmp_path / "model.onnx")


def test_everything_in_the_tables_is_tried():
    tried = {type(layer).__name__ for _, layer in LAYERS + MERGED}
    recurrent = {"Bidirectional", "Embedding", "GRU", "LSTM", "SimpleRNN"}
    assert tried | recurrent == set(onnx_graph.LAYERS)
    assert set(OPERATIONS) == set(onnx_graph.OPERATIONS)


def test_channels_change_places_at_the_edges_alone(tmp_path):
    """And what follows a convolution is left for ONNX Runtime to make one with it."""

    def block(x):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        return layers.Dropout(0.2)(layers.MaxPooling2D()(x))

    model = _model(PICTURE, lambda x: layers.Flatten()(block(block(x))))
    assert _check(model, _tensor(PICTURE), tmp_path / "model.onnx")["Transpose"] == 2
    model = _model(PICTURE, lambda x: layers.GlobalMaxPooling2D()(block(x)))
    found = _check(model, _tensor(PICTURE), tmp_path / "model.onnx")
    assert found == Counter(
        ["Transpose", "Conv", "Mul", "Add", "Relu", "MaxPool", "ReduceMax", "Identity"]
    )


def test_every_weight_in_the_file_is_read():
    graph = onnx_graph.build(_model(SERIES, layers.LSTM(5, return_sequences=True))).graph
    read = {name for node in graph.node for name in node.input if name.startswith("weight")}
    assert {one.name for one in graph.initializer} == read


def test_a_model_inside_a_model_and_a_shared_layer_are_written_where_they_are_called(tmp_path):
    inner = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(10)])

    def through(x):
        return layers.Add()([inner(x), inner(inner(x))])

    found = _check(_model(ROW, through), _tensor(ROW), tmp_path / "model.onnx")
    assert found["MatMul"] == 6


def test_a_model_built_again_gives_the_same_bytes():
    built = [onnx_graph.build(_model(SERIES, layers.LSTM(5))) for _ in range(2)]
    for one in built:
        one.graph.name = "same"
    assert built[0].SerializeToString() == built[1].SerializeToString()


@pytest.mark.parametrize(("task", "arch"), ALL)
def test_every_architecture_is_written_directly_also_when_saved(task, arch, tmp_path):
    model = architectures.module(task, arch).build(**SIZES[task])
    graph = onnx_graph.build(model).graph
    model.save(tmp_path / "model.keras")
    again = onnx_graph.build(keras.saving.load_model(tmp_path / "model.keras")).graph
    assert Counter(node.op_type for node in again.node) == Counter(
        node.op_type for node in graph.node
    )
    kinds = [node.op_type for node in graph.node]
    recurrent = [
        one for one in model.layers if type(one).__name__ in onnx_graph.onnx_recurrent.LAYERS
    ]
    assert len([kind for kind in kinds if kind in FUSED]) == len(recurrent)
    assert not {"Loop", "Scan", "If"} & set(kinds)


def test_an_unknown_layer_goes_another_way_and_agrees(tmp_path):
    model = _model(ROW, layers.UnitNormalization())
    with pytest.raises(NotTranslated, match="UnitNormalization, which is in no table"):
        onnx_graph.build(model)
    _check(model, _tensor(ROW), tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx").producer_name == "tf2onnx"


@pytest.mark.parametrize(
    ("shape", "dtype", "maker"),
    [
        ((11,), "int32", lambda: layers.Embedding(30, 4, mask_zero=True)),
        (SERIES, "float32", layers.Masking),
    ],
)
def test_a_mask_is_never_ignored(shape, dtype, maker, tmp_path):
    model = _model(shape, lambda x: layers.LSTM(5)(maker()(x)), dtype)
    tensor = _tensor(shape, dtype)
    if dtype == "float32":
        tensor[::3, :-2] = 0
    with pytest.raises(NotTranslated):
        onnx_graph.build(model)
    _check(model, tensor, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "function", "said"),
    [
        (ROW, layers.ReLU(max_value=6), "ceiling"),
        (ROW, layers.Dense(3, activation="gelu"), "gelu is in no table"),
        (ROW, layers.Dense(3, activation=lambda x: x * 2), "no activation of Keras' own"),
        (ROW, layers.Dense(3, dtype="mixed_float16"), "computes in mixed_float16"),
        (SERIES, layers.LSTM(3, activation="selu"), "no selu inside"),
        (SERIES, layers.BatchNormalization(axis=1), "another axis than the last"),
        (SERIES, layers.Conv1D(3, 2, data_format="channels_first"), "channels first"),
        (SERIES, lambda x: layers.LSTM(3)(x, mask=x[:, :, 0] > 0), "reads a mask"),
        (SERIES, layers.Bidirectional(layers.LSTM(3), merge_mode=None), "more than one"),
        (ROW, lambda x: keras.Sequential([layers.Flatten()])(ops.cast(x, "int32")), "casts what"),
        (SERIES, lambda x: ops.sum(x), "every axis"),
        (SERIES, lambda x: x[..., 0], "slices and numbers"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_known_is_not_guessed(shape, function, said):
    with pytest.raises(NotTranslated, match=said):
        onnx_graph.build(_model(shape, function))
