"""From a published pointer to a model that may serve, or the reason why not.

pointer → digests → graph → session → warm-up and its time → golden requests; what fails at one
step is never shown to the next. A file that is used was read once, and these very bytes were
hashed: one that changes meanwhile is not the one that was published.
"""

import errno
import hashlib
import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np

from models.artifact import artifact
from models.familiarity.familiarity import Familiarity, Run
from models.inputs.images import ImageInputs
from models.inputs.kinds import from_spec
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs
from serving.inference.graph_check import check_graph
from serving.inference.loaded_model import Guard, Model, open_graph

MAX_POINTER_BYTES = 1 << 16
UNUSED = ("model.keras",)  # of an artifact's files: it is there to train on
MAX_GRAPH_BYTES = 1 << 28  # 256 MiB; the largest of the sixteen architectures has a few
WARM_UPS = 10
MAX_WARM_UP_SECONDS = 1
# A newcomer that takes longer for one request is refused: the gate allows 50 ms over HTTP
# (params.yaml, `latency_ms`). So is one that takes 20 times what the model before it took, unless
# that is still little.
SLOWEST_SECONDS = 0.050
TIMES_SLOWER, LITTLE_SECONDS = 20, 0.005

KINDS = {"image": "image", "sentiment": "text", "forecast": "series"}
TASKS = tuple(KINDS)

FOR_NOW = "the system failed while it was loaded; it is tried again"
# What a system says when it is its own fault, or somebody's who may mend it.
PASSING = (
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.ETIMEDOUT,
    errno.ESTALE, errno.EACCES, errno.ELOOP,
)  # fmt: skip


class Refused(Exception):
    """A published model that must not serve; `reason` is fit for clients, the cause for the log.

    passing: whether it was the system that failed, so that the same model may load later.
    """

    def __init__(self, reason: str, cause: object, passing: bool = False):
        super().__init__(f"{reason}: {cause}")
        self.reason = reason
        self.passing = passing


def load(pointer: Path, task: str, before: Model | None = None) -> Model:
    """Return the model that `pointer` publishes, checked and warm; raises Refused.

    before: the model that it would replace.
    """
    published = _step("its pointer cannot be read", _read_pointer, pointer)
    folder = pointer.parent / published["artifact"]
    digest = published["manifest_sha256"]
    manifest, files = _step("its files are not those that were published", _read, folder, digest)
    graphs = _step("its graph is not one that may be served", _checked_graphs, files)
    model = _step("its graph cannot be opened", _open, published, manifest, files, graphs)
    golden = _step("its golden requests cannot be read", json.loads, files["golden.json"])
    model = _step("its answers differ from its golden answers", _warm, model, golden, task)
    _step("it is too slow", _check_time, model, before)
    return _step("its answers differ from its golden answers", _proven, model, golden)


def _step(reason: str, action, *arguments):
    """Do one step of loading; whatever goes wrong in it is a refusal for that reason."""
    try:
        return action(*arguments)
    except Exception as error:
        passing, said = _is_passing(error), f"{type(error).__name__}: {error}"
        raise Refused(FOR_NOW if passing else reason, said, passing) from error


def _is_passing(error: BaseException | None) -> bool:
    """Whether the system failed, and not the model: no descriptor or memory left, a broken disk."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        error = error.__cause__
    return False


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


def _read(folder: Path, digest: str) -> tuple[dict, dict[str, bytes]]:
    """Return the manifest of an artifact that is whole, and the bytes of the files that serve."""
    manifest = artifact.check(folder, digest)
    entries = {name: entry for name, entry in manifest["files"].items() if name not in UNUSED}
    return manifest, {name: _read_file(folder / name, entry) for name, entry in entries.items()}


def _read_file(path: Path, entry: dict) -> bytes:
    """Read a file once more, after the check of the whole: these are the bytes that are used."""
    with path.open("rb") as file:
        content = file.read(entry["bytes"] + 1)
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path} has changed while it was read.")
    return content


def _checked_graphs(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the graphs by their files' names: the model's, and the guard's where there is one."""
    graphs = {name: content for name, content in files.items() if name.endswith(".onnx")}
    for name, content in sorted(graphs.items()):
        if len(content) > MAX_GRAPH_BYTES:
            raise ValueError(
                f"{name} has {len(content)} bytes; at most {MAX_GRAPH_BYTES} are served."
            )
        check_graph(content)
    return graphs


def _open(published: dict, manifest: dict, files: dict, graphs: dict[str, bytes]) -> Model:
    inputs, guard = _inputs(files), None
    if "familiarity.json" in files:
        familiarity = Familiarity.from_spec(json.loads(files["familiarity.json"]))
        run = open_graph(graphs["familiarity.onnx"])
        guard = Guard(familiarity, run, familiarity.reads_as(inputs))
    return Model(
        name=published["name"],
        version=published["version"],
        manifest=manifest,
        inputs=inputs,
        run=open_graph(graphs["model.onnx"]),
        guard=guard,
        pointer=published,
        since=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _inputs(files: dict[str, bytes]) -> ImageInputs | TextInputs | SeriesInputs:
    fields = json.loads(files["inputs.json"])
    if "inputs.npz" not in files:
        return from_spec(fields, {})
    with np.load(io.BytesIO(files["inputs.npz"]), allow_pickle=False) as arrays:
        return from_spec(fields, dict(arrays))


def _warm(model: Model, golden: list[dict], task: str) -> Model:
    """Ask the model its shortest golden request until it is warm, and note its time.

    What a longer one takes beyond that is reckoned when it comes (cost.py): by the time of a long
    text every text would pass for long work.
    """
    if (model.manifest["task"], model.inputs.kind) != (task, KINDS[task]):
        raise ValueError(f"The artifact is for {model.manifest['task']}, not for {task}.")
    if not golden:
        raise ValueError("The artifact has no golden requests: nothing proves its answers.")
    things = [artifact.payload(entry["request"])[0] for entry in golden]
    return replace(model, seconds=_one_request_seconds(model, min(things, key=len)))


def _check_time(model: Model, before: Model | None) -> None:
    """Raise ValueError for a model that would hold everybody up."""
    if model.seconds > SLOWEST_SECONDS:
        raise ValueError(f"A request takes {model.seconds:.4f} s, over {SLOWEST_SECONDS} s.")
    if before and model.seconds > max(TIMES_SLOWER * before.seconds, LITTLE_SECONDS):
        raise ValueError(f"A request takes {model.seconds:.4f} s, before it {before.seconds:.4f}.")


def _proven(model: Model, golden: list[dict]) -> Model:
    """Replay the golden requests in one batch and one by one."""
    things = [artifact.payload(entry["request"])[0] for entry in golden]
    _check_batch(model.run, model.inputs.to_tensor(things))
    if model.guard is not None:
        _check_batch(model.guard.run, model.guard.familiarity.inputs.to_tensor(things))
    if complaints := artifact.replay(model.inputs, model.answers, golden):
        raise ValueError("; ".join(complaints))
    artifact.check_inputs(model.manifest, model.inputs)
    return model


def _check_batch(run: Run, tensor: np.ndarray) -> None:
    outputs = run(tensor)
    if len(outputs) != len(tensor) or not np.isfinite(outputs).all():
        raise ValueError(f"A batch of {len(tensor)} gave {outputs.shape} with {outputs.min()}.")


def _one_request_seconds(model: Model, thing) -> float:
    """The least time of computing among some requests.

    This thread's alone, which is where a graph on one thread runs: what else the machine is busy
    with makes no model slow.
    """
    times = []
    for _ in range(WARM_UPS):
        start = time.thread_time()
        model.answers([thing])
        times.append(time.thread_time() - start)
        if sum(times) > MAX_WARM_UP_SECONDS:
            break
    return min(times)
