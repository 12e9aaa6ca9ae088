"""What the export writes itself computes what Keras computes, on 256 inputs; the rest is Keras'."""

import importlib
import importlib.util

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from every_architecture import ALL, SIZES
from keras import layers, ops
from translation import FUSED, PICTURE, ROW, SERIES, check, model_of, tensor_of

from models import architectures, options
from models.errors import ModelError, NotTranslated
from models.export import convert
from models.export.graph import recurrent, translate

IDS = (11,)


def _attend(x, **more):
    return layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x, **more)


def _read(ids):
    return layers.Embedding(30, 4)(ids)


# What no architecture leads to: the shape of an input, and what is made of it.
CASES = [
    (SERIES, layers.Softmax(axis=1)),
    (SERIES, lambda x: layers.Concatenate(axis=1)([x, x])),
    (PICTURE, layers.BatchNormalization()),
    (PICTURE, layers.Conv2D(5, (3, 2), strides=2, padding="same", activation="silu")),
    (PICTURE, layers.Conv2D(6, 3, groups=3, use_bias=False, activation="softmax")),
    (SERIES, layers.Conv1D(5, 3, dilation_rate=2, padding="causal")),
    (PICTURE, layers.Conv2DTranspose(5, (2, 4), padding="same", use_bias=False)),
    (PICTURE, layers.AveragePooling2D(3, padding="same")),
    (SERIES, layers.AveragePooling1D(11)),
    (SERIES, _attend),
    (SERIES, lambda x: (1 + x) * 0.5 - ops.sqrt(ops.square(x)) / 3),
    (SERIES, lambda x: ops.cast(ops.cast(x, "int32") / 4, "float32") + np.ones(4, np.float32)),
    (SERIES, lambda x: ops.squeeze(ops.expand_dims(x, (1, -1)), axis=1)),
    (SERIES, lambda x: x[:, -1:, 2] + x[:, 3, :2] + x[:, 2:9][:, -1, 1:2]),
]


@pytest.mark.parametrize(("shape", "function"), CASES)
def test_a_setting_that_is_known_computes_the_same(shape, function, tmp_path):
    model = model_of(shape, function)
    translate.build(model)  # on its own, without TensorFlow
    check(model, tensor_of(shape), tmp_path / "model.onnx")


def test_the_tables_hold_what_the_architectures_use_and_nothing_else():
    used = set()
    for task, arch in ALL:
        build = architectures.module(task, arch).build
        kinds = options.words(task)["pooling"] if arch == "deep_cnn" else [None]
        for kind in kinds:
            model = build(**SIZES[task] | ({"pooling": kind} if kind else {}))
            used |= {entry["class_name"] for entry in model.get_config()["layers"]}
    assert set(translate.LAYERS) | set(translate.OPERATIONS) == used - {"InputLayer"}


def _block(x):
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    return layers.Dropout(0.2)(layers.MaxPooling2D()(x))


def _recurrent(ids):
    x = layers.LSTM(4, return_sequences=True)(layers.AveragePooling1D(11)(_read(ids)))
    return layers.GlobalMaxPooling1D()(layers.GRU(4, return_sequences=True)(x))


@pytest.mark.parametrize(
    ("shape", "dtype", "function", "turns"),
    [
        (PICTURE, "float32", lambda x: layers.GlobalAveragePooling2D()(_block(_block(x))), 1),
        (IDS, "int32", _recurrent, 3),  # two of them around the pooling
    ],
)
def test_onnx_runtime_leaves_axes_turned_at_the_edges_alone(
    shape, dtype, function, turns, tmp_path
):
    """And takes a normalisation into the convolution before it."""
    (tmp_path / "model.onnx").write_bytes(
        translate.build(model_of(shape, function, dtype)).SerializeToString()
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that the file is good for this machine alone
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(tmp_path / "model.onnx", options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("Transpose") == turns, kinds
    assert "BatchNormalization" not in kinds


@pytest.mark.parametrize(("task", "arch"), ALL)
def test_every_architecture_is_written_directly_also_when_saved(task, arch, tmp_path):
    model = architectures.module(task, arch).build(**SIZES[task])
    graph = translate.build(model).graph
    model.save(tmp_path / "model.keras")
    again = translate.build(keras.saving.load_model(tmp_path / "model.keras")).graph
    kinds = [node.op_type for node in graph.node]
    assert sorted(kinds) == sorted(node.op_type for node in again.node)
    fused = {*recurrent.KINDS, "Bidirectional"}
    steps = [one for one in model.get_config()["layers"] if one["class_name"] in fused]
    assert len([kind for kind in kinds if kind in FUSED]) == len(steps)
    assert not {"Loop", "Scan", "If"} & set(kinds)
    read = {name for node in graph.node for name in node.input if name.startswith("weight")}
    assert {one.name for one in graph.initializer} == read


def test_a_model_built_again_gives_the_same_bytes():
    built = [translate.build(model_of(SERIES, layers.LSTM(5))) for _ in range(2)]
    for one in built:
        one.graph.name = "same"
    assert built[0].SerializeToString() == built[1].SerializeToString()


def _shared(x):
    layer = layers.Dense(10)
    return layer(layer(x))


ANOTHER_WAY = [
    (ROW, "float32", layers.UnitNormalization(), "UnitNormalization, which is in no table"),
    (ROW, "float32", lambda x: ops.exp(x), "Exp, which is in no table"),
    (IDS, "int32", lambda x: layers.LSTM(5)(layers.Embedding(30, 4, mask_zero=True)(x)), "a mask"),
]


@pytest.mark.parametrize(("shape", "dtype", "function", "reason"), ANOTHER_WAY)
def test_what_is_in_no_table_goes_through_keras_export_and_agrees(
    shape, dtype, function, reason, tmp_path
):
    model = model_of(shape, function, dtype)
    with pytest.raises(NotTranslated, match=reason):
        translate.build(model)
    check(model, tensor_of(shape, dtype), tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx").producer_name == "tf2onnx"


@pytest.mark.parametrize(
    ("shape", "function", "reason"),
    [
        (ROW, lambda x: keras.Sequential([layers.Dense(3)])(x), "Sequential, which is in"),
        (ROW, _shared, "called more than once"),
        (SERIES, lambda x: _attend(x, use_causal_mask=True), "use_causal_mask"),
        (SERIES, layers.GRU(3, go_backwards=True), "another direction"),
        (ROW, layers.Dense(3, activation="mish"), "the activation mish, which is in no table"),
        (ROW, layers.Dense(3, dtype="mixed_float16"), "computes in mixed_float16"),
        (SERIES, layers.LSTM(3, activation="selu"), r"another \['activation'\]"),
        (SERIES, layers.BatchNormalization(axis=1), "another axis than the last"),
        (SERIES, layers.Conv1D(3, 2, data_format="channels_first"), "channels first"),
        (PICTURE, layers.Conv2DTranspose(3, 2), "pads otherwise than the same"),
        (SERIES, lambda x: layers.LSTM(3)(x, mask=x[:, :, 0] > 0), "reads a mask"),
        (SERIES, layers.Bidirectional(layers.LSTM(3)), "gives its last state"),
        (SERIES, layers.GlobalMaxPooling1D(keepdims=True), "keeps the axes"),
        (SERIES, lambda x: ops.sum(x), "every axis"),
        (SERIES, lambda x: ops.mean(ops.cast(x, "int32"), axis=1), "reduces"),
        (SERIES, lambda x: x[:, ::2], "picks by slice"),
        (IDS, layers.CategoryEncoding(30, output_mode="multi_hot"), "encodes as multi_hot"),
    ],
)
def test_a_setting_that_is_not_known_is_not_guessed(shape, function, reason):
    with pytest.raises(NotTranslated, match=reason):
        translate.build(model_of(shape, function, "int32" if shape == IDS else "float32"))


def test_without_tensorflow_the_error_says_where_to_export(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    model = model_of(ROW, layers.UnitNormalization())
    with pytest.raises(ModelError, match=r"UnitNormalization.*TensorFlow, which is not installed"):
        convert.to_onnx(model, tmp_path / "model.onnx")


STRANGER = """
import keras

@keras.saving.register_keras_serializable("stranger")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.mark.slow
def test_a_stranger_s_layer_is_exported_in_a_child_process(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    doubled = importlib.import_module("stranger").Doubled()
    model = model_of(ROW, lambda x: doubled(layers.Dense(3)(x)))
    convert.export_in_child(model, tmp_path / "model.onnx")
    expected = ops.convert_to_numpy(model(tensor_of(ROW)))
    convert.check_graph(tmp_path / "model.onnx")
    convert.check_parity(expected, convert.runner(tmp_path / "model.onnx")(tensor_of(ROW)))
