"""Fitted inputs of each kind, and how one refuses."""

import numpy as np
import pytest

from models.inputs.errors import InputError
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs, Windows
from models.inputs.texts import TextInputs

DIGITS = tuple("0123456789")
GREY = ImageInputs(8, 8, 1, DIGITS)
COLOUR = ImageInputs(8, 8, 3, DIGITS)
TEXT = TextInputs(6, ("good", "bad", "film", "dont"), ("negative", "positive"))


def windows(target: np.ndarray) -> Windows:
    """What came (window, step), after four readings of 150."""
    return Windows(np.arange(len(target)), np.full((len(target), 4), 150.0), target)


_random = np.random.default_rng(0)
SERIES = SeriesInputs(4, 3, 150.0, 50.0).calibrated(
    np.zeros((199, 3), np.float32), windows(150 + 50 * _random.normal(size=(199, 3)))
)
PAIRED = TextInputs(4, TEXT.vocabulary, TEXT.labels, np.array([[2, 4], [3, 2], [3, 4]], np.int32))


def refused(code: str, call, *arguments, **options) -> str:
    """Return the one clear sentence with which `call` refuses."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    message = caught.value.message
    assert message.isascii()
    assert message.endswith(".")
    assert len(message) < 200
    return message
