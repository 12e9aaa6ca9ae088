"""A loaded model and its guard: from raw inputs to answers through ONNX Runtime, on one thread."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from models import signals
from models.familiarity.familiarity import Familiarity, Run
from models.inputs.answers import predict as predict_rows
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs
from serving.inference.pointer import Pointer

SIGNALS = "signals"  # of an answer, until it is logged


@dataclass(frozen=True, eq=False)
class Guard:
    """What says whether an input looks like the training data.

    run: from a tensor to errors (row, 1). shares: whether it reads the model's own tensor, asked
    once: of texts that compares whole vocabularies.
    """

    familiarity: Familiarity
    run: Run
    shares: bool

    def judge(self, inputs: Any, tensor: np.ndarray) -> list[dict]:
        """Return `{"familiar", "familiarity"}` for each raw input; tensor: what the model reads."""
        if not self.shares:
            tensor = self.familiarity.inputs.to_tensor(inputs)
        return self.familiarity.to_answers(self.run(tensor))


@dataclass(frozen=True, eq=False)
class Model:
    """A champion as it serves; immutable, so that one assignment swaps it."""

    pointer: Pointer  # what published it
    manifest: dict[str, Any]
    inputs: ImageInputs | TextInputs | SeriesInputs
    run: Run
    guard: Guard | None  # an artifact may come without
    since: str  # when it was loaded: ISO, UTC
    seconds: float = 0.0  # of computing that one request takes, measured at the warm-up
    examples: tuple[dict, ...] = ()  # requests that are rows of the test split

    def predict(self, inputs: Any, measured: int = 0, **options: Any) -> list[dict[str, Any]]:
        """Answer raw inputs, one answer each; raises InputError.

        Args:
            inputs: A list or an array, as `to_tensor` of the model's kind of inputs takes it.
            measured: Of how many, from the first, the answers hold signals for the request log.
            options: As `to_answers` of the kind takes them.
        """
        tensor, answers = predict_rows(self.inputs, self.run, inputs, **options)
        for answer, row, read in zip(answers[:measured], inputs, tensor, strict=False):
            answer[SIGNALS] = signals.measured(self.inputs, row, read)
        if self.guard is not None:
            judged = self.guard.judge(inputs, tensor)
            for answer, one in zip(answers, judged, strict=True):
                answer.update(one)
        return answers

    @property
    def form(self) -> tuple:
        """What its inputs and outputs look like to clients: the same, or another."""
        names = ("height", "width", "channels", "labels")
        sizes = [getattr(self.inputs, name, None) for name in names]
        scored = getattr(self.inputs, "scored", None) is not None
        return *sizes, scored, self.guard is not None

    @property
    def identity(self) -> dict[str, str]:
        """What every answer says of its model."""
        return {
            "name": self.pointer.name,
            "version": self.pointer.version,
            "fingerprint": self.manifest["fingerprint"],
        }


def open_graph(graph: bytes) -> Run:
    """Open a graph on the CPU with one thread: requests are the parallel work, not operators."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(tensor: np.ndarray) -> np.ndarray:
        return session.run(["output"], {"input": tensor})[0]

    return run
