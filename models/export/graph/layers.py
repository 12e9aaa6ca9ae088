"""How Keras' layers are written in ONNX, those over space and time excepted.

Here and in the files beside, each function is called with the graph, the layer and the layer's own
arguments, and returns what it gives. It raises NotTranslated for a setting that it does not know.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from models.errors import NotTranslated
from models.export.graph.nodes import Graph, Tensor, Value

# The ONNX operator of an activation.
ACTIVATIONS = {
    "leaky_relu": "LeakyRelu",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}


def activation(graph: Graph, layer: Any, x: Value, channels: int = -1) -> Value:
    """Any layer's activation, named in its configuration; `channels` is the axis of a softmax."""
    name = layer.get_config()["activation"]
    if name == "linear":
        return x
    if name == "silu":
        # Elfwing, Uchibe and Doya, Neural Networks, 2018.
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise NotTranslated(f"{layer.name} has the activation {name}, which is in no table.")
    settings: dict[str, dict] = {"softmax": {"axis": channels}, "leaky_relu": {"alpha": 0.2}}
    return graph.add(ACTIVATIONS[name], x, **settings.get(name, {}))


def dense(graph: Graph, layer: Any, x: Tensor) -> Value:
    y = graph.add("MatMul", x, layer.kernel.numpy())
    if layer.use_bias:
        y = graph.add("Add", y, layer.bias.numpy())
    return activation(graph, layer, y)


def batch_normalization(graph: Graph, layer: Any, x: Tensor) -> str:
    """Ioffe and Szegedy, ICML 2015, with the moving moments. ONNX wants the channels first, and
    ONNX Runtime takes the factors into the weights of what comes before."""
    last = len(x.shape) - 1
    if layer.axis not in (-1, last) or not (layer.scale and layer.center):
        raise NotTranslated(f"{layer.name} normalises another axis than the last, or in part.")
    weights = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
    first = graph.add("Transpose", x, perm=[0, last, *range(1, last)])
    y = graph.add(
        "BatchNormalization", first, *(one.numpy() for one in weights), epsilon=layer.epsilon
    )
    return graph.add("Transpose", y, perm=[0, *range(2, last + 1), 1])


def layer_normalization(graph: Graph, layer: Any, x: Tensor) -> str:
    """Ba, Kiros and Hinton, 2016, over the last axis."""
    usual = layer.scale and layer.center and not layer.rms_scaling
    if layer.axis not in ([-1], [len(x.shape) - 1]) or not usual:
        raise NotTranslated(f"{layer.name} normalises another axis than the last, or in part.")
    weights = layer.gamma.numpy(), layer.beta.numpy()
    return graph.add("LayerNormalization", x, *weights, epsilon=float(layer.epsilon))


def embedding(graph: Graph, layer: Any, x: Tensor) -> str:
    if layer.mask_zero or not x.dtype.startswith("int"):
        raise NotTranslated(f"{layer.name} makes a mask, or reads {x.dtype} and not integers.")
    return graph.add("Gather", layer.embeddings.numpy(), x)


def category_encoding(graph: Graph, layer: Any, ids: Tensor) -> str:
    """How often each id is there; (row, place) → (row, id)."""
    if layer.output_mode != "count" or len(ids.shape) != 2:
        raise NotTranslated(f"{layer.name} encodes as {layer.output_mode}.")
    shape = graph.add("Shape", ids)
    rows = graph.add("Slice", shape, [0], [1])
    none = graph.add("Expand", np.float32(0), graph.add("Concat", rows, [layer.num_tokens], axis=0))
    ones = graph.add("Expand", np.float32(1), shape)
    return graph.add("ScatterElements", none, ids, ones, axis=1, reduction="add")


def softmax(graph: Graph, layer: Any, x: Tensor) -> str:
    if not isinstance(layer.axis, int):
        raise NotTranslated(f"{layer.name} normalises over several axes.")
    return graph.add("Softmax", x, axis=layer.axis)


def added(graph: Graph, layer: Any, tensors: list[Tensor]) -> str:
    if len({len(one.shape) for one in tensors}) > 1:
        raise NotTranslated(f"{layer.name} adds tensors of unequal rank.")
    return reduce(partial(graph.add, "Add"), [one.name for one in tensors])


LAYERS: dict[str, Callable[..., Any]] = {
    "Activation": activation,
    "Add": added,
    "BatchNormalization": batch_normalization,
    "CategoryEncoding": category_encoding,
    "Concatenate": lambda graph, layer, x: graph.add("Concat", *x, axis=layer.axis),
    "Dense": dense,
    "Dropout": lambda graph, layer, x: x,
    "Embedding": embedding,
    "Flatten": lambda graph, layer, x: graph.add("Reshape", x, [0, -1]),
    "LayerNormalization": layer_normalization,
    "RepeatVector": lambda graph, layer, x: graph.add(
        "Expand", graph.add("Unsqueeze", x, [1]), [1, layer.n, 1]
    ),
    "Reshape": lambda graph, layer, x: graph.add("Reshape", x, [0, *layer.target_shape]),
    "Softmax": softmax,
}
