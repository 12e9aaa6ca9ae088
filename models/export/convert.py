"""From a Keras model to one ONNX file that computes the same, and what one answer costs.

    KERAS_BACKEND=tensorflow python -m models.export.convert model.keras model.onnx [MODULE …]

The graph of an architecture is written from the model itself (`models/export/graph/`), whatever the
backend. A model that holds anything else goes through Keras' own export, which needs TensorFlow:
under another backend in a child process that runs the line above. Only this module knows TensorFlow
and ONNX Runtime.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ExportMismatch, ModelError, NotTranslated
from models.inputs.answers import TIE, TOLERANCE

if TYPE_CHECKING:
    import keras
    import onnxruntime

DOMAINS = {"", "ai.onnx.ml"}  # the first is ONNX's own
MAX_BYTES = 1 << 30
BATCH = 512
EXPORT_SECONDS = 300
COMMAND = "KERAS_BACKEND=tensorflow python -m models.export.convert model.keras model.onnx"


def to_onnx(model: "keras.Model", path: Path) -> None:
    """Write the model as one ONNX file: "input" → "output", the first axis free.

    Args:
        model: with one input and one output.
        path: the file to write.

    Raises:
        ExportMismatch: the graph needs other files, or operators that are not standard.
        ModelError: Keras cannot export the model, or not on this machine.
    """
    from models.export.graph import translate

    try:
        path.write_bytes(translate.build(model).SerializeToString())
    except NotTranslated as error:
        _export_by_keras(model, path, str(error))
    check_graph(path)


def check_graph(path: Path) -> None:
    """Raise ExportMismatch unless the file is one graph of standard operators, not too large."""
    import onnx

    if path.stat().st_size > MAX_BYTES:
        raise ExportMismatch(f"{path.name} is larger than {MAX_BYTES:,} bytes.")
    graph = onnx.load(path, load_external_data=False)
    if any(onnx.external_data_helper.uses_external_data(one) for one in graph.graph.initializer):
        raise ExportMismatch(f"{path.name} keeps weights in another file.")
    onnx.checker.check_model(graph)
    domains = {one.domain for one in graph.opset_import} | {one.domain for one in graph.graph.node}
    if domains - DOMAINS or graph.functions:
        raise ExportMismatch(f"{path.name} needs operators beyond the standard: {domains}.")


def check_parity(expected: np.ndarray, outputs: np.ndarray) -> None:
    """Raise ExportMismatch unless the outputs are equal, but for what float32 can hold of a row.

    The steps to standard scores far from 0 have fewer decimals, also where one of the row is near
    0; probabilities and usual scores are compared as golden answers are.

    Args:
        expected: float32 (row, class) probabilities or (window, horizon) standard scores.
        outputs: likewise, of the graph.
    """
    sizes = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
    difference = (np.abs(expected - outputs) / sizes).max()
    if not difference <= TOLERANCE:
        raise ExportMismatch(
            f"The ONNX graph differs from Keras by {difference:.2e} (a share of the row's largest "
            f"output, where that is beyond 1); {TOLERANCE} is allowed."
        )


def check_classes(expected: np.ndarray, outputs: np.ndarray) -> None:
    """Raise ExportMismatch when a top class differs that was not a near tie.

    Args:
        expected: float32 (row, class) probabilities.
        outputs: likewise, of the graph.
    """
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] >= TIE
    if (expected.argmax(axis=1) != outputs.argmax(axis=1))[clear].any():
        raise ExportMismatch("The ONNX graph chooses another class than Keras.")


def runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from a batched tensor to batched outputs, on one thread, in batches."""
    return running(path.read_bytes())


def running(graph: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """Return what `runner` returns, of a graph that lies in no file."""
    opened = session(graph)

    def run(tensor: np.ndarray) -> np.ndarray:
        batches = (tensor[at : at + BATCH] for at in range(0, len(tensor), BATCH))
        return np.concatenate([opened.run(["output"], {"input": one})[0] for one in batches])

    return run


def latency_ms(path: Path, tensor: np.ndarray, requests: int = 200) -> float:
    """Return the median time of one request on one thread, in milliseconds.

    Args:
        path: the ONNX file.
        tensor: real inputs (row, …), taken in turn.
        requests: how many to time.
    """
    opened = session(path.read_bytes())
    seconds = []
    for number in range(requests):
        one = tensor[number % len(tensor)][None]
        started = time.perf_counter()
        opened.run(["output"], {"input": one})
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)) * 1000


def session(graph: bytes) -> "onnxruntime.InferenceSession":
    """Open a graph as the service does: on the CPU with one thread."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read on import; it phones home otherwise
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _export_by_keras(model: "keras.Model", path: Path, reason: str) -> None:
    """Write the graph by Keras' own export, which needs TensorFlow.

    reason: why the graph is not written directly.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        _export(model, path)
    elif importlib.util.find_spec("tensorflow") is not None:
        export_in_child(model, path)
    else:
        raise ModelError(
            f"{model.name} cannot be exported here: {reason} Keras exports such a model with "
            "TensorFlow, which is not installed. Fit it on a machine that has TensorFlow, or give "
            f"that machine the saved model: {COMMAND}"
        )


def _export(model: "keras.Model", path: Path) -> None:
    """Export on TensorFlow, and name the graph's ends as those of a graph that is written here."""
    import keras
    import onnx

    from models.export.graph.translate import OPSET

    [tensor] = model.inputs
    signature = keras.InputSpec(dtype=tensor.dtype, shape=(None, *tensor.shape[1:]), name="input")
    model.export(
        path, format="onnx", verbose=False, input_signature=[signature], opset_version=OPSET
    )
    exported = onnx.load(path)
    [output] = exported.graph.output
    exported.graph.node.append(onnx.helper.make_node("Identity", [output.name], ["output"]))
    output.name = "output"
    path.write_bytes(exported.SerializeToString())


def export_in_child(model: "keras.Model", path: Path) -> None:
    """Write the graph by Keras' own export, in a child process on TensorFlow.

    Args:
        model: any Keras model that can be saved; its own layers are registered with Keras by the
            modules that define them.
        path: the ONNX file to write.

    Raises:
        ModelError: the child failed; the message ends as its output does.
    """
    modules = {type(layer).__module__ for layer in model.layers}
    own = sorted(name for name in modules if name.split(".")[0] != "keras")
    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / "model.keras"
        model.save(saved)
        child = subprocess.run(
            [sys.executable, "-m", "models.export.convert", saved, path, *own],
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            encoding="utf-8",
            timeout=EXPORT_SECONDS,
        )
    if child.returncode:
        raise ModelError(f"Export on TensorFlow failed: {child.stderr[-2000:]}")


def main(saved: str, path: str, *modules: str) -> None:
    """Export a saved model on TensorFlow.

    Args:
        saved: the `.keras` file.
        path: the ONNX file to write.
        modules: those that register the model's own layers with Keras.
    """
    import keras

    for name in modules:
        importlib.import_module(name)
    _export(keras.saving.load_model(saved, compile=False, safe_mode=True), Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
