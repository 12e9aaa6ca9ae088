"""What holds for every architecture, whatever its task: a new file in `models/<task>/` is tested
here without being named. Of those that ship, `WEIGHTS` says how many weights they have."""

from functools import cache
from typing import NamedTuple

import keras
import numpy as np
import pytest
from every_architecture import ALL, SIZES

from models import architectures, options
from models.export import convert

ROWS = 256


def _lstm(read: int, units: int) -> int:
    """Four gates, each with weights for what is read, for the state before, and a bias."""
    return 4 * units * (read + units + 1)


def _gru(read: int, units: int) -> int:
    """Two gates and a new state, each as in the LSTM but with a second bias, for the state."""
    return 3 * units * (read + units + 2)


def _rnn(read: int, units: int) -> int:
    return units * (read + units + 1)


def _encoder(width: int, heads: int, units: int) -> int:
    """Three normalisations; query, key, value and output of each head; two dense layers."""
    attention = 3 * (width + 1) * heads * width + (heads * width + 1) * width
    return 3 * 2 * width + attention + (width + 1) * units + (units + 1) * width


def _block(read: int, filters: int) -> int:
    """Two convolutions of 3 x 3, each normalised: scale, shift and two moments a filter."""
    return (9 * read + 4) * filters + (9 * filters + 4) * filters


# The closed formula of each architecture's weight count, at these sizes and its defaults.
WEIGHTS = {
    ("image", "perceptron"): 72 * 4 + 4,
    ("image", "ann"): 73 * 256 + 257 * 128 + 129 * 4,
    ("image", "ann_batchnorm"): (72 + 4) * 256 + (256 + 4) * 128 + 129 * 4,
    ("image", "ann_dropout"): 73 * 512 + 513 * 256 + 257 * 4,
    ("image", "cnn"): 10 * 32 + (9 * 32 + 1) * 64 + (2 * 3 * 64 + 1) * 128 + 129 * 4,
    ("image", "deep_cnn"): _block(1, 32) + _block(32, 64) + _block(64, 128) + 129 * 4,
    ("image", "lstm"): _lstm(9, 64) + 65 * 4,
    ("sentiment", "perceptron"): 2 * 50 * 3,
    ("sentiment", "ann"): 50 * 32 + 33 * 64 + 65 * 64 + 65 * 3,
    ("sentiment", "hashed"): (50 + 200_000) * 8 + 9 * 3,
    ("sentiment", "cnn"): 50 * 16 + (5 * 16 + 1) * 64 + 65 * 3,
    ("sentiment", "simple_rnn"): 50 * 32 + _rnn(32, 64) + 65 * 3,
    ("sentiment", "lstm"): 50 * 32 + _lstm(32, 64) + 65 * 3,
    ("sentiment", "gru"): 50 * 32 + _gru(32, 64) + 65 * 3,
    ("sentiment", "deep_rnn"): 50 * 32 + _rnn(32, 64) + _rnn(64, 64) + 65 * 3,
    ("sentiment", "deep_lstm"): 50 * 32 + _lstm(32, 64) + _lstm(64, 64) + 65 * 3,
    ("sentiment", "deep_gru"): 50 * 32 + _gru(32, 64) + _gru(64, 64) + 65 * 3,
    ("sentiment", "bilstm"): 50 * 32 + 2 * _lstm(32, 64) + 129 * 3,
    ("sentiment", "transformer"): 50 * 32 + 3 * 32 + _encoder(32, 2, 64) + 33 * 3,
    ("forecast", "perceptron"): 22 * 5,
    ("forecast", "ann"): 22 * 128 + 129 * 128 + 129 * 128 + 129 * 5,
    ("forecast", "cnn"): 7 * 32 + 97 * 32 * 3 + 33 * 64 + 65 * 5,
    ("forecast", "simple_rnn"): _rnn(8, 64) + 65 * 5,
    ("forecast", "lstm"): _lstm(8, 64) + 65 * 5,
    ("forecast", "gru"): _gru(8, 64) + 65 * 5,
    ("forecast", "deep_rnn"): _rnn(8, 48) + _rnn(48, 48) + 49 * 5,
    ("forecast", "deep_gru"): _gru(8, 48) + _gru(48, 48) + 49 * 5,
    ("forecast", "seq2seq"): _gru(8, 48) + _gru(48, 48) + 49,
    # Five steps of four values, seen in two ways each; and their places.
    ("forecast", "transformer"): (9 + 5) * 32 + _encoder(32, 2, 64) + 161 * 5,
    # Down to a code of 32, from pictures of 2 x 3 with 16 channels, and back.
    ("image", "autoencoder"): 10 * 8 + 73 * 16 + 97 * 32 + 33 * 96 + 145 * 8 + 73 * 1,
    ("sentiment", "autoencoder"): 50 * 8 + 9 * 49,
    ("forecast", "autoencoder"): 21 * 64 + 65 * 8 + 9 * 64 + 65 * 20,
}

each = pytest.mark.parametrize(("task", "arch"), ALL)


def _new(task: str, arch: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    return architectures.module(task, arch).build(**SIZES[task])


@cache  # once for the tests that leave it as it is
def _built(task: str, arch: str) -> keras.Model:
    return _new(task, arch)


def _rows(task: str, arch: str, count: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets as the inputs of the task would make them; a guard's targets are 0."""
    tensor, target = _examples(task, count)
    return tensor, np.zeros((count, 1), np.float32) if arch == architectures.GUARD else target


def _examples(task: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    sizes = SIZES[task]
    if task == "image":
        shape = (count, sizes["height"], sizes["width"], sizes["channels"])
        return random.random(shape, np.float32), random.integers(0, 4, count)
    if task == "sentiment":
        ids = random.integers(1, sizes["words"], (count, sizes["length"])).astype(np.int32)
        ids[::3, :-2] = 0  # short texts: padding on the left
        return ids, random.integers(0, 3, count)
    values = random.normal(size=(count, 25)).astype(np.float32).cumsum(axis=1) / 5
    return values[:, :20], values[:, 20:]


def _compiled(model: keras.Model, task: str) -> keras.Model:
    guard = model.name == architectures.GUARD
    loss = "sparse_categorical_crossentropy"
    if task == "forecast" or guard:
        loss = "mean_absolute_error"
    # What a guard has to learn of rows made by chance takes longer steps.
    rate = 3e-2 if guard else 3e-3
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    # TensorFlow traces a first step that makes variables twice.
    model.optimizer.build(model.trainable_variables)
    return model


class Fitted(NamedTuple):
    """A model that was fitted on sixteen rows, and what that changed."""

    model: keras.Model
    first_step: tuple[list[str], list[np.ndarray], list[np.ndarray]]  # paths, before, after
    losses: tuple[float, float]  # before, after


@cache  # once for the tests that look at it: compiling takes longer than fitting
def _fitted(task: str, arch: str) -> Fitted:
    model = _compiled(_new(task, arch), task)
    rows = _rows(task, arch, 16)
    weights = model.trainable_weights
    before, loss = [one.numpy().copy() for one in weights], _loss(model, *rows)
    model.train_on_batch(*rows)
    first_step = [one.path for one in weights], before, [one.numpy().copy() for one in weights]
    for _ in range(24):
        model.train_on_batch(*rows)
    return Fitted(model, first_step, (loss, _loss(model, *rows)))


def _loss(model: keras.Model, tensor: np.ndarray, target: np.ndarray) -> float:
    """As `model.evaluate` says, which would be compiled anew for each model."""
    losses = keras.losses.get(model.loss)(target, model(tensor, training=False))
    return float(keras.ops.mean(losses))


def _answers(model: keras.Model, tensor: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(tensor, training=False))


@each
def test_the_model_comes_uncompiled_with_its_shapes_and_weights(task, arch):
    model = _built(task, arch)
    assert not model.compiled
    assert model.name == arch
    if arch in (*architectures.TEXTBOOK_ORDER, architectures.GUARD):
        assert model.count_params() == WEIGHTS[task, arch]
    tensor, _ = _rows(task, arch, 3)
    assert model.input.dtype == tensor.dtype
    assert model.input.name == "input"
    outputs = _answers(model, tensor)
    if arch == architectures.GUARD:
        assert outputs.shape == (3, 1)
        assert (outputs >= 0).all()
        return
    assert outputs.shape == (3, SIZES[task].get("classes", SIZES[task].get("horizon")))
    if task != "forecast":
        assert outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)


@each
def test_a_saved_model_answers_the_same_in_safe_mode(task, arch, tmp_path):
    model = _built(task, arch)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    tensor, _ = _rows(task, arch, 16)
    assert np.array_equal(_answers(model, tensor), _answers(again, tensor))


@each
def test_one_step_changes_every_trainable_weight_and_more_let_the_loss_fall(task, arch):
    fitted = _fitted(task, arch)
    for path, old, new in zip(*fitted.first_step, strict=True):
        assert not np.array_equal(old, new), path
    before, after = fitted.losses
    assert after < 0.9 * before


@each
def test_the_onnx_graph_computes_the_same(task, arch, tmp_path):
    model = _fitted(task, arch).model
    tensor, _ = _rows(task, arch)
    convert.to_onnx(model, tmp_path / "model.onnx")
    outputs = convert.runner(tmp_path / "model.onnx")(tensor)
    expected = _answers(model, tensor)
    assert outputs.dtype == np.float32
    convert.check_parity(expected, outputs)
    single = convert.runner(tmp_path / "model.onnx")(tensor[:1])
    assert single == pytest.approx(expected[:1], abs=1e-4)


@each
def test_a_parameter_of_every_size_builds(task, arch):
    """Odd numbers, and an input smaller than what is read at once."""
    file = architectures.module(task, arch)
    odd = {int: 3, float: 0.0}
    changes = {
        name: odd[type(value)]
        for name, value in architectures.build_defaults(file).items()
        if type(value) in odd
    }
    tensor, _ = _rows(task, arch, 2)
    assert np.isfinite(_answers(file.build(**SIZES[task], **changes), tensor)).all()


@each
def test_every_word_that_a_parameter_may_take_builds_and_exports(task, arch, tmp_path):
    file = architectures.module(task, arch)
    tensor, _ = _rows(task, arch, 8)
    for name in architectures.build_defaults(file).keys() & options.words(task).keys():
        for word in options.words(task)[name]:
            model = file.build(**SIZES[task], **{name: word})
            convert.to_onnx(model, tmp_path / "model.onnx")
            outputs = convert.runner(tmp_path / "model.onnx")(tensor)
            convert.check_parity(_answers(model, tensor), outputs)


@pytest.mark.parametrize(("arch", "places"), [("cnn", 3), ("simple_rnn", 1), ("deep_rnn", 1)])
def test_padding_is_no_part_of_a_mean(arch, places):
    """A text of three words in eighteen places, which `group` makes three steps."""
    model = _built("sentiment", arch)
    ids = np.array([[0] * 15 + [3, 4, 5]], np.int32)
    read = [one for one in model.layers if isinstance(one, keras.layers.Conv1D | keras.layers.RNN)]
    hidden = keras.Model(model.input, read[-1].output)(ids)[:, -places:]
    expected = model.get_layer("output")(hidden.numpy().mean(axis=1))
    np.testing.assert_allclose(_answers(model, ids), expected, atol=1e-6)
