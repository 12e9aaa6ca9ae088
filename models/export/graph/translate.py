"""From a Keras model's own graph to ONNX, node by node, on any backend and without TensorFlow.

A layer is written by the function of its name in the file of its kind (`layers.py` and those beside
it), an operation of `keras.ops` by that in `operations.py` or `shapes.py`: a new one needs one
function and one line in the table below it. Names are counted, not taken from the model: a seed
gives the same bytes every time.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from models.errors import NotTranslated
from models.export.graph import (
    activations,
    affine,
    attention,
    convolutions,
    layers,
    operations,
    recurrent,
    shapes,
)

if TYPE_CHECKING:
    import keras
    import onnx

OPSET = 18
IR_VERSION = 8  # of the file format: the one that came with this opset
LAYERS = (
    activations.LAYERS
    | affine.LAYERS
    | attention.LAYERS
    | convolutions.LAYERS
    | layers.LAYERS
    | recurrent.LAYERS
)
OPERATIONS = operations.OPERATIONS | shapes.OPERATIONS


class Graph:
    """ONNX nodes and weights in the making."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.names: dict[int, str] = {}  # by the id of the Keras tensor
        # What there is with its channels first too: by its name that other name, and the rank.
        self.channels_first: dict[str, tuple[str, int]] = {}
        self.steps_first: dict[str, str] = {}  # the same for the steps of a sequence
        # What was looked up, (row, step, feature), by its name: the table, and the ids.
        self.lookups: dict[str, tuple[str, str]] = {}
        # The affine maps, by the name of what they give: how to write one, its kernel and bias.
        self.affine: dict[str, tuple[Callable[..., str], np.ndarray, np.ndarray | None]] = {}

    def add(self, kind: str, *inputs, outputs: int = 1, **attributes) -> str | list[str]:
        """Add a node and return the name of its output, or names when there are several.

        inputs: Keras tensors of the model, names that `add` returned, arrays and tensors of the
        backend (kept as weights), lists of integers (axes, shapes), None for what is left out.
        """
        import onnx

        names = [f"{kind}_{len(self.nodes)}_{number}" for number in range(outputs)]
        read = [self.name(one) for one in inputs]
        while not read[-1]:  # an empty name at the end keeps ONNX Runtime from fusing
            read.pop()
        self.nodes.append(onnx.helper.make_node(kind, read, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def name(self, value) -> str:
        """Return the name of what `add` may read."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray | np.generic | list | tuple):
            return self._weight(np.asarray(value))
        if id(value) in self.names:
            return self.names[id(value)]
        return self._weight(_constant(value))

    def _weight(self, array: np.ndarray) -> str:
        import onnx

        name = f"weight_{len(self.weights)}"
        self.weights.append(onnx.numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name


def build(model: "keras.Model") -> "onnx.ModelProto":
    """Return the model as ONNX: "input" → "output", the first axis free.

    Raises NotTranslated for a model that is no graph of Keras' own layers and operations, or
    holds one that is in no table, or is used in a way that its function does not know.
    """
    import onnx

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotTranslated("The model has more than one input or output.")
    graph = Graph()
    _walk(graph, model, ["input"])
    _end_with(graph, graph.names[id(model.outputs[0])])
    nodes, weights = _needed(graph)
    ends = [_end("input", model.inputs[0])], [_end("output", model.outputs[0])]
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, model.name, *ends, weights),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="espalier",
    )


def _walk(graph: Graph, model: "keras.Model", inputs: list[str]) -> None:
    """Write every call in the model, those that others wait for first."""
    import keras

    model = getattr(model, "_functional", model)  # what a Sequential wraps
    if not (isinstance(model, keras.Function) and _keras_own(model)):
        raise NotTranslated(f"{model.name} is no functional model.")
    graph.names |= {id(one): name for one, name in zip(model.inputs, inputs, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                _write(graph, node)


def _write(graph: Graph, node) -> None:
    """Write one call of a layer or operation, and note the names of what it gives."""
    import keras

    called = node.operation
    arguments = dict(node.arguments.kwargs)
    arguments.pop("training", None)
    if any(one is not None for one in keras.tree.flatten(arguments.pop("mask", None))):
        raise NotTranslated(f"{called.name} reads a mask.")
    if isinstance(called, keras.Model):
        names = _inner(graph, called, keras.tree.flatten(node.arguments.args))
    else:
        names = _function(called)(graph, called, *node.arguments.args, **arguments)
    for tensor, name in zip(node.outputs, keras.tree.flatten(names), strict=True):
        graph.names[id(tensor)] = graph.name(name)


def _inner(graph: Graph, model: "keras.Model", tensors: list) -> list[str]:
    """Write a model that is called like a layer."""
    if [one.dtype for one in tensors] != [one.dtype for one in model.inputs]:
        raise NotTranslated(f"{model.name}, a model inside the model, casts what it reads.")
    _walk(graph, model, [graph.names[id(one)] for one in tensors])
    return [graph.names[id(one)] for one in model.outputs]


def _function(called):
    """Return what writes a layer or operation."""
    import keras

    is_layer = isinstance(called, keras.Layer)
    if is_layer and called.dtype_policy.name != "float32":
        raise NotTranslated(f"{called.name} computes in {called.dtype_policy.name}.")
    kind = type(called).__name__
    table = LAYERS if is_layer else OPERATIONS
    if kind not in table or not _keras_own(called):
        raise NotTranslated(f"{called.name} is a {kind}, which is in no table of translations.")
    return table[kind]


def _end_with(graph: Graph, name: str) -> None:
    """Call what has the name the output: a node of its own only for what no node gives."""
    import onnx

    if not any(name in node.output for node in graph.nodes):
        graph.nodes.append(onnx.helper.make_node("Identity", [name], ["output"]))
        return
    for node in graph.nodes:
        for names in (node.input, node.output):
            names[:] = ["output" if one == name else one for one in names]


def _needed(graph: Graph) -> tuple[list, list]:
    """Return the nodes and weights without what nothing reads, such as channels put last before a
    layer that wants them first."""
    nodes, read = [], {"output"}
    for node in reversed(graph.nodes):
        if read & set(node.output):
            nodes.append(node)
            read |= set(node.input)
    return nodes[::-1], [one for one in graph.weights if one.name in read]


def _constant(value) -> np.ndarray:
    """Return a tensor that stands beside the model, such as a mask made when it was built."""
    import keras

    if not keras.ops.is_tensor(value):
        raise NotTranslated(f"A {type(value).__name__} from outside the model is read.")
    return keras.ops.convert_to_numpy(value)


def _keras_own(thing) -> bool:
    return type(thing).__module__.startswith("keras.")


def _end(name: str, tensor) -> "onnx.ValueInfoProto":
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return onnx.helper.make_tensor_value_info(name, kind, ["batch", *tensor.shape[1:]])
