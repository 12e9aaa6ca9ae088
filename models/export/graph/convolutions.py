"""How Keras' layers over space, or over time, are written in ONNX: convolutions and pooling.

ONNX wants channels first and kernels as (channel given, channel read, space …).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from models.errors import NotTranslated
from models.export.graph.layers import activation, affine, bias_of
from models.export.graph.layouts import channels_first, channels_last, steps_first
from models.export.graph.nodes import Graph, Tensor, Value


def convolution(graph: Graph, layer: Any, x: Tensor) -> Value:
    rank = _rank(layer, x)
    settings = {
        "strides": layer.strides,
        "dilations": layer.dilation_rate,
        "group": layer.groups,
        "pads": _pads(layer, x, layer.kernel_size, layer.dilation_rate),
    }

    def write(kernel: np.ndarray, bias: np.ndarray | None) -> str:
        outward = np.moveaxis(kernel, (-1, -2), (0, 1))
        y = graph.add("Conv", channels_first(graph, x, rank), outward, bias, **settings)
        return channels_last(graph, y, rank)

    return activation(graph, layer, affine(graph, write, layer.kernel.numpy(), bias_of(layer)))


def transposed_convolution(graph: Graph, layer: Any, x: Tensor) -> Value:
    """The gradient of a convolution: what that one would read is what this one gives."""
    rank = _rank(layer, x)
    if layer.output_padding is not None or None in x.shape[1:]:
        raise NotTranslated(f"{layer.name} pads its output, or reads an unknown size.")
    given = layer.compute_output_shape(x.shape)[1:-1]
    sizes = zip(
        x.shape[1:-1], given, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
    )
    over = [
        (count - 1) * stride + (kernel - 1) * dilation + 1 - wanted
        for count, wanted, kernel, stride, dilation in sizes
    ]
    cut = [max(one, 0) for one in over]
    settings = {
        "strides": layer.strides,
        "dilations": layer.dilation_rate,
        "pads": [one // 2 for one in cut] + [one - one // 2 for one in cut],
        "output_padding": [max(-one, 0) for one in over],
    }

    def write(kernel: np.ndarray, bias: np.ndarray | None) -> str:
        inward = np.moveaxis(kernel, (-2, -1), (0, 1))  # here the channel read comes first
        y = graph.add("ConvTranspose", channels_first(graph, x, rank), inward, bias, **settings)
        return channels_last(graph, y, rank)

    kernel = np.swapaxes(layer.kernel.numpy(), -1, -2)
    return activation(graph, layer, affine(graph, write, kernel, bias_of(layer)))


def _rank(layer: Any, x: Tensor) -> int:
    """Return how many axes `x` has, its channels last."""
    if layer.data_format != "channels_last":
        raise NotTranslated(f"{layer.name} has its channels first.")
    return len(x.shape)


def _pads(layer: Any, x: Tensor, kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    """Return how many zeros go before all beginnings of space, and then after all ends."""
    spans = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
    if layer.padding == "valid":
        return [0] * (2 * len(spans))
    if layer.padding == "causal":
        return [*spans, 0]
    sizes = x.shape[1:-1]
    if None in sizes:
        raise NotTranslated(f"{layer.name} pads what it reads, of unknown size.")
    totals = [
        max((-(-size // stride) - 1) * stride + span + 1 - size, 0)
        for size, stride, span in zip(sizes, layer.strides, spans, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def pooled(kind: str, reduction: str, graph: Graph, layer: Any, x: Tensor) -> str:
    """Write the pooling of neighbouring places.

    Args:
        kind: MaxPool or AveragePool.
        reduction: ReduceMax or ReduceMean, for whole groups of steps.
        graph: to write to.
        layer: a pooling layer.
        x: (row, place …, channel).
    """
    rank = _rank(layer, x)
    whole = rank == 3 and layer.strides == layer.pool_size and x.shape[1] is not None
    if whole and x.shape[1] % layer.pool_size[0] == 0 and x.name not in graph.channels_first:
        return _grouped(graph, layer.pool_size[0], x, reduction)
    settings = {
        "kernel_shape": layer.pool_size,
        "strides": layer.strides,
        "pads": _pads(layer, x, layer.pool_size, (1,) * len(layer.pool_size)),
    }
    y = graph.add(kind, channels_first(graph, x, rank), **settings)
    return channels_last(graph, y, rank)


def _grouped(graph: Graph, size: int, x: Tensor, reduction: str) -> str:
    """Pool whole groups of steps, without turning them to put their channels first."""
    _, length, width = x.shape
    groups = [length // size, size]
    if reduction == "ReduceMean" and x.name in graph.lookups:
        return _means_of_lookups(graph, x, groups, width)
    return graph.add(reduction, graph.add("Reshape", x, [-1, *groups, width]), [2], keepdims=0)


def _means_of_lookups(graph: Graph, x: Tensor, groups: list[int], width: int) -> str:
    """Look up the first of every group, then the second …, and take the mean by one product: ONNX
    Runtime does that in a sixth of the time that it reduces in."""
    table, ids = graph.lookups[x.name]
    ids = graph.add("Reshape", ids, [-1, *groups])
    count, size = groups
    share = np.full((1, size), 1 / size, np.float32)

    def mean(order: list[int], shape: list[int]) -> str:
        rows = graph.add("Gather", table, graph.add("Transpose", ids, perm=order))
        flat = graph.add("MatMul", share, graph.add("Reshape", rows, [size, -1]))
        return graph.add("Reshape", flat, shape)

    rows_first = mean([2, 0, 1], [-1, count, width])
    graph.steps_first[rows_first] = mean([2, 1, 0], [count, -1, width])
    return rows_first


def over_space(kind: str, graph: Graph, layer: Any, x: Tensor) -> str:
    """Write the pooling of all places at once.

    Args:
        kind: ReduceMax or ReduceMean.
        graph: to write to.
        layer: a global pooling layer.
        x: (row, place …, channel).
    """
    rank = _rank(layer, x)
    if layer.keepdims:
        raise NotTranslated(f"{layer.name} keeps the axes that it pools.")
    if x.name in graph.steps_first:
        return graph.add(kind, steps_first(graph, x), [0], keepdims=0)
    if x.name in graph.channels_first:
        first = channels_first(graph, x, rank)
        return graph.add(kind, first, list(range(2, rank)), keepdims=0)
    return graph.add(kind, x, list(range(1, rank - 1)), keepdims=0)


LAYERS: dict[str, Callable[..., Any]] = {
    "AveragePooling1D": partial(pooled, "AveragePool", "ReduceMean"),
    "AveragePooling2D": partial(pooled, "AveragePool", "ReduceMean"),
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv2DTranspose": transposed_convolution,
    "GlobalAveragePooling1D": partial(over_space, "ReduceMean"),
    "GlobalAveragePooling2D": partial(over_space, "ReduceMean"),
    "GlobalMaxPooling1D": partial(over_space, "ReduceMax"),
    "MaxPooling1D": partial(pooled, "MaxPool", "ReduceMax"),
    "MaxPooling2D": partial(pooled, "MaxPool", "ReduceMax"),
}
