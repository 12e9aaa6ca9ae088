"""A loaded model: from raw inputs to answers through ONNX Runtime, on one thread."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from models.inputs import ImageInputs, InputError, SeriesInputs, TextInputs


@dataclass(frozen=True)
class Model:
    """A champion as it serves; immutable, so that one assignment swaps it."""

    name: str
    version: str
    manifest: dict[str, Any]
    inputs: ImageInputs | TextInputs | SeriesInputs
    session: onnxruntime.InferenceSession
    seconds: float = 0.0  # one request's way through it, measured at the warm-up

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Return the graph's output for a batch."""
        return self.session.run(["output"], {"input": tensor})[0]

    def answers(self, things: list, **options) -> list[dict]:
        """Answer raw inputs, one answer each; raises InputError."""
        outputs = self.run(self.inputs.to_tensor(things))
        if not np.isfinite(outputs).all():
            raise InputError("no_finite_answer", "The model has no finite answer to this input.")
        return self.inputs.to_answers(outputs, **options)

    @property
    def identity(self) -> dict[str, str]:
        """What every answer says of its model."""
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.manifest["fingerprint"],
        }


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU with one thread: requests are the parallel work, not operators."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
