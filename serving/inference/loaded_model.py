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

# Of an answer, until it is logged: what was measured of its input, and what the model read of it.
SIGNALS, TENSOR = "signals", "tensor"


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

    def predict(
        self,
        inputs: Any,
        measured: int = 0,
        tensor: np.ndarray | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Answer raw inputs, one answer each; raises InputError.

        Args:
            inputs: A list or an array, as `to_tensor` of the model's kind of inputs takes it.
            measured: Of how many, from the first, the answers hold signals for the request log, and
                the tensor (1, …) that was read.
            tensor: What a model that reads alike has read of all of them, so that nothing is
                decoded twice.
            options: As `to_answers` of the kind takes them.
        """
        reads: Any = self.inputs if tensor is None else _Read(self.inputs, tensor)
        tensor, answers = predict_rows(reads, self.run, inputs, **options)
        for answer, row, read in zip(answers[:measured], inputs, tensor, strict=False):
            answer[SIGNALS], answer[TENSOR] = signals.measured(self.inputs, row, read), read[None]
        if self.guard is not None:
            judged = self.guard.judge(inputs, tensor)
            for answer, one in zip(answers, judged, strict=True):
                answer.update(one)
        return answers

    def reads_as(self, other: "Model") -> bool:
        """Whether it makes the same tensor of a raw input as another model of its task does."""
        ours, theirs = self.inputs, other.inputs
        # The labels of pictures, and what weighs them, change no tensor.
        alike = ours.sizes() == theirs.sizes() and (ours.kind == "image" or ours == theirs)
        if not alike or ours.kind != "text":
            return alike
        # Inputs of texts are equal whichever pairs of words they know; these are their arrays.
        own, others = ours.spec()[1], theirs.spec()[1]
        return own.keys() == others.keys() and all(
            np.array_equal(pairs, others[name]) for name, pairs in own.items()
        )

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


@dataclass(frozen=True)
class _Read:
    """A model's inputs that have read the rows already."""

    inputs: Any
    tensor: np.ndarray

    def to_tensor(self, rows: Any) -> np.ndarray:
        return self.tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inputs, name)


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
