"""A recurrent layer is one ONNX node, both ways of a Bidirectional too, and computes what Keras
computes on 256 inputs."""

from functools import reduce

import pytest
from keras import layers
from translation import FUSED, SERIES, check, model_of, tensor_of

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
    model = model_of(shape, lambda x: reduce(lambda y, layer: layer(y), stack, x), dtype)
    found = check(model, tensor_of(shape, dtype), tmp_path / "model.onnx")
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
    found = check(model_of((4, 4), layer), tensor_of((4, 4)), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 1


@pytest.mark.parametrize("pooling", [layers.AveragePooling1D, layers.MaxPooling1D])
@pytest.mark.parametrize("group", [1, 3, 4])
def test_groups_of_words_are_read_as_one_step(group, pooling, tmp_path):
    def through(ids):
        x = layers.Dropout(0.1)(layers.Embedding(30, 4)(ids))
        x = pooling(group, padding="same")(x)
        return layers.Concatenate()([layers.GRU(5)(x), layers.Flatten()(x)])

    model = model_of((12,), through, "int32")
    check(model, tensor_of((12,), "int32"), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "dtype", "stack"),
    [
        ((11,), "int32", [layers.Embedding(30, 4)]),
        ((12,), "int32", [layers.Embedding(30, 4), layers.AveragePooling1D(3)]),
        (SERIES, "float32", [layers.LSTM(5, return_sequences=True)]),
        (SERIES, "float32", [layers.Bidirectional(layers.GRU(5, return_sequences=True))]),
    ],
    ids=["embedding", "groups", "layer", "both_ways"],
)
def test_steps_are_not_turned_between_layers_that_want_them_first(shape, dtype, stack, tmp_path):
    stack = [*stack, layers.LSTM(5, return_sequences=True), layers.GlobalMaxPooling1D()]
    model = model_of(shape, lambda x: reduce(lambda y, layer: layer(y), stack, x), dtype)
    found = check(model, tensor_of(shape, dtype), tmp_path / "model.onnx")
    both_ways = any(isinstance(one, layers.Bidirectional) for one in stack)
    assert found["Transpose"] == 1 + both_ways  # of the input, and of the two directions


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
def test_both_ways_are_merged_as_asked(merge, tmp_path):
    layer = layers.Bidirectional(layers.GRU(5), merge_mode=merge)
    assert check(model_of(SERIES, layer), tensor_of(SERIES), tmp_path / "model.onnx")["GRU"] == 1


@pytest.mark.parametrize("cell", list(CELLS))
def test_both_ways_start_from_states_and_give_them(cell, tmp_path):
    def through(x):
        coder = layers.Bidirectional(CELLS[cell](5, return_state=True))
        seen, *states = coder(x)
        decoder = layers.Bidirectional(CELLS[cell](5, return_sequences=True))
        decoded = decoder(layers.RepeatVector(3)(seen), initial_state=states)
        return layers.Concatenate()([layers.Flatten()(decoded), *states])

    found = check(model_of(SERIES, through), tensor_of(SERIES), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 2


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_decoder_starts_from_its_encoder_s_states(cell, tmp_path):
    def through(x):
        _, *states = CELLS[cell](5, return_state=True)(x)
        repeated = layers.RepeatVector(3)(states[0])
        return CELLS[cell](5, return_sequences=True)(repeated, initial_state=states)

    found = check(model_of(SERIES, through), tensor_of(SERIES), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 2
