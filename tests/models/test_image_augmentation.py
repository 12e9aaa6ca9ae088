"""Augmented pictures: what each parameter does to them, and what none of them touches."""

import keras
import numpy as np
import pytest
from small_data import FACTS

from models import architectures, augment, options
from models import train as training
from models.augmentation import image as augmentation
from models.errors import WrongParameter
from models.inputs import ImageInputs

NAMES = tuple(options.AUGMENTATION["image"])
each = pytest.mark.parametrize("name", NAMES)
INPUTS = ImageInputs(10, 14, 3, ("a", "b"))
SEED = 3
# What a window shows that lies half a picture further down and right; the edge is repeated.
ROWS_5_DOWN = np.minimum(np.arange(10) + 5, 9)
COLUMNS_7_RIGHT = np.minimum(np.arange(14) + 7, 13)


def _pictures(count: int = 64) -> np.ndarray:
    """float32 (picture, 10, 14, 3): smooth, bright on one side, with both black and white."""
    rows, columns = np.mgrid[0:10, 0:14] / 13
    waves = np.stack([columns, columns * rows, 1 - columns**2], axis=-1)
    return np.broadcast_to(waves, (count, 10, 14, 3)).astype(np.float32)


def _layers(**switched: float) -> list[keras.layers.Layer]:
    keras.utils.set_random_seed(SEED)
    return augmentation.layers(options.AUGMENTATION["image"] | switched, INPUTS)


def _varied(pictures: np.ndarray, *, while_training: bool = True, **switched: float) -> np.ndarray:
    for layer in _layers(**switched):
        pictures = layer(pictures, training=while_training)
    return keras.ops.convert_to_numpy(pictures)


def test_nothing_is_switched_on_by_default():
    assert _layers() == []
    for arch in architectures.names("image"):
        parameters = architectures.resolve("image", arch, {}, {})
        assert augmentation.layers(parameters, INPUTS) == []


@each
def test_each_does_something_and_keeps_shape_type_and_range(name):
    given = _pictures()
    varied = _varied(given, **{name: 0.3})
    assert (varied.shape, varied.dtype) == (given.shape, given.dtype)
    assert np.abs(varied - given).max() > 0.05
    assert 0 <= varied.min() <= varied.max() <= 1


@each
def test_each_varies_every_picture_by_an_amount_of_its_own(name):
    varied = _varied(_pictures(), **{name: 0.3})
    distinct = len(np.unique(varied.reshape(len(varied), -1), axis=0))
    assert distinct == 2 if name == "flip" else distinct == len(varied)


@each
def test_each_is_the_identity_outside_of_training(name):
    given = _pictures()
    assert np.array_equal(_varied(given, while_training=False, **{name: 0.3}), given)


@each
def test_each_draws_the_same_again_from_the_same_seed_and_anew_at_every_step(name):
    given = _pictures()
    first, again = (_varied(given, **{name: 0.3}) for _ in range(2))
    assert np.array_equal(first, again)
    (layer,) = _layers(**{name: 0.3})
    steps = [keras.ops.convert_to_numpy(layer(given, training=True)) for _ in range(2)]
    assert not np.array_equal(*steps)


@each
def test_each_is_a_share(name):
    with pytest.raises(WrongParameter, match=f"{name} is a share.* at most 1, not 1.5"):
        _layers(**{name: 1.5})


def test_a_share_of_the_pictures_is_mirrored():
    given = _pictures(2000)
    varied = _varied(given, flip=0.25)
    mirrored = (varied == given[:, :, ::-1]).all(axis=(1, 2, 3))
    assert np.array_equal(varied[~mirrored], given[~mirrored])
    assert 0.2 < mirrored.mean() < 0.3


@pytest.mark.parametrize(
    ("switched", "expected"),
    [
        ({"rotation": 0.5}, lambda given: given[:, ::-1, ::-1]),
        ({"shift": 0.5}, lambda given: given[:, ROWS_5_DOWN][:, :, COLUMNS_7_RIGHT]),
        ({"crop": 1.0}, lambda given: np.broadcast_to(given[:, -1:, -1:], given.shape)),
    ],
)
def test_the_most_that_may_be_drawn_moves_pictures_so_far(monkeypatch, switched, expected):
    monkeypatch.setattr(
        augmentation.Moved, "_drawn", lambda self, count, most: np.full(count, most, np.float32)
    )
    given = _pictures(2)
    assert _varied(given, **switched) == pytest.approx(expected(given), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("rotation", keras.layers.RandomRotation), ("zoom", keras.layers.RandomZoom)],
)
def test_moves_are_those_of_keras_own_layers(monkeypatch, name, layer):
    """Both draw one and the same amount."""
    monkeypatch.setattr(
        augmentation.Moved, "_drawn", lambda self, count, most: np.full(count, most, np.float32)
    )
    given = _pictures(2)
    theirs = layer((0.2, 0.2), fill_mode="nearest")(given, training=True)
    ours = _varied(given, **{name: 0.2})
    assert ours == pytest.approx(keras.ops.convert_to_numpy(theirs), abs=1e-4)


def test_a_fit_changes_no_row_of_any_split_and_keeps_the_labels(splits):
    used = {
        name: {column: values.copy() for column, values in split.items()}
        for name, split in splits["image"].items()
    }
    switched = dict.fromkeys(NAMES, 0.1)
    parameters = architectures.resolve(
        "image", "perceptron", {"epochs": 2, **switched}, FACTS["image"]
    )
    fitted = training.train("image", "perceptron", parameters, used, FACTS["image"], SEED)
    for name, split in splits["image"].items():
        for column, values in split.items():
            assert np.array_equal(values, used[name][column]), (name, column)
    kept = [type(layer).__name__ for layer in fitted.model.layers]
    assert kept == ["InputLayer", "Flatten", "Dense"]


def test_what_is_validated_and_served_is_the_model_without_augmentation():
    model = architectures.module("image", "ann").build(10, 14, 3, 2)
    parameters = options.AUGMENTATION["image"] | dict.fromkeys(NAMES, 0.3)
    learner = augment.in_front_of(model, "image", parameters, INPUTS)
    pictures = _pictures(8)
    assert np.array_equal(learner.predict(pictures, verbose=0), model.predict(pictures, verbose=0))
    assert learner.count_params() == model.count_params()
    assert not any(isinstance(layer, augmentation.Moved) for layer in model.layers)


@pytest.mark.parametrize("precision", options.PRECISIONS)
def test_a_step_learns_in_every_precision(splits, precision):
    changes = {"epochs": 1, "precision": precision} | dict.fromkeys(NAMES, 0.1)
    parameters = architectures.resolve("image", "perceptron", changes, FACTS["image"])
    fitted = training.train(
        "image", "perceptron", parameters, splits["image"], FACTS["image"], SEED
    )
    assert np.isfinite(fitted.history[-1]["val_loss"])
