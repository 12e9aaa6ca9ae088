"""How Keras' layers over space, or over time, are written in ONNX: convolutions and pooling.

ONNX wants channels first and kernels as (channel given, channel read, space …), those of a
transposed convolution the other way round, as Keras has them too. Each layer turns what it reads,
and turns back what it gives: ONNX Runtime takes out the turns between two layers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from models.errors import NotTranslated
from models.export.graph.layers import activation
from models.export.graph.nodes import Graph, Tensor, Value


def convolution(graph: Graph, layer: Any, x: Tensor) -> Value:
    settings = _settings(layer) | {"dilations": layer.dilation_rate, "group": layer.groups}
    return _convolved("Conv", graph, layer, x, settings)


def transposed_convolution(graph: Graph, layer: Any, x: Tensor) -> Value:
    """The gradient of a convolution: what that one would read is what this one gives."""
    usual = layer.padding == "same" and layer.output_padding is None
    if not usual or any(one > 1 for one in layer.dilation_rate):
        raise NotTranslated(f"{layer.name} pads otherwise than the same, or is dilated.")
    return _convolved("ConvTranspose", graph, layer, x, _settings(layer))


def _convolved(kind: str, graph: Graph, layer: Any, x: Tensor, settings: dict) -> Value:
    kernel = np.moveaxis(layer.kernel.numpy(), (-1, -2), (0, 1))
    bias = layer.bias.numpy() if layer.use_bias else None
    y = graph.add(kind, _channels_first(graph, layer, x), kernel, bias, **settings)
    return _channels_last(graph, activation(graph, layer, y, channels=1), x)


def pooled(kind: str, graph: Graph, layer: Any, x: Tensor) -> str:
    """Write the pooling of neighbouring places; `kind` is MaxPool or AveragePool."""
    first = _channels_first(graph, layer, x)
    y = graph.add(kind, first, kernel_shape=layer.pool_size, **_settings(layer))
    return _channels_last(graph, y, x)


def over_space(kind: str, graph: Graph, layer: Any, x: Tensor) -> str:
    """Write the pooling of all places at once; `kind` is ReduceMax or ReduceMean."""
    if layer.keepdims or layer.data_format != "channels_last":
        raise NotTranslated(f"{layer.name} keeps the axes that it pools, or has channels first.")
    return graph.add(kind, x, list(range(1, len(x.shape) - 1)), keepdims=0)


def _channels_first(graph: Graph, layer: Any, x: Tensor) -> str:
    """Return `x`, (row, place …, channel), with its channels before the places."""
    if layer.data_format != "channels_last":
        raise NotTranslated(f"{layer.name} has its channels first.")
    last = len(x.shape) - 1
    return graph.add("Transpose", x, perm=[0, last, *range(1, last)])


def _channels_last(graph: Graph, first: Value, x: Tensor) -> str:
    """Return what has its channels first with them last; it has as many axes as `x`."""
    return graph.add("Transpose", first, perm=[0, *range(2, len(x.shape)), 1])


def _settings(layer: Any) -> dict[str, Any]:
    """Return how far a kernel or window goes at each step, and what it finds at the edges."""
    if layer.padding == "causal":
        [size], [dilation] = layer.kernel_size, layer.dilation_rate
        return {"strides": layer.strides, "pads": [(size - 1) * dilation, 0]}
    padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
    return {"strides": layer.strides, "auto_pad": padding}


LAYERS: dict[str, Callable[..., Any]] = {
    "AveragePooling1D": partial(pooled, "AveragePool"),
    "AveragePooling2D": partial(pooled, "AveragePool"),
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv2DTranspose": transposed_convolution,
    "GlobalAveragePooling2D": partial(over_space, "ReduceMean"),
    "GlobalMaxPooling1D": partial(over_space, "ReduceMax"),
    "MaxPooling1D": partial(pooled, "MaxPool"),
    "MaxPooling2D": partial(pooled, "MaxPool"),
}
