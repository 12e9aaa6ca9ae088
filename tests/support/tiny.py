"""Small real artifacts, made without a framework: graphs by `onnx`, inputs by models/."""

import base64
import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from encoded import file_of
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.artifact import artifact
from models.familiarity.familiarity import Familiarity
from models.inputs.answers import predict
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs

DIGITS = tuple("0123456789")
WORDS = ("good", "great", "fine", "bad", "awful", "dull")
HISTORY, HORIZON = 24, 6


def publish(
    home: Path,
    slot: str,
    version: str = "1",
    seed: int = 0,
    spoil=None,
    dataset: str | None = None,
) -> Path:
    """Write an artifact and its pointer as pipelines do, and return the artifact's folder.

    slot: a task, or a task and a dataset. seed: another seed, another model. spoil: called with the
    folder before the pointer is written. dataset: by default that of the slot, or `tiny`.
    """
    task, _, own = slot.partition("-")
    dataset = dataset or own or "tiny"
    artifacts = home / "published" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=artifacts))
    digest = write(staging, task, seed, dataset=dataset)
    if (artifacts / digest).exists():
        shutil.rmtree(staging)
    else:
        staging.rename(artifacts / digest)
    if spoil:
        spoil(artifacts / digest)
    return point(home, slot, version, digest, dataset)


def point(
    home: Path, slot: str, version: str, digest: str, dataset: str = "tiny", **more: str
) -> Path:
    """Publish the artifact `digest`: one atomic rename. more: fields of the pointer."""
    pointer = home / "published" / f"{slot}.json"
    content = {
        "name": f"espalier-{slot.partition('-')[0]}-{dataset}",
        "version": version,
        "artifact": f"artifacts/{digest}",
        "manifest_sha256": digest,
        "data": {"about": "Made-up rows."}
        | ({"interval": 3600, "value": "level"} if slot.startswith("forecast") else {}),
    }
    beside = pointer.with_suffix(f".{version}")
    beside.write_text(json.dumps(content | more))
    beside.replace(pointer)
    return pointer.parent / "artifacts" / digest


def challenge(
    home: Path, task: str, version: str = "2", share: int = 0, until: str | None = None, **written
) -> Path:
    """Put a challenger on trial beside the task's champion; `withdraw` ends that.

    share: the percentage of requests that it answers. until: of its pointer. written: as `write`
    takes it; graph: of `slow_graph` or `failing_graph`, for instance.
    """
    folder = Path(tempfile.mkdtemp(dir=home / "published" / "artifacts"))
    digest = write(folder, task, **{"seed": int(version)} | written)
    shutil.rmtree(folder.with_name(digest), ignore_errors=True)
    folder.rename(folder.with_name(digest))
    more = {"name": f"espalier-{task}-tiny", "share": share} | ({"until": until} if until else {})
    return point(home, f"{task}.challenger", version, digest, **more)


def withdraw(home: Path, task: str) -> None:
    """End the trial of a task's challenger."""
    (home / "published" / f"{task}.challenger.json").unlink()


def slow_graph(turns: int = 160) -> bytes:
    """The graph of a perceptron for pictures that computes far more than it needs."""
    kind, shape, outputs, nodes, weights = _image_nodes(np.random.default_rng(2))
    nodes[1:] = [
        helper.make_node("MatMul", ["flat", "weight"], ["own"]),
        helper.make_node("Tile", ["flat", "times"], ["s0"]),
        *(helper.make_node("Sin", [f"s{one}"], [f"s{one + 1}"]) for one in range(turns)),
        helper.make_node("ReduceMean", [f"s{turns}"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["least"]),
        helper.make_node("Add", ["own", "least"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["output"], axis=-1),
    ]
    weights |= {"times": np.array([1, 150]), "nothing": np.array(0, np.float32)}
    return _model(kind, shape, outputs, nodes, weights).SerializeToString()


def failing_graph() -> bytes:
    """The graph of a perceptron that fails on a picture without anything dark on it."""
    kind, shape, outputs, nodes, weights = _image_nodes(np.random.default_rng(2))
    nodes[1:] = [
        helper.make_node("MatMul", ["flat", "weight"], ["own"]),
        helper.make_node("ReduceMin", ["flat"], ["darkest"], axes=[1], keepdims=0),
        helper.make_node("Cast", ["darkest"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["nothing", "place"], ["least"]),
        helper.make_node("Add", ["own", "least"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["output"], axis=-1),
    ]
    weights |= {"nothing": np.zeros((1, 1), np.float32)}
    return _model(kind, shape, outputs, nodes, weights).SerializeToString()


def declare(home: Path, **served: list[str]) -> None:
    """Say which datasets are served: task → datasets."""
    (home / "published").mkdir(exist_ok=True)
    (home / "published" / "served.json").write_text(json.dumps(served))


def write(
    folder: Path,
    task: str,
    seed: int,
    golden=None,
    graph=None,
    guard=None,
    guarded: bool = True,
    dataset: str = "tiny",
) -> str:
    """Write a whole artifact and return its manifest's sha256.

    golden, graph, guard: instead of its own. guarded: whether it has a guard.
    """
    inputs = INPUTS[task]()
    model = graph if graph is not None else graph_of(task, seed).SerializeToString()
    (folder / "model.onnx").write_bytes(model)
    (folder / "model.keras").write_bytes(b"not read by the service")
    artifact.write_inputs(folder, inputs)
    if guarded:
        judging = guard if guard is not None else guard_of(task).SerializeToString()
        (folder / "familiarity.onnx").write_bytes(judging)
        artifact.write_familiarity(folder, familiarity_of(task))
    if golden is None:
        golden = golden_of(inputs, model, REQUESTS[task], task if guarded else None)
    (folder / "golden.json").write_bytes(artifact.to_json(golden))
    identity = {
        "task": task,
        "dataset": dataset,
        "dataset_hash": "d41d8cd98f00b204e9800998ecf8427e.dir",
        "arch": "perceptron",
        "fingerprint": hashlib.sha256(f"{task}{seed}".encode()).hexdigest(),
        "parameters": {},
        "seed": seed,
        "run_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    }
    return artifact.write_manifest(folder, identity)


def golden_of(inputs, model: bytes, requests: list[dict], guarded: str | None = None) -> list[dict]:
    """Requests with the model's answers; guarded: the task whose guard has a say in them."""
    run, golden = _runner(model), []
    for request in requests:
        sent, options = artifact.payload(request)
        tensor, [answer] = predict(inputs, run, [sent], **options)
        if guarded:
            judging = _runner(guard_of(guarded).SerializeToString())
            answer |= familiarity_of(guarded).judge(judging, [sent], inputs, tensor)[0]
        golden.append({"request": request, "answer": answer})
    return golden


def _runner(graph: bytes):
    session = onnxruntime.InferenceSession(graph)
    return lambda tensor: session.run(["output"], {"input": tensor})[0]


def guard_of(task: str, output: float | None = None) -> onnx.ModelProto:
    """A guard that minds brightness, unknown words, or the distance from the mean.

    output: a number that every error is instead.
    """
    kind, shape = {
        "image": (TensorProto.FLOAT, (8, 8, 1)),
        "sentiment": (TensorProto.INT32, (16,)),
        "forecast": (TensorProto.FLOAT, (HISTORY,)),
    }[task]
    nodes = [helper.make_node("Abs", ["input"], ["minded"])]
    if task == "sentiment":
        nodes = [
            helper.make_node("Equal", ["input", "unknown"], ["found"]),
            helper.make_node("Cast", ["found"], ["minded"], to=TensorProto.FLOAT),
        ]
    nodes += [
        helper.make_node("Flatten", ["minded"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["error"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["error", "factor"], ["output"]),
    ]
    weights = {
        "unknown": np.array(1, np.int32),
        "factor": np.array(1 if output is None else output, np.float32),
    }
    return _model(kind, shape, 1, nodes, weights)


def familiarity_of(task: str) -> Familiarity:
    """Errors up to what the golden requests have; of texts the guard knows fewer words."""
    inputs, largest = INPUTS[task](), {"image": 0.8, "sentiment": 0.4, "forecast": 1.5}[task]
    if task == "sentiment":
        inputs = replace(inputs, vocabulary=WORDS[:3])
    errors = np.linspace(0, largest, 200, dtype=np.float32)[:, None]
    return Familiarity.calibrate(inputs, errors)


def graph_of(task: str, seed: int = 0, output: float | None = None) -> onnx.ModelProto:
    """A perceptron for the task; output: a number that every answer is made of instead."""
    rng = np.random.default_rng(seed)
    builders = {"image": _image_nodes, "sentiment": _text_nodes, "forecast": _series_nodes}
    kind, shape, outputs, nodes, weights = builders[task](rng)
    if output is not None:
        weights = {name: np.full_like(weight, output) for name, weight in weights.items()}
    return _model(kind, shape, outputs, nodes, weights)


def _model(kind: int, shape: tuple[int, ...], outputs: int, nodes, weights) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", kind, [None, *shape])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _image_nodes(rng):
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["output"], axis=-1),
    ]
    weight = rng.normal(0, 0.1, (64, 10)).astype(np.float32)
    return TensorProto.FLOAT, (8, 8, 1), 10, nodes, {"weight": weight}


def _text_nodes(rng):
    nodes = [
        helper.make_node("Gather", ["embedding", "input"], ["words"]),
        helper.make_node("ReduceMean", ["words"], ["scores"], axes=[1], keepdims=0),
        helper.make_node("Softmax", ["scores"], ["output"], axis=-1),
    ]
    embedding = rng.normal(0, 1, (len(WORDS) + 2, 2)).astype(np.float32)
    return TensorProto.INT32, (16,), 2, nodes, {"embedding": embedding}


def _series_nodes(rng):
    nodes = [helper.make_node("MatMul", ["input", "weight"], ["output"])]
    weight = rng.normal(0, 0.1, (HISTORY, HORIZON)).astype(np.float32)
    return TensorProto.FLOAT, (HISTORY,), HORIZON, nodes, {"weight": weight}


def image_inputs() -> ImageInputs:
    return ImageInputs(8, 8, 1, DIGITS)


def text_inputs() -> TextInputs:
    return TextInputs(16, WORDS, ("negative", "positive"))


def series_inputs() -> SeriesInputs:
    radii = np.linspace(0.1, 3, 999, dtype=np.float32)[:, None].repeat(HORIZON, 1)
    return replace(SeriesInputs(HISTORY, HORIZON, 6.0, 2.0), radii=radii)


def picture(format: str = "PNG", size: int = 8, mode: str = "L", seed: int = 0) -> bytes:
    """An encoded picture of noise."""
    rng = np.random.default_rng(seed)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = rng.integers(0, 256, (size, size, *channels), dtype=np.uint8)
    return file_of(pixels, format)


def white() -> bytes:
    """An encoded picture without anything on it."""
    return file_of(Image.new("L", (8, 8), "white"))


def history(length: int = HISTORY) -> list[float]:
    return [6 + 2 * float(np.sin(step / 4)) for step in range(length)]


INPUTS = {"image": image_inputs, "sentiment": text_inputs, "forecast": series_inputs}
REQUESTS = {
    "image": [
        {"image": base64.b64encode(content).decode("ascii")}
        for content in (picture(), picture("JPEG", 30, "RGB"), picture("PNG", 9, "RGBA"))
    ],
    "sentiment": [{"text": "A good, great film."}, {"text": "dull " * 50}, {"text": ":)"}],
    "forecast": [
        {"history": history()},
        {"history": history(40), "horizon": 2, "level": 0.5},
    ],
}
