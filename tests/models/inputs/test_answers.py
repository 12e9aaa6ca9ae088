"""When two answers are equal, and what inputs are saved as."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from raw_inputs import GREY, PAIRED, SERIES, TEXT

from models.inputs import kinds
from models.inputs.images import ImageInputs


def _two(first: float, label: str | None = None) -> dict:
    probabilities = {"cat": first, "dog": 1 - first}
    label = label or max(probabilities, key=probabilities.get)
    return {"label": label, "probabilities": probabilities}


@pytest.mark.parametrize(
    ("expected", "answer", "equal"),
    [
        (_two(0.7), _two(0.7), True),
        (_two(0.7), _two(0.70009), True),
        (_two(0.7), _two(0.7002), False),
        (_two(0.50004), _two(0.49996), True),  # another label, but nearly a tie
        (_two(0.7), _two(0.7, label="dog"), False),
        (_two(0.7), _two(math.nan, label="cat"), False),
        (_two(0.7), {"label": "cat", "probabilities": {"cat": 0.7}}, False),
    ],
)
def test_class_answers_are_equal_as_the_design_says(expected, answer, equal):
    assert GREY.agrees(expected, answer) is equal
    assert TEXT.agrees(expected, answer) is equal


PETS = ("cat", "dog")


@pytest.mark.parametrize("inputs", [ImageInputs(1, 1, 1, PETS), replace(TEXT, labels=PETS)])
def test_weighed_classes_decide_the_label_and_are_kept(inputs):
    weighed = replace(inputs, weights=(1.0, 9.0))
    [answer] = weighed.to_answers(np.array([[0.8, 0.2]]))
    assert (answer["label"], answer["probabilities"]) == ("dog", {"cat": 0.8, "dog": 0.2})
    assert kinds.from_spec(*weighed.spec()).to_answers(np.array([[0.8, 0.2]])) == [answer]
    assert "weights" not in inputs.spec()[0]  # an artifact without is as it was
    assert not weighed.agrees(answer, answer | {"label": "cat"})
    [tie] = weighed.to_answers(np.array([[0.9, 0.1]]))
    assert weighed.agrees(tie, tie | {"label": "cat"})


def test_a_class_answer_names_every_probability():
    inputs = ImageInputs(1, 1, 1, ("cat", "dog"))
    first, second = inputs.to_answers(np.array([[0.1, 0.9], [0.75, 0.25]], np.float32))
    assert first["label"] == "dog"
    assert second == {"label": "cat", "probabilities": {"cat": 0.75, "dog": 0.25}}


def test_forecasts_are_compared_in_scaled_values():
    [expected] = SERIES.to_answers(np.zeros((1, 3), np.float32), np.full((1, 4), 150.0))
    near, far = json.loads(json.dumps(expected)), json.loads(json.dumps(expected))
    near["forecast"][0] += 0.9e-4 * SERIES.scale
    far["upper"][2] += 1.1e-4 * SERIES.scale
    assert SERIES.agrees(expected, near)
    assert not SERIES.agrees(expected, far)
    assert not SERIES.agrees(expected, expected | {"level": 0.9})
    assert not SERIES.agrees(expected, expected | {"forecast": [150.0]})
    assert not SERIES.agrees(expected, expected | {"lower": [math.nan] * 3})


@pytest.mark.parametrize("inputs", [GREY, TEXT, PAIRED, SERIES])
def test_a_spec_makes_an_equal_object(inputs):
    fields, arrays = inputs.spec()
    again = kinds.from_spec(json.loads(json.dumps(fields)), arrays)
    assert again == inputs
    assert again.kind == inputs.kind
    again_fields, again_arrays = again.spec()
    assert again_fields == fields
    assert again_arrays.keys() == arrays.keys()
    assert all(np.array_equal(again_arrays[name], array) for name, array in arrays.items())
