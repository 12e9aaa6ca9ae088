"""What export writes of a whole model, and what it leaves to another way."""

from collections import Counter

import keras
import onnx
import pytest
from every_architecture import ALL, SIZES
from keras import layers, ops
from translation import FUSED, ROW, SERIES, check, model_of, tensor_of

from models import architectures
from models.errors import NotTranslated
from models.export.graph import recurrent, translate


def test_every_weight_in_the_file_is_read():
    graph = translate.build(model_of(SERIES, layers.LSTM(5, return_sequences=True))).graph
    read = {name for node in graph.node for name in node.input if name.startswith("weight")}
    assert {one.name for one in graph.initializer} == read


def test_a_model_inside_a_model_and_a_shared_layer_are_written_where_they_are_called(tmp_path):
    inner = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(10)])

    def through(x):
        return layers.Add()([inner(x), inner(inner(x))])

    found = check(model_of(ROW, through), tensor_of(ROW), tmp_path / "model.onnx")
    assert found["MatMul"] == 6


def test_a_model_built_again_gives_the_same_bytes():
    built = [translate.build(model_of(SERIES, layers.LSTM(5))) for _ in range(2)]
    for one in built:
        one.graph.name = "same"
    assert built[0].SerializeToString() == built[1].SerializeToString()


@pytest.mark.parametrize(("task", "arch"), ALL)
def test_every_architecture_is_written_directly_also_when_saved(task, arch, tmp_path):
    model = architectures.module(task, arch).build(**SIZES[task])
    graph = translate.build(model).graph
    model.save(tmp_path / "model.keras")
    again = translate.build(keras.saving.load_model(tmp_path / "model.keras")).graph
    assert Counter(node.op_type for node in again.node) == Counter(
        node.op_type for node in graph.node
    )
    kinds = [node.op_type for node in graph.node]
    steps = [one for one in model.layers if type(one).__name__ in recurrent.LAYERS]
    assert len([kind for kind in kinds if kind in FUSED]) == len(steps)
    assert not {"Loop", "Scan", "If"} & set(kinds)


def test_an_unknown_layer_goes_another_way_and_agrees(tmp_path):
    model = model_of(ROW, layers.UnitNormalization())
    with pytest.raises(NotTranslated, match="UnitNormalization, which is in no table"):
        translate.build(model)
    check(model, tensor_of(ROW), tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx").producer_name == "tf2onnx"


@pytest.mark.parametrize(
    ("shape", "dtype", "maker"),
    [
        ((11,), "int32", lambda: layers.Embedding(30, 4, mask_zero=True)),
        (SERIES, "float32", layers.Masking),
    ],
)
def test_a_mask_is_never_ignored(shape, dtype, maker, tmp_path):
    model = model_of(shape, lambda x: layers.LSTM(5)(maker()(x)), dtype)
    tensor = tensor_of(shape, dtype)
    if dtype == "float32":
        tensor[::3, :-2] = 0
    with pytest.raises(NotTranslated):
        translate.build(model)
    check(model, tensor, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "function", "said"),
    [
        (ROW, layers.ReLU(max_value=6), "ceiling"),
        (ROW, layers.Dense(3, activation="mish"), "mish is in no table"),
        (ROW, layers.Dense(3, activation=lambda x: x * 2), "no activation of Keras' own"),
        (ROW, layers.Dense(3, dtype="mixed_float16"), "computes in mixed_float16"),
        (SERIES, layers.LSTM(3, activation="selu"), "no selu inside"),
        (SERIES, layers.BatchNormalization(axis=1), "another axis than the last"),
        (SERIES, layers.Conv1D(3, 2, data_format="channels_first"), "channels first"),
        (SERIES, lambda x: layers.LSTM(3)(x, mask=x[:, :, 0] > 0), "reads a mask"),
        (SERIES, layers.Bidirectional(layers.LSTM(3), merge_mode=None), "more than one"),
        (ROW, lambda x: keras.Sequential([layers.Flatten()])(ops.cast(x, "int32")), "casts what"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_known_is_not_guessed(shape, function, said):
    with pytest.raises(NotTranslated, match=said):
        translate.build(model_of(shape, function))
