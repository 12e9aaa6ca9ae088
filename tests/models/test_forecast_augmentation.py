"""Augmented histories: what each parameter does to them, and what none of them touches."""

import keras
import numpy as np
import pytest
from small_data import FACTS

from models import architectures, augment, options
from models import train as training
from models.augmentation import forecast as augmentation
from models.errors import WrongParameter
from models.inputs import SeriesInputs

NAMES = tuple(options.AUGMENTATION["forecast"])
each = pytest.mark.parametrize("name", NAMES)
INPUTS = SeriesInputs(30, 4, 0.0, 1.0)
SEED = 3


def _histories(count: int = 64) -> np.ndarray:
    """float32 (series, 30): waves that bend everywhere, each of a phase of its own."""
    phase = np.linspace(0, 6, count)[:, None]
    return np.sin(np.arange(30) * 0.7 + phase).astype(np.float32)


def _layers(**switched: float) -> list[keras.layers.Layer]:
    keras.utils.set_random_seed(SEED)
    return augmentation.layers(options.AUGMENTATION["forecast"] | switched, INPUTS)


def _varied(values: np.ndarray, *, while_training: bool = True, **switched: float) -> np.ndarray:
    for layer in _layers(**switched):
        values = layer(values, training=while_training)
    return keras.ops.convert_to_numpy(values)


def test_nothing_is_switched_on_by_default():
    assert _layers() == []
    for arch in architectures.names("forecast"):
        parameters = architectures.resolve("forecast", arch, {}, {})
        assert augmentation.layers(parameters, INPUTS) == []


@each
def test_each_varies_every_history_by_an_amount_of_its_own_and_keeps_shape_and_type(name):
    given = np.repeat(_histories(1), 64, axis=0)
    varied = _varied(given, **{name: 0.3})
    assert (varied.shape, varied.dtype) == (given.shape, given.dtype)
    assert np.abs(varied - given).max() > 0.05
    assert len(np.unique(varied, axis=0)) == len(given)


@each
def test_each_is_the_identity_outside_of_training(name):
    given = _histories()
    assert np.array_equal(_varied(given, while_training=False, **{name: 0.3}), given)


@each
def test_each_draws_the_same_again_from_the_same_seed_and_anew_at_every_step(name):
    given = _histories()
    first, again = (_varied(given, **{name: 0.3}) for _ in range(2))
    assert np.array_equal(first, again)
    (layer,) = _layers(**{name: 0.3})
    steps = [keras.ops.convert_to_numpy(layer(given, training=True)) for _ in range(2)]
    assert not np.array_equal(*steps)


@each
def test_each_has_a_highest_value(name):
    with pytest.raises(WrongParameter, match=f"{name} must be at most .*, not 1.5"):
        _layers(**{name: 1.5})


def test_jitter_is_the_standard_deviation_of_what_is_added():
    given = _histories(2000)
    assert np.std(_varied(given, jitter=0.2) - given) == pytest.approx(0.2, rel=0.05)


def test_a_share_of_the_values_is_dropped_and_lies_on_the_line_between_neighbours():
    given = _histories(500)
    varied = _varied(given, drop=0.25)
    dropped = varied != given
    assert dropped[:, 1:-1].mean() == pytest.approx(0.25, abs=0.02)
    for values, filled, out in zip(given, varied, dropped, strict=True):
        (kept,) = np.nonzero(~out)
        line = np.interp(np.arange(30), kept, values[kept])
        assert filled == pytest.approx(line, abs=1e-5)


@pytest.mark.parametrize("name", ["drop", "warp"])
def test_the_oldest_and_the_newest_value_stay(name):
    given = _histories()
    varied = _varied(given, **{name: augmentation.MOST[name]})
    assert varied[:, [0, -1]] == pytest.approx(given[:, [0, -1]], abs=1e-5)


@pytest.mark.parametrize("name", ["drop", "warp"])
def test_a_straight_line_loses_nothing_to_drop_and_runs_one_way_under_warp(name):
    given = np.arange(30, dtype=np.float32)[None].repeat(64, axis=0)
    varied = _varied(given, **{name: augmentation.MOST[name]})
    assert (np.diff(varied, axis=1) > 0).all()
    if name == "drop":
        assert varied == pytest.approx(given, abs=1e-4)
    else:  # the middle moved by up to 0.3 of the length, the ends hardly
        assert 7 < np.abs(varied - given)[:, 10:20].max() < 9
        assert np.abs(varied - given)[:, [1, -2]].max() < 0.2


@each
def test_histories_of_one_and_of_two_values_pass(name):
    for length in (1, 2):
        assert _varied(_histories()[:, :length], **{name: 0.3}).shape == (64, length)


def test_a_fit_changes_no_row_of_any_split(splits):
    before = {
        name: {column: values.copy() for column, values in split.items()}
        for name, split in splits["forecast"].items()
    }
    changes = {"epochs": 2} | dict.fromkeys(NAMES, 0.1)
    parameters = architectures.resolve("forecast", "perceptron", changes, FACTS["forecast"])
    fitted = training.train("forecast", "perceptron", parameters, before, FACTS["forecast"], SEED)
    for name, split in splits["forecast"].items():
        for column, values in split.items():
            assert np.array_equal(values, before[name][column]), (name, column)
    assert not any(isinstance(layer, augmentation.Warped) for layer in fitted.model.layers)


def test_the_loss_is_taken_to_the_targets_as_they_were(splits):
    """A compiled step sees varied histories; what is validated and served is the model alone."""
    model = architectures.module("forecast", "perceptron").build(30, 4)
    parameters = options.AUGMENTATION["forecast"] | dict.fromkeys(NAMES, 0.3)
    learner = augment.in_front_of(model, "forecast", parameters, INPUTS)
    values = _histories()
    assert np.array_equal(learner.predict(values, verbose=0), model.predict(values, verbose=0))
    assert learner.count_params() == model.count_params()
    targets = model.predict(values, verbose=0)
    learner.compile("sgd", "mean_absolute_error")
    assert learner.evaluate(values, targets, verbose=0) == pytest.approx(0, abs=1e-6)
    assert learner.train_on_batch(values, targets) > 0.01


@pytest.mark.parametrize("precision", options.PRECISIONS)
def test_a_step_learns_in_every_precision(splits, precision):
    changes = {"epochs": 1, "precision": precision} | dict.fromkeys(NAMES, 0.1)
    parameters = architectures.resolve("forecast", "perceptron", changes, FACTS["forecast"])
    fitted = training.train(
        "forecast", "perceptron", parameters, splits["forecast"], FACTS["forecast"], SEED
    )
    assert np.isfinite(fitted.history[-1]["val_loss"])
