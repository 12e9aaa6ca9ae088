"""What each augmentation does to pictures."""

import keras
import numpy as np
import pytest
from augmented import pictures, varied

from models import options
from models.augmentation import image as augmentation

# What a window shows that lies half a picture further down and right; the edge is repeated.
ROWS_5_DOWN = np.minimum(np.arange(10) + 5, 9)
COLUMNS_7_RIGHT = np.minimum(np.arange(14) + 7, 13)


def _varied(given: np.ndarray, **switched: float) -> np.ndarray:
    return varied("image", given, **switched)


@pytest.fixture
def highest(monkeypatch):
    """The most that may be drawn, for every picture."""
    monkeypatch.setattr(
        augmentation.Moved, "_drawn", lambda self, count, most: np.full(count, most, np.float32)
    )


@pytest.mark.parametrize("name", options.AUGMENTATION["image"])
def test_values_stay_in_range(name):
    made = _varied(pictures(), **{name: 0.3})
    assert 0 <= made.min() <= made.max() <= 1


def test_a_share_of_the_pictures_is_mirrored():
    given = pictures(2000)
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
def test_the_most_that_may_be_drawn_moves_pictures_so_far(highest, switched, expected):
    given = pictures(2)
    assert _varied(given, **switched) == pytest.approx(expected(given), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("rotation", keras.layers.RandomRotation), ("zoom", keras.layers.RandomZoom)],
)
def test_moves_are_those_of_keras_own_layers(highest, name, layer):
    given = pictures(2)
    theirs = layer((0.2, 0.2), fill_mode="nearest")(given, training=True)
    ours = _varied(given, **{name: 0.2})
    assert ours == pytest.approx(keras.ops.convert_to_numpy(theirs), abs=1e-4)
