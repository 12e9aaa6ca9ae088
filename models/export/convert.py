"""From a Keras model to one ONNX file that computes the same, and what one answer costs.

    KERAS_BACKEND=tensorflow python -m models.export.convert model.keras model.onnx

The graph is written from the model itself (`models/graph/`), whatever the backend. A model that
holds something unknown there goes through tf2onnx, which needs TensorFlow: under another backend in
a child process that runs the line above. Only this module knows TensorFlow, tf2onnx and ONNX
Runtime.
"""

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
from models.export.graph import translate
from models.inputs.answers import TIE, TOLERANCE

if TYPE_CHECKING:
    import keras
    import onnxruntime

DOMAINS = {"", "ai.onnx.ml"}  # the first is ONNX's own
MAX_BYTES = 1 << 30
BATCH = 512
EXPORT_SECONDS = 300


def to_onnx(model: "keras.Model", path: Path) -> None:
    """Write the model as one ONNX file: "input" → "output", the first axis free.

    Raises ExportMismatch when the graph needs other files or operators that are not standard,
    ModelError when the child process fails.
    """
    try:
        path.write_bytes(translate.build(model).SerializeToString())
    except NotTranslated:
        _convert_by_tracing(model, path)
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
    """Raise ExportMismatch unless the outputs are equal as design.md defines it.

    expected, outputs: float32 (row, class) probabilities or (window, horizon) standard scores.
    """
    difference = np.abs(expected - outputs).max()
    if not difference <= TOLERANCE:
        raise ExportMismatch(
            f"The ONNX graph differs from Keras by {difference:.2e}; {TOLERANCE} is allowed."
        )


def check_classes(expected: np.ndarray, outputs: np.ndarray) -> None:
    """Raise ExportMismatch when a top class differs that was not a near tie."""
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] >= TIE
    if (expected.argmax(axis=1) != outputs.argmax(axis=1))[clear].any():
        raise ExportMismatch("The ONNX graph chooses another class than Keras.")


def runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from a batched tensor to batched outputs, on one thread, in batches."""
    opened = session(path.read_bytes())

    def run(tensor: np.ndarray) -> np.ndarray:
        batches = (tensor[at : at + BATCH] for at in range(0, len(tensor), BATCH))
        return np.concatenate([opened.run(["output"], {"input": one})[0] for one in batches])

    return run


def latency_ms(path: Path, tensor: np.ndarray, requests: int = 200) -> float:
    """Return the median time of one request on one thread, in milliseconds.

    tensor: real inputs (row, …), taken in turn.
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


def _convert_by_tracing(model: "keras.Model", path: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        _convert(model, path)
    else:
        _convert_in_child(model, path)


def _convert(model: "keras.Model", path: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    [tensor] = model.inputs
    signature = tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name="input")
    function = tf.function(lambda x: {"output": model(x, training=False)})
    graph, _ = tf2onnx.convert.from_function(function, [signature], opset=translate.OPSET)
    path.write_bytes(graph.SerializeToString())


def _convert_in_child(model: "keras.Model", path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / "model.keras"
        model.save(saved)
        child = subprocess.run(
            [sys.executable, "-m", "models.export.convert", saved, path],
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            encoding="utf-8",
            timeout=EXPORT_SECONDS,
        )
    if child.returncode:
        raise ModelError(f"Export on TensorFlow failed: {child.stderr[-2000:]}")


def main(saved: str, path: str) -> None:
    import keras

    _convert(keras.saving.load_model(saved, compile=False, safe_mode=True), Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
