"""From a published pointer to a model that may serve, or the reason why not.

pointer → signature → digests → graph → session → warm-up and its time → golden requests; a later
step never sees what failed at an earlier one. Each file is read and hashed once, and the bytes that
were hashed are the bytes that are used.
"""

import errno
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.artifact import artifact
from models.artifact.signature import Trusted
from models.familiarity.familiarity import Familiarity, Run
from models.inputs.images import ImageInputs
from models.inputs.kinds import from_spec
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs
from serving.inference import pointer as pointers
from serving.inference.graph_check import check_graph
from serving.inference.loaded_model import Guard, Model, open_graph
from serving.inference.pointer import Pointer

KINDS = {"image": "image", "sentiment": "text", "forecast": "series"}
TASKS = tuple(KINDS)
MAX_GRAPH_BYTES = 1 << 28  # 256 MiB; the largest of the sixteen architectures has a few
EXAMPLES = 5  # golden requests: they begin with rows of the test split as they are
WARM_UPS = 10
MAX_WARM_UP_SECONDS = 1
# A model that takes longer for one request is refused: the gate allows 50 ms over HTTP
# (params.yaml, `latency_ms`). So is one that takes 20 times what its predecessor took, unless that
# is still little.
MAX_SECONDS = 0.050
MAX_TIMES_SLOWER, ALWAYS_ALLOWED_SECONDS = 20, 0.005

TRANSIENT = "the system failed while it was loaded; it is tried again"
# The errors of the system that are not the artifact's fault, or that somebody may mend.
TRANSIENT_ERRORS = (
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.ETIMEDOUT,
    errno.ESTALE, errno.EACCES, errno.ELOOP,
)  # fmt: skip


class Refused(Exception):
    """A published model that must not serve.

    Args:
        reason: Why, in words that are fit for clients.
        error: What was raised; it is for the log.

    transient: whether the system failed and not the model, so that it may load later.
    """

    def __init__(self, reason: str, error: Exception):
        self.transient = _is_transient(error)
        self.reason = TRANSIENT if self.transient else reason
        super().__init__(f"{self.reason}: {type(error).__name__}: {error}")


def load(
    pointer: Path,
    task: str,
    predecessor: Model | None = None,
    trusted: Trusted | None = None,
) -> Model:
    """Return the model that a pointer publishes, checked and warm.

    Args:
        pointer: The pointer's file.
        task: The task that the model must be for.
        predecessor: The model that it would replace.
        trusted: Who must have signed it; None: nobody.

    Raises:
        Refused: It must not serve.
    """
    with _step("its pointer cannot be read"):
        published = pointers.read(pointer)
    with _step("nobody who is trusted here signed it"):
        if trusted is not None:
            trusted.check(published.signature, published.manifest_sha256)
    with _step("its files are not those that were published"):
        folder = pointer.parent / published.artifact
        manifest, files = artifact.read(folder, published.manifest_sha256, artifact.SERVED)
    with _step("its graph is not one that may be served"):
        _check_graphs(files)
    with _step("its graph cannot be opened"):
        model = _open(published, manifest, files)
    with _step("its golden requests cannot be read"):
        golden = json.loads(files["golden.json"])
    with _step("its answers differ from its golden answers"):
        model = _warm(model, golden, task)
    with _step("it is too slow"):
        check_speed(model, predecessor)
    with _step("its answers differ from its golden answers"):
        _prove(model, golden)
    examples = tuple(entry["request"] for entry in golden[:EXAMPLES])
    return replace(model, examples=examples)


def check_speed(model: Model, predecessor: Model | None) -> None:
    """Raise ValueError for a model whose requests would hold up all others."""
    if model.seconds > MAX_SECONDS:
        raise ValueError(f"A request takes {model.seconds:.4f} s, over {MAX_SECONDS} s.")
    if predecessor and model.seconds > max(
        MAX_TIMES_SLOWER * predecessor.seconds, ALWAYS_ALLOWED_SECONDS
    ):
        raise ValueError(
            f"A request takes {model.seconds:.4f} s, before it {predecessor.seconds:.4f}."
        )


@contextmanager
def _step(reason: str) -> Iterator[None]:
    """A step of loading: whatever is raised in it is a refusal for that reason."""
    try:
        yield
    except Exception as error:
        raise Refused(reason, error) from error


def _is_transient(error: BaseException | None) -> bool:
    """Whether the system failed, and not the model: no descriptor or memory left, a broken disk."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno in TRANSIENT_ERRORS:
            return True
        error = error.__cause__
    return False


def _check_graphs(files: dict[str, bytes]) -> None:
    """Check the model's graph, and that of the guard where there is one."""
    for name, content in sorted(files.items()):
        if name.endswith(".onnx"):
            if len(content) > MAX_GRAPH_BYTES:
                raise ValueError(
                    f"{name} has {len(content)} bytes; at most {MAX_GRAPH_BYTES} are served."
                )
            check_graph(content)


def _open(published: Pointer, manifest: dict[str, Any], files: dict[str, bytes]) -> Model:
    inputs, guard = _inputs(files), None
    if "familiarity.json" in files:
        familiarity = Familiarity.from_spec(json.loads(files["familiarity.json"]))
        run = open_graph(files["familiarity.onnx"])
        guard = Guard(familiarity, run, familiarity.reads_as(inputs))
    return Model(
        pointer=published,
        manifest=manifest,
        inputs=inputs,
        run=open_graph(files["model.onnx"]),
        guard=guard,
        since=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _inputs(files: dict[str, bytes]) -> ImageInputs | TextInputs | SeriesInputs:
    fields = json.loads(files["inputs.json"])
    if "inputs.npz" not in files:
        return from_spec(fields, {})
    with np.load(io.BytesIO(files["inputs.npz"]), allow_pickle=False) as arrays:
        return from_spec(fields, dict(arrays))


def _warm(model: Model, golden: list[dict], task: str) -> Model:
    """Warm the model up on its shortest golden request, and note the time of a request.

    What a longer request takes beyond that is estimated when it comes (`serving.inference.cost`):
    by the time of a long text every text would pass for long work.
    """
    if (model.manifest["task"], model.inputs.kind) != (task, KINDS[task]):
        raise ValueError(f"The artifact is for {model.manifest['task']}, not for {task}.")
    if not golden:
        raise ValueError("The artifact has no golden requests: nothing proves its answers.")
    shortest = min(_golden_inputs(golden), key=len)
    times: list[float] = []
    while len(times) < WARM_UPS and sum(times) <= MAX_WARM_UP_SECONDS:
        # This thread's time alone, which is where a graph on one thread runs: what else the
        # machine does makes no model slow.
        start = time.thread_time()
        model.predict([shortest])
        times.append(time.thread_time() - start)
    return replace(model, seconds=min(times))


def _prove(model: Model, golden: list[dict]) -> None:
    """Replay the golden requests in one batch and one by one."""
    inputs = _golden_inputs(golden)
    _check_batch(model.run, model.inputs.to_tensor(inputs))
    if model.guard is not None:
        _check_batch(model.guard.run, model.guard.familiarity.inputs.to_tensor(inputs))
    if differences := artifact.replay(model.inputs, model.predict, golden):
        raise ValueError("; ".join(differences))
    artifact.check_inputs(model.manifest, model.inputs)


def _golden_inputs(golden: list[dict]) -> list:
    return [artifact.payload(entry["request"])[0] for entry in golden]


def _check_batch(run: Run, tensor: np.ndarray) -> None:
    outputs = run(tensor)
    if len(outputs) != len(tensor) or not np.isfinite(outputs).all():
        raise ValueError(f"A batch of {len(tensor)} gave {outputs.shape} with {outputs.min()}.")
