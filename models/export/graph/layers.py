"""How Keras' layers are written in ONNX, those over space and time excepted.

Here and in the files beside, each function is called with the graph, the layer and the layer's own
arguments, and returns what it gives. It raises NotTranslated for a setting that it does not know.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from models.errors import NotTranslated
from models.export.graph.layouts import pointwise
from models.export.graph.nodes import Graph, Tensor, Value

Writer = Callable[[np.ndarray, np.ndarray | None], str]  # from kernel and bias to a name
# The ONNX operator of an activation, with Keras' settings of it.
ACTIVATIONS: dict[str, tuple[str, dict]] = {
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "tanh": ("Tanh", {}),
}


def activation(graph: Graph, layer: Any, x: Value) -> Value:
    """Any layer's activation, named in its configuration."""
    name = layer.get_config()["activation"]
    if name == "linear":
        return x
    if name == "silu":
        # Elfwing, Uchibe and Doya, Neural Networks, 2018.
        return pointwise(graph, lambda y: graph.add("Mul", y, graph.add("Sigmoid", y)), x)
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise NotTranslated(f"{layer.name} has the activation {name}, which is in no table.")
    kind, settings = ACTIVATIONS[name]
    write = partial(graph.add, kind, **settings)
    return write(x) if name == "softmax" else pointwise(graph, write, x)


def affine(graph: Graph, write: Writer, kernel: np.ndarray, bias: np.ndarray | None) -> str:
    """Write an affine map, and note how to write it once more with other weights.

    Args:
        graph: to write to.
        write: called with the kernel and the bias, returns a name.
        kernel: (…, channel given).
        bias: (channel given,).
    """
    name = write(kernel, bias)
    graph.affine[name] = write, kernel, bias
    return name


def bias_of(layer: Any) -> np.ndarray | None:
    """Return a layer's bias, (channel given,)."""
    return layer.bias.numpy() if layer.use_bias else None


def dense(graph: Graph, layer: Any, x: Tensor) -> Value:
    def write(kernel: np.ndarray, bias: np.ndarray | None) -> str:
        y = graph.add("MatMul", x, kernel)
        return y if bias is None else graph.add("Add", y, bias)

    return activation(graph, layer, affine(graph, write, layer.kernel.numpy(), bias_of(layer)))


def batch_normalization(graph: Graph, layer: Any, x: Tensor) -> Value:
    """Ioffe and Szegedy, ICML 2015: with the moving moments it is one factor and one summand, which
    go into the affine map before it."""
    if layer.axis not in (-1, len(x.shape) - 1) or not (layer.scale and layer.center):
        raise NotTranslated(f"{layer.name} normalises another axis than the last, or in part.")
    deviation = np.sqrt(layer.moving_variance.numpy() + np.float32(layer.epsilon))
    factor = layer.gamma.numpy() / deviation
    summand = layer.beta.numpy() - layer.moving_mean.numpy() * factor
    if x.name in graph.affine:  # with other weights; the map as it was is left unread
        write, kernel, bias = graph.affine[x.name]
        bias = summand if bias is None else bias * factor + summand
        return affine(graph, write, kernel * factor, bias)
    scaled = pointwise(graph, partial(graph.add, "Mul"), x, factor)
    return pointwise(graph, partial(graph.add, "Add"), scaled, summand)


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
    table = graph.name(layer.embeddings.numpy())
    name = graph.add("Gather", table, x)
    if len(x.shape) == 2:
        graph.lookups[name] = table, x.name
    return name


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
