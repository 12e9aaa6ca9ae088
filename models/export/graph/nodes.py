"""ONNX nodes and weights in the making."""

from typing import Any, NamedTuple

import numpy as np
import onnx


class Tensor(NamedTuple):
    """A tensor of the Keras model: its name in the graph, and what Keras knows of it."""

    name: str
    shape: tuple[Any, ...]  # None for what is not known before the call
    dtype: str


Value = Tensor | str | np.ndarray | np.generic | list | None


class Graph:
    """ONNX nodes and weights in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.tensors: dict[str, Tensor] = {}  # by the name of the layer or operation that gives it

    def add(self, kind: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node and return the name of its output, or names when there are several.

        Args:
            kind: the ONNX operator.
            inputs: tensors, names that `add` returned, arrays (kept as weights), lists of integers
                (axes, shapes), None for what is left out.
            outputs: how many there are.
            attributes: of the operator.
        """
        names = [f"{kind}_{len(self.nodes)}_{number}" for number in range(outputs)]
        read = [self.name(one) for one in inputs]
        while not read[-1]:  # an empty name at the end keeps ONNX Runtime from fusing
            read.pop()
        self.nodes.append(onnx.helper.make_node(kind, read, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def name(self, value: Value) -> str:
        """Return the name of what `add` may read."""
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Tensor):
            return value.name
        name = f"weight_{len(self.weights)}"
        array = np.asarray(value, order="C")
        self.weights.append(onnx.numpy_helper.from_array(array, name))
        return name
