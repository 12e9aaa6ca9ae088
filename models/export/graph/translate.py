"""From a Keras model to ONNX, node by node, on any backend and without TensorFlow.

What is read is the model's own configuration (`get_config`), the public form in which Keras saves
a functional model: each call of a layer or operation with its arguments. The tables name the layers
and operations that the architectures of `models/` use; a model with any other is not translated.
Names are counted, not taken from the model: a seed gives the same bytes every time.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import onnx

from models.errors import NotTranslated
from models.export.graph import attention, convolutions, layers, operations, recurrent
from models.export.graph.nodes import Graph, Tensor

OPSET = 18
IR_VERSION = 8  # of the file format: the one that came with this opset
# By the name of the class in the configuration.
LAYERS: dict[str, Callable[..., Any]] = (
    layers.LAYERS
    | convolutions.LAYERS
    | attention.LAYERS
    | {kind: partial(recurrent.recurrent, kind) for kind in recurrent.KINDS}
    | {"Bidirectional": recurrent.bidirectional}
)
OPERATIONS = operations.OPERATIONS


def build(model: keras.Model) -> onnx.ModelProto:
    """Return the model as ONNX: "input" → "output", the first axis free.

    Raises:
        NotTranslated: the model is no functional one, or uses a layer, an operation or a setting
            that no architecture of `models/` uses.
    """
    config = model.get_config()
    ends = config.get("input_layers"), config.get("output_layers")
    if not all(isinstance(end, list) and len(end) == 3 for end in ends):
        raise NotTranslated(f"{model.name} is no functional model with one input and one output.")
    graph = Graph()
    graph.tensors[ends[0][0]] = Tensor("input", model.input.shape, model.input.dtype)
    called = {one.name: one for one in model.operations}
    for entry in config["layers"]:
        if entry["name"] != ends[0][0]:
            _write(graph, entry, called[entry["name"]])
    last = graph.tensors[ends[1][0]].name
    graph.nodes.append(onnx.helper.make_node("Identity", [last], ["output"]))
    infos = [_end("input", model.input)], [_end("output", model.output)]
    return onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, model.name, *infos, graph.weights),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="espalier",
    )


def _write(graph: Graph, entry: Mapping, called: keras.Operation) -> None:
    """Write the one call of a layer or operation, and note the name of what it gives.

    entry: the call in the model's configuration. called: the layer or operation itself.
    """
    kind, name = entry["class_name"], entry["name"]
    is_layer = isinstance(called, keras.Layer)
    table = LAYERS if is_layer else OPERATIONS
    if kind not in table or entry["module"].split(".")[0] != "keras":
        raise NotTranslated(f"{name} is a {kind}, which is in no table of translations.")
    if is_layer and called.dtype_policy.name != "float32":
        raise NotTranslated(f"{name} computes in {called.dtype_policy.name}.")
    if len(entry["inbound_nodes"]) != 1:
        raise NotTranslated(f"{name} is called more than once.")
    [node] = entry["inbound_nodes"]
    given = {key: _read(graph, value) for key, value in node["kwargs"].items() if key != "training"}
    if given.pop("mask", None) is not None:
        raise NotTranslated(f"{name} reads a mask.")
    settings = called if is_layer else entry["config"]
    value = table[kind](graph, settings, *(_read(graph, one) for one in node["args"]), **given)
    graph.tensors[name] = Tensor(graph.name(value), called.output.shape, called.output.dtype)


def _read(graph: Graph, value: Any) -> Any:
    """Return an argument of a call, as Keras saves it."""
    if isinstance(value, list | tuple):
        return [_read(graph, one) for one in value]
    if not isinstance(value, dict):
        return value
    kind, config = value["class_name"], value["config"]
    if kind == "__keras_tensor__":
        source, _, number = config["keras_history"]
        if number or source not in graph.tensors:
            raise NotTranslated(f"{source} gives more than one tensor.")
        return graph.tensors[source]
    if kind == "__slice__":
        return slice(config["start"], config["stop"], config["step"])
    if kind in ("__numpy__", "__tensor__"):
        return np.asarray(config["value"], config["dtype"])
    raise NotTranslated(f"A {kind} from outside the model is read.")


def _end(name: str, tensor: keras.KerasTensor) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return onnx.helper.make_tensor_value_info(name, kind, ["batch", *tensor.shape[1:]])
