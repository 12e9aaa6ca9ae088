"""What a fit fails with reaches the process that waits for it, with every word."""

import copy

import pytest

from models.errors import ModelError, TrainingDiverged, UnknownName, WrongData
from models.inputs.errors import InputError


@pytest.mark.parametrize(
    "error",
    [
        TrainingDiverged("cnn", 3, float("nan")),
        UnknownName("task", "imagery", {"sentiment", "image"}),
        WrongData("The test split is empty."),
        InputError("empty_text", "The text is empty."),
    ],
)
def test_an_error_is_built_anew_from_its_args(error):
    # As pickle does it: Dask failed over an exception that it could not build.
    built = copy.copy(error)
    assert (type(built), str(built)) == (type(error), str(error))
    assert isinstance(built, ModelError | InputError)


def test_a_name_is_told_with_what_is_near_and_what_is_known():
    error = UnknownName("task", "imagery", {"sentiment", "image"})
    assert str(error) == (
        "There is no task 'imagery' (did you mean 'image'?). Known are: image, sentiment."
    )
