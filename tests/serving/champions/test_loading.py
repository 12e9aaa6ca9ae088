"""A pointer is followed only to what it may lead to, and each refusal says at which step it was."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
from onnx import helper, numpy_helper

from models.artifact import artifact
from models.inputs.errors import InputError
from serving.champions.loading import Refused, check_speed, load
from serving.inference.loaded_model import open_graph


def publish_with(home, task="image", **written):
    """Publish an artifact some of whose content is given: golden, graph or guard."""
    folder = home / "published" / "artifacts" / "new"
    folder.mkdir(parents=True)
    digest = tiny.write(folder, task, 0, **written)
    folder.rename(folder.with_name(digest))
    tiny.point(home, task, "1", digest)


def repoint(home, **changes):
    path = home / "published" / "image.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("task", ["image", "sentiment", "forecast"])
def test_a_good_one_loads(tmp_path, task):
    tiny.publish(tmp_path, task)
    model = load(tmp_path / "published" / f"{task}.json", task)
    assert model.identity["name"] == f"espalier-{task}-tiny"
    assert model.seconds > 0
    sent, options = artifact.payload(tiny.REQUESTS[task][1])
    expected = artifact.read_golden(tiny.publish(tmp_path, task))[1]["answer"]
    answer = model.predict([sent], **options)[0]
    assert artifact.agree(model.inputs, expected, answer)
    assert answer["familiar"] is expected["familiar"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"artifact": "../elsewhere"}, "pointer cannot be read"),
        ({"artifact": "/etc"}, "pointer cannot be read"),
        ({"name": None}, "pointer cannot be read"),
        ({"version": "x" * (1 << 17)}, "pointer cannot be read"),
        ({"artifact": "artifacts/lost"}, "files are not those"),
        ({"manifest_sha256": "0" * 64}, "files are not those"),
    ],
)
def test_a_pointer_that_leads_nowhere_good(tmp_path, changes, reason):
    tiny.publish(tmp_path, "image")
    repoint(tmp_path, **changes)
    with pytest.raises(Refused, match=reason):
        load(tmp_path / "published" / "image.json", "image")


def graph(seed=0, task="image", output=None) -> bytes:
    return tiny.graph_of(task, seed, output).SerializeToString()


def outside(folder) -> bytes:
    """A graph with its tensors in another file."""
    path = folder / "outside.onnx"
    onnx.save(tiny.graph_of("image"), path, save_as_external_data=True, size_threshold=0)
    return path.read_bytes()


def slow() -> bytes:
    """The same answers after 17 thousand million multiplications whose outcome does not count."""
    model = tiny.graph_of("image")
    model.graph.node[-1].output[0] = "answer"
    nodes = [
        ("ReduceMean", ["input"], "mean", {"keepdims": 0}),
        ("Expand", ["mean", "shape"], "wide", {}),
        ("MatMul", ["wide", "wide"], "product", {}),
        ("ReduceMean", ["product"], "much", {"keepdims": 0}),
        ("Mul", ["much", "zero"], "nothing", {}),
        ("Add", ["answer", "nothing"], "output", {}),
    ]
    for kind, given, made, options in nodes:
        model.graph.node.append(helper.make_node(kind, given, [made], **options))
    for name, value in (("shape", np.array([2048, 2048])), ("zero", np.array(0, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda folder: b"no graph", "its graph"),
        (outside, "its graph"),
        (lambda folder: graph(5), "golden answers"),
        (lambda folder: graph(output=np.nan), "golden answers"),
        (lambda folder: graph(task="forecast"), "golden answers"),
        (lambda folder: slow(), "too slow"),
    ],
    ids=["bytes", "tensors elsewhere", "other answers", "nan", "another shape", "slow"],
)
def test_a_graph_that_may_not_serve(tmp_path, made, reason):
    golden = artifact.read_golden(tiny.publish(tmp_path / "good", "image"))
    publish_with(tmp_path, graph=made(tmp_path), golden=golden)
    with pytest.raises(Refused, match=reason):
        load(tmp_path / "published" / "image.json", "image")


@pytest.mark.parametrize(
    ("guard", "reason"),
    [
        (b"no graph", "its graph"),
        (tiny.guard_of("image", output=np.nan).SerializeToString(), "gave .* with nan"),
        (tiny.guard_of("image", output=3).SerializeToString(), "Golden request 1"),
    ],
    ids=["bytes", "nan", "other errors"],
)
def test_a_guard_that_says_nothing_of_worth(tmp_path, guard, reason):
    golden = artifact.read_golden(tiny.publish(tmp_path / "good", "image"))
    publish_with(tmp_path, guard=guard, golden=golden)
    with pytest.raises(Refused, match=reason):
        load(tmp_path / "published" / "image.json", "image")


def test_an_artifact_without_a_guard_answers_all_the_same(tmp_path):
    publish_with(tmp_path, guarded=False)
    model = load(tmp_path / "published" / "image.json", "image")
    assert set(model.predict([tiny.picture()])[0]) == {"label", "probabilities"}


def test_an_artifact_that_proves_nothing(tmp_path):
    publish_with(tmp_path, golden=[])
    with pytest.raises(Refused, match="no golden requests"):
        load(tmp_path / "published" / "image.json", "image")


def test_an_artifact_of_another_task(tmp_path):
    tiny.publish(tmp_path, "sentiment")
    pointer = tmp_path / "published" / "sentiment.json"
    with pytest.raises(Refused, match="for sentiment, not for image"):
        load(pointer, "image")


def test_each_file_is_read_once(tmp_path, monkeypatch):
    """Its digest is that of the bytes that are used."""
    folder, opened, path_open = tiny.publish(tmp_path, "image"), [], Path.open

    def opening(path, *given, **options):
        opened.append(path)
        return path_open(path, *given, **options)

    monkeypatch.setattr(Path, "open", opening)
    load(tmp_path / "published" / "image.json", "image")
    assert sorted(path for path in opened if path.parent == folder) == sorted(folder.iterdir())


def test_answers_that_are_not_finite_are_no_answers(tmp_path):
    """A model that is finite on its golden requests may still not be on a client's."""
    tiny.publish(tmp_path, "forecast")
    good = load(tmp_path / "published" / "forecast.json", "forecast")
    graph = tiny.graph_of("forecast", output=np.nan).SerializeToString()
    with pytest.raises(InputError, match="no finite answer"):
        replace(good, run=open_graph(graph)).predict([tiny.history()])


@pytest.mark.parametrize(
    ("seconds", "before", "refused"),
    [
        (0.051, None, True),
        (0.049, None, False),
        (0.006, 0.0001, True),
        (0.004, 0.0001, False),
        (0.030, 0.002, False),
        (0.045, 0.002, True),
    ],
)
def test_too_slow_is_over_50_ms_or_20_times_the_one_before(tmp_path, seconds, before, refused):
    tiny.publish(tmp_path, "image")
    model = load(tmp_path / "published" / "image.json", "image")
    predecessor = None if before is None else replace(model, seconds=before)
    with pytest.raises(ValueError, match="A request takes") if refused else nullcontext():
        check_speed(replace(model, seconds=seconds), predecessor)
