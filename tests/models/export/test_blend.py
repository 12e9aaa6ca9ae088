"""A blend says the mean of what its members say, and its artifact is one like any other."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
from small_data import FACTS

from models.artifact import artifact
from models.errors import ModelError
from models.examples import examples
from models.export import answering, blend, convert

IDENTITY = {"arch": "blend", "parameters": {}, "seed": 0, "fingerprint": "f" * 64}
PAIRS = np.array([[3, 3], [4, 5]], np.int32)  # great great, fine bad


def members(folder, task, **other):
    """The folders of three small models; other: what differs in the inputs of the last."""
    written = []
    for seed in range(3):
        one = folder / f"{task}-{seed}"
        one.mkdir()
        tiny.write(one, task, seed)
        written.append(one)
    artifact.write_inputs(written[-1], replace(tiny.INPUTS[task](), **other))
    return written


@pytest.mark.parametrize(
    ("task", "other"),
    [
        ("image", {}),
        ("sentiment", {}),
        ("sentiment", {"vocabulary": tiny.WORDS[:3]}),
        ("sentiment", {"vocabulary": tiny.WORDS[:4], "length": 8, "pairs": PAIRS}),
        ("forecast", {}),
    ],
)
def test_the_graph_says_the_mean_of_what_its_members_say(splits, tmp_path, task, other):
    folders, facts = members(tmp_path, task, **other), FACTS[task]
    blended = blend.blend(folders, splits[task], facts)
    test, out = splits[task]["test"], tmp_path / "blend"
    out.mkdir()
    identity = IDENTITY | {"task": task}
    artifact.check(out, blend.write(out, blended, splits[task], facts, identity))

    inputs, stride = artifact.read_inputs(out), facts.get("stride", 1)
    said = [
        convert.runner(one / "model.onnx")(examples(artifact.read_inputs(one), test, stride).tensor)
        for one in folders
    ]
    part = examples(inputs, test, stride)
    outputs, expected = convert.runner(out / "model.onnx")(part.tensor), np.mean(said, axis=0)
    if blended.factor is not None:  # labels stay, and so does their order
        expected = expected.astype(float) ** blended.factor
        expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    assert np.ptp(said, axis=0).max() > 0.01
    if task == "forecast":  # the interval is of its own forecasts
        validation = examples(inputs, splits[task]["validation"])
        own = inputs.calibrated(blended.run(validation.tensor), validation.windows)
        assert np.array_equal(inputs.radii, own.radii)
    golden = artifact.read_golden(out)
    assert artifact.replay(inputs, answering.Answering(out).answers, golden) == []


def test_members_that_read_other_tensors_are_not_blended(splits, tmp_path):
    folders = members(tmp_path, "forecast", scale=3.0)
    with pytest.raises(ModelError, match="cannot be blended"):
        blend.blend(folders, splits["forecast"], FACTS["forecast"])
