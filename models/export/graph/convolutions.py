"""How Keras' layers over space, or over time, are written in ONNX: convolutions, pooling, growing.

ONNX wants channels first and kernels as (channel given, channel read, space …).
"""

import numpy as np

from models.errors import NotTranslated
from models.export.graph import channels, steps
from models.export.graph.activations import activated
from models.export.graph.affine import affine


def convolution(graph, layer, x):
    y = _convolved(graph, layer, x, layer.kernel.numpy(), _bias(layer), layer.groups)
    return activated(graph, layer.activation, y)


def depthwise_convolution(graph, layer, x):
    y = _convolved(graph, layer, x, _depthwise(layer.kernel), _bias(layer), x.shape[-1])
    return activated(graph, layer.activation, y)


def separable_convolution(graph, layer, x):
    """Each channel by itself, then all channels at each place."""
    rank = len(x.shape)
    apart = _convolved(graph, layer, x, _depthwise(layer.depthwise_kernel), None, x.shape[-1])

    def write(kernel, bias):
        first = channels.first(graph, apart, rank)
        return channels.last(graph, graph.add("Conv", first, _outward(kernel), bias), rank)

    y = affine(graph, write, layer.pointwise_kernel.numpy(), _bias(layer))
    return activated(graph, layer.activation, y)


def _convolved(graph, layer, x, kernel: np.ndarray, bias: np.ndarray | None, groups: int) -> str:
    """kernel: (space …, channel read in a group, channel given), as Keras keeps it."""
    channels.check_last(layer)
    rank = len(x.shape)
    settings = {"strides": layer.strides, "dilations": layer.dilation_rate, "group": groups}
    settings["pads"] = _pads(layer, x, layer.kernel_size, layer.dilation_rate)

    def write(kernel, bias):
        first = channels.first(graph, x, rank)
        y = graph.add("Conv", first, _outward(kernel), bias, **settings)
        return channels.last(graph, y, rank)

    return affine(graph, write, kernel, bias)


def _bias(layer) -> np.ndarray | None:
    return layer.bias.numpy() if layer.use_bias else None


def _depthwise(kernel) -> np.ndarray:
    """(space …, channel, multiple) → (space …, 1, channel given): one group a channel."""
    kernel = kernel.numpy()
    return kernel.reshape(*kernel.shape[:-2], 1, -1)


def _outward(kernel: np.ndarray) -> np.ndarray:
    """(space …, channel read, channel given) → (channel given, channel read, space …)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _pads(layer, x, kernel: tuple, dilations: tuple) -> list[int]:
    """Return how many zeros go before all beginnings of space, and then after all ends."""
    spans = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
    if layer.padding == "valid":
        return [0] * (2 * len(spans))
    if layer.padding == "causal":
        return [*spans, 0]
    sizes = x.shape[1:-1]
    if None in sizes:
        raise NotTranslated(f"{layer.name} pads what it reads, of unknown size.")
    given = [-(-size // stride) for size, stride in zip(sizes, layer.strides, strict=True)]
    totals = [
        max((count - 1) * stride + span + 1 - size, 0)
        for count, stride, span, size in zip(given, layer.strides, spans, sizes, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def transposed_convolution(graph, layer, x):
    """The gradient of a convolution: what that one would read is what this one gives."""
    channels.check_last(layer)
    if layer.output_padding is not None or None in x.shape[1:]:
        raise NotTranslated(f"{layer.name} pads its output, or reads an unknown size.")
    given = layer.compute_output_shape(x.shape)[1:-1]
    pads, more = _transposed_pads(layer, x.shape[1:-1], given)

    def write(kernel, bias):
        y = graph.add(
            "ConvTranspose",
            channels.first(graph, x, len(x.shape)),
            np.moveaxis(kernel, (-2, -1), (0, 1)),  # here the channel read comes first
            bias,
            strides=layer.strides,
            dilations=layer.dilation_rate,
            pads=pads,
            output_padding=more,
        )
        return channels.last(graph, y, len(x.shape))

    y = affine(graph, write, np.swapaxes(layer.kernel.numpy(), -1, -2), _bias(layer))
    return activated(graph, layer.activation, y)


def _transposed_pads(layer, read: tuple, given: tuple) -> tuple[list[int], list[int]]:
    """Return what is cut off at all beginnings and then all ends, and what is added at the ends."""
    sizes = zip(read, given, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    over = [
        (count - 1) * stride + (kernel - 1) * dilation + 1 - wanted
        for count, wanted, kernel, stride, dilation in sizes
    ]
    cut = [max(one, 0) for one in over]
    begin = [one // 2 for one in cut]
    end = [one - first for one, first in zip(cut, begin, strict=True)]
    return begin + end, [max(-one, 0) for one in over]


def max_pooling(graph, layer, x):
    return _pooled(graph, layer, x, "MaxPool", "ReduceMax")


def average_pooling(graph, layer, x):
    return _pooled(graph, layer, x, "AveragePool", "ReduceMean")


def _pooled(graph, layer, x, kind: str, reduction: str):
    channels.check_last(layer)
    if _in_whole_groups(layer, x) and graph.name(x) not in graph.channels_first:
        return _grouped(graph, layer, x, reduction)
    first = channels.first(graph, x, len(x.shape))
    sizes = {"kernel_shape": layer.pool_size, "strides": layer.strides}
    pads = _pads(layer, x, layer.pool_size, (1,) * len(layer.pool_size))
    return channels.last(graph, graph.add(kind, first, pads=pads, **sizes), len(x.shape))


def _in_whole_groups(layer, x) -> bool:
    _, *space, _ = x.shape
    return (
        len(space) == 1
        and space[0] is not None
        and layer.strides == layer.pool_size
        and space[0] % layer.pool_size[0] == 0
    )


def _grouped(graph, layer, x, reduction: str) -> str:
    """Pool whole groups of steps, without turning them to put their channels first."""
    _, length, width = x.shape
    groups = [length // layer.pool_size[0], layer.pool_size[0]]
    if reduction == "ReduceMean" and graph.name(x) in graph.lookups:
        return _means_of_lookups(graph, x, groups, width)
    return graph.add(reduction, graph.add("Reshape", x, [-1, *groups, width]), [2], keepdims=0)


def _means_of_lookups(graph, x, groups: list[int], width: int) -> str:
    """Look up the first of every group, then the second …, and take the mean by one product:
    ONNX Runtime does that in a sixth of the time that it reduces in."""
    table, ids = graph.lookups[graph.name(x)]
    ids = graph.add("Reshape", ids, [-1, *groups])
    count, size = groups
    share = np.full((1, size), 1 / size, np.float32)

    def mean(order: list[int], shape: list[int]) -> str:
        found = graph.add("Gather", table, graph.add("Transpose", ids, perm=order))
        flat = graph.add("MatMul", share, graph.add("Reshape", found, [size, -1]))
        return graph.add("Reshape", flat, shape)

    rows_first = mean([2, 0, 1], [-1, count, width])
    graph.steps_first[rows_first] = mean([2, 1, 0], [count, -1, width])
    return rows_first


def global_max_pooling(graph, layer, x):
    return _over_space(graph, layer, x, "ReduceMax")


def global_average_pooling(graph, layer, x):
    return _over_space(graph, layer, x, "ReduceMean")


def _over_space(graph, layer, x, kind: str):
    channels.check_last(layer)
    rank = len(x.shape)
    if graph.name(x) in graph.steps_first and not layer.keepdims:
        return graph.add(kind, steps.first(graph, x), [0], keepdims=0)
    if layer.keepdims or graph.name(x) not in graph.channels_first:
        return graph.add(kind, x, list(range(1, rank - 1)), keepdims=int(layer.keepdims))
    return graph.add(kind, channels.first(graph, x, rank), list(range(2, rank)), keepdims=0)


def up_sampling(graph, layer, x):
    channels.check_last(layer)
    if layer.interpolation != "nearest":
        raise NotTranslated(f"{layer.name} interpolates: {layer.interpolation}.")
    return _repeated(graph, x, layer.size)


def up_sampling_1d(graph, layer, x):
    return _repeated(graph, x, (layer.size,))


def _repeated(graph, x, times: tuple) -> str:
    """Return `x` with each place repeated `times` along each axis of space."""
    first = channels.first(graph, x, len(x.shape))
    scales = np.array([1, 1, *times], np.float32)
    settings = {"mode": "nearest", "nearest_mode": "floor"}
    settings["coordinate_transformation_mode"] = "asymmetric"
    return channels.last(graph, graph.add("Resize", first, None, scales, **settings), len(x.shape))


def zero_padding(graph, layer, x):
    widths = _widths(layer, layer.padding)
    pads = [0, 0, *(begin for begin, _ in widths), 0, 0, *(end for _, end in widths)]
    y = graph.add("Pad", channels.first(graph, x, len(x.shape)), pads)
    return channels.last(graph, y, len(x.shape))


def cropping(graph, layer, x):
    widths = _widths(layer, layer.cropping)
    starts = [begin for begin, _ in widths]
    ends = [-end if end else np.iinfo(np.int64).max for _, end in widths]
    axes = list(range(2, 2 + len(widths)))
    y = graph.add("Slice", channels.first(graph, x, len(x.shape)), starts, ends, axes)
    return channels.last(graph, y, len(x.shape))


def _widths(layer, widths: tuple) -> list[tuple[int, int]]:
    """Return beginning and end for each axis of space; a layer over time keeps just one pair."""
    channels.check_last(layer)
    return [widths] if isinstance(widths[0], int) else list(widths)


LAYERS = {
    "AveragePooling1D": average_pooling,
    "AveragePooling2D": average_pooling,
    "Conv1D": convolution,
    "Conv1DTranspose": transposed_convolution,
    "Conv2D": convolution,
    "Conv2DTranspose": transposed_convolution,
    "Cropping1D": cropping,
    "Cropping2D": cropping,
    "DepthwiseConv1D": depthwise_convolution,
    "DepthwiseConv2D": depthwise_convolution,
    "GlobalAveragePooling1D": global_average_pooling,
    "GlobalAveragePooling2D": global_average_pooling,
    "GlobalMaxPooling1D": global_max_pooling,
    "GlobalMaxPooling2D": global_max_pooling,
    "MaxPooling1D": max_pooling,
    "MaxPooling2D": max_pooling,
    "SeparableConv1D": separable_convolution,
    "SeparableConv2D": separable_convolution,
    "UpSampling1D": up_sampling_1d,
    "UpSampling2D": up_sampling,
    "ZeroPadding1D": zero_padding,
    "ZeroPadding2D": zero_padding,
}
