"""From a published pointer to a model that may serve, or the reason why not.

pointer → digests → graph → session → warm-up → golden requests; what fails at one step is never
shown to the next.
"""

import json
import statistics
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from models import artifact
from models.familiarity import Run
from serving.graphs import check_graph
from serving.model import Guard, Model, open_graph

MAX_POINTER_BYTES = 1 << 16
MAX_GRAPH_BYTES = 1 << 28  # 256 MiB; the largest of the sixteen architectures has a few
WARM_UPS = 5

KINDS = {"image": "image", "sentiment": "text", "forecast": "series"}
TASKS = tuple(KINDS)


class Refused(Exception):
    """A published model that must not serve; `reason` is fit for clients, the cause for the log."""

    def __init__(self, reason: str, cause: object):
        super().__init__(f"{reason}: {cause}")
        self.reason = reason


def load(pointer: Path, task: str) -> Model:
    """Return the model that `pointer` publishes, checked and warm; raises Refused."""
    published = _step("its pointer cannot be read", _read_pointer, pointer)
    folder = pointer.parent / published["artifact"]
    digest = published["manifest_sha256"]
    manifest = _step("its files are not those that were published", artifact.check, folder, digest)
    graphs = _step("its graph is not one that may be served", _read_graphs, folder, manifest)
    model = _step("its graph cannot be opened", _open, published, manifest, folder, graphs)
    return _step("its answers differ from its golden answers", _proven, model, folder, task)


def _step(reason: str, action, *arguments):
    """Do one step of loading; whatever goes wrong in it is a refusal for that reason."""
    try:
        return action(*arguments)
    except Exception as error:
        raise Refused(reason, f"{type(error).__name__}: {error}") from error


def _read_pointer(pointer: Path) -> dict[str, str]:
    size = pointer.stat().st_size
    if size > MAX_POINTER_BYTES:
        raise ValueError(f"{pointer} has {size} bytes; at most {MAX_POINTER_BYTES} are allowed.")
    published = json.loads(pointer.read_bytes())
    wanted = ("name", "version", "artifact", "manifest_sha256")
    if not isinstance(published, dict) or not all(
        isinstance(published.get(name), str) for name in wanted
    ):
        raise ValueError(f"{pointer} must hold the strings {', '.join(wanted)}.")
    path = PurePosixPath(published["artifact"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{pointer} leads out of its folder: {published['artifact']}.")
    return published


def _read_graphs(folder: Path, manifest: dict) -> dict[str, bytes]:
    """Return the graphs by their files' names: the model's, and the guard's where there is one."""
    graphs = {}
    for name in sorted(manifest["files"]):
        if name.endswith(".onnx"):
            size = manifest["files"][name]["bytes"]
            if size > MAX_GRAPH_BYTES:
                raise ValueError(f"{name} has {size} bytes; at most {MAX_GRAPH_BYTES} are served.")
            graphs[name] = (folder / name).read_bytes()
            check_graph(graphs[name])
    return graphs


def _open(published: dict, manifest: dict, folder: Path, graphs: dict[str, bytes]) -> Model:
    inputs, familiarity = artifact.read_inputs(folder), artifact.read_familiarity(folder)
    run = open_graph(graphs["model.onnx"])
    guard = None
    if familiarity is not None:
        guard = Guard(familiarity, open_graph(graphs["familiarity.onnx"]))
    return Model(published["name"], published["version"], manifest, inputs, run, guard)


def _proven(model: Model, folder: Path, task: str) -> Model:
    """Warm the model up, replay its golden requests in one batch and one by one, and time it."""
    if (model.manifest["task"], model.inputs.kind) != (task, KINDS[task]):
        raise ValueError(f"The artifact is for {model.manifest['task']}, not for {task}.")
    golden = artifact.read_golden(folder)
    things = [artifact.payload(entry["request"])[0] for entry in golden]
    if not things:
        raise ValueError("The artifact has no golden requests: nothing proves its answers.")
    _check_batch(model.run, model.inputs.to_tensor(things))
    if model.guard is not None:
        _check_batch(model.guard.run, model.guard.familiarity.inputs.to_tensor(things))
    if complaints := artifact.replay(model.inputs, model.answers, golden):
        raise ValueError("; ".join(complaints))
    artifact.check_inputs(model.manifest, model.inputs)
    return replace(model, seconds=_one_request_seconds(model, things[0]))


def _check_batch(run: Run, tensor: np.ndarray) -> None:
    outputs = run(tensor)
    if len(outputs) != len(tensor) or not np.isfinite(outputs).all():
        raise ValueError(f"A batch of {len(tensor)} gave {outputs.shape} with {outputs.min()}.")


def _one_request_seconds(model: Model, thing) -> float:
    times = []
    for _ in range(WARM_UPS):
        start = time.perf_counter()
        model.answers([thing])
        times.append(time.perf_counter() - start)
    return statistics.median(times)
