import pytest

from pipelines.runtime.settings import UsageError
from pipelines.training import parameter_grid
from pipelines.training.parameter_grid import Range


def test_values_are_typed_and_tried_once_each():
    changes = ["units=32,64,32", "learning_rate=1e-4", "schedule=cosine", "size=null", "clip=1.0"]
    assert parameter_grid.parsed([*changes, "class_weights=true"]) == {
        "units": [32, 64],
        "learning_rate": [1e-4],
        "schedule": ["cosine"],
        "size": [None],
        "clip": [1.0],
        "class_weights": [True],
    }


def test_several_lists_multiply():
    points = parameter_grid.grid({"units": [32, 64], "dropout": [0.1, 0.2], "epochs": [3]})
    assert len(points) == 4
    assert {"units": 64, "dropout": 0.1, "epochs": 3} in points
    assert parameter_grid.grid({}) == [{}]


@pytest.mark.parametrize(
    ("change", "expected", "logarithmic"),
    [
        ("units=16..128", Range(16, 128), False),
        ("learning_rate=1e-4..1e-2", Range(1e-4, 1e-2), True),
        ("dropout=0.1..0.5", Range(0.1, 0.5), False),
        ("dropout=0..0.5", Range(0.0, 0.5), False),
    ],
)
def test_ranges(change, expected, logarithmic):
    [choice] = parameter_grid.parsed([change]).values()
    assert (choice, type(choice.low)) == (expected, type(expected.low))
    assert choice.logarithmic is logarithmic


def test_the_ends_of_ranges_are_what_is_checked():
    points = parameter_grid.ends({"units": Range(16, 128), "epochs": [3, 4]})
    assert [tuple(point.values()) for point in points] == [(16, 3), (16, 4), (128, 3), (128, 4)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["units"], "--set takes key=value, received 'units'"),
        (["units="], "--set takes key=value"),
        (["units=1,,2"], "holds an empty value"),
        (["units=1", "units=2"], "names units twice"),
        (["units=8..4"], "is no range"),
        (["units=a..b"], "is no range"),
        (["units=1..8"], "--search N, or list the values, units=1,8"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        parameter_grid.grid(parameter_grid.parsed(changes))
