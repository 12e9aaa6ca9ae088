"""Attention that export writes itself computes what Keras computes, on 256 inputs."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from translation import FUSED, ROWS, SERIES, check, model_of, tensor_of

from models.errors import NotTranslated
from models.export.graph import translate

WORDS, LENGTH = 30, 11


def _texts() -> np.ndarray:
    """Word ids with padding on the left, and one text without a word."""
    ids = tensor_of((LENGTH,), "int32")
    ids[1] = 0
    return ids


def _attend(**options):
    return layers.MultiHeadAttention(num_heads=2, key_dim=3, **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"use_bias": False}, {"value_dim": 5, "output_shape": 7}, {"dropout": 0.1}],
    ids=str,
)
def test_a_series_attends_to_itself(options, tmp_path):
    model = model_of(SERIES, lambda x: _attend(**options)(x, x))
    check(model, tensor_of(SERIES), tmp_path / "model.onnx")


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_causal_mask_hides_what_comes_after(dropout, tmp_path):
    model = model_of(SERIES, lambda x: _attend(dropout=dropout)(x, x, use_causal_mask=True))
    check(model, tensor_of(SERIES), tmp_path / "model.onnx")


def test_few_steps_attend_to_many(tmp_path):
    """And the keys may come from elsewhere than the values."""

    def through(x):
        return _attend()(query=x[:, -3:], value=x, key=layers.Dense(6)(x))

    check(model_of(SERIES, through), tensor_of(SERIES), tmp_path / "model.onnx")


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_padding_is_not_attended_to(dropout, causal, tmp_path):
    """Nor is it where a text has no word at all: Keras has two answers to that."""

    def through(ids):
        x = layers.Embedding(WORDS, 4)(ids)
        mask = ops.not_equal(ids, 0)[:, None, :]
        return _attend(dropout=dropout)(x, x, attention_mask=mask, use_causal_mask=causal)

    check(model_of((LENGTH,), through, "int32"), _texts(), tmp_path / "model.onnx")


def test_a_mask_made_with_the_model_is_kept(tmp_path):
    mask = np.tri(11, 11, 2, dtype=bool)[None]
    model = model_of(SERIES, lambda x: _attend()(x, x, attention_mask=mask))
    check(model, tensor_of(SERIES), tmp_path / "model.onnx")


def _encoder(ids):
    """One block of a transformer over texts, with learned positions, and a mean over its words."""
    present = ops.not_equal(ids, 0)
    place = ops.cumsum(ops.ones_like(ids), axis=1) - 1
    x = layers.Embedding(WORDS, 6)(ids) + layers.Embedding(LENGTH, 6)(place)
    y = _attend(dropout=0.1)(x, x, attention_mask=ops.expand_dims(present, 1))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(y)]))
    y = layers.Dense(6)(layers.Dense(12, activation="gelu")(x))
    x = layers.LayerNormalization(epsilon=1e-6)(x + y)
    weight = ops.expand_dims(ops.cast(present, "float32"), -1)
    x = ops.sum(x * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1)
    return layers.Dense(3, activation="softmax")(x)


def test_an_encoder_over_texts_computes_the_same_also_when_saved(tmp_path):
    model = model_of((LENGTH,), _encoder, "int32")
    check(model, _texts(), tmp_path / "model.onnx")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    check(again, _texts(), tmp_path / "again.onnx")


def _decoder(x):
    """An encoder's states, and a decoder that attends to the encoder's steps."""
    steps, state = layers.GRU(5, return_sequences=True, return_state=True)(x)
    y = layers.RepeatVector(3)(x[:, -1])
    y = layers.GRU(5, return_sequences=True)(y, initial_state=state)
    y = layers.Concatenate()([y, _attend()(y, steps)])
    return layers.Reshape((3,))(layers.TimeDistributed(layers.Dense(1))(y))


def test_a_decoder_that_attends_computes_the_same(tmp_path):
    found = check(model_of(SERIES, _decoder), tensor_of(SERIES), tmp_path / "model.onnx")
    assert sum(found[kind] for kind in FUSED) == 2


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: _attend()(x, x, return_attention_scores=True)[1], "gives its scores"),
        (lambda x: _attend()(x, x, value_mask=x[:, :, 0] > 0), "a mask of its inputs"),
        (lambda x: _attend(use_gate=True)(x, x), "a gate"),
        (lambda x: _attend()(x, x, attention_mask=np.ones((ROWS, 2, 11, 11))), "row, step read"),
    ],
)
def test_attention_that_is_not_known_is_not_guessed(function, said):
    with pytest.raises(NotTranslated, match=said):
        translate.build(model_of(SERIES, function))
