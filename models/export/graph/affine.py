"""How affine maps are written in ONNX, and batch normalisation: it goes into the map before it."""

from collections.abc import Callable
from functools import partial

import numpy as np

from models.errors import NotTranslated
from models.export.graph.activations import activated
from models.export.graph.channels import pointwise


def affine(
    graph, write: Callable[..., str], kernel: np.ndarray, bias: np.ndarray | None = None
) -> str:
    """Write an affine map, and note how to write it once more with other weights.

    write: called with the kernel (…, channel given) and the bias (channel given,), or None.
    """
    name = write(kernel, bias)
    graph.affine[name] = write, kernel, bias
    return name


def dense(graph, layer, x):
    def write(kernel, bias):
        y = graph.add("MatMul", x, kernel)
        return y if bias is None else graph.add("Add", y, bias)

    bias = layer.bias.numpy() if layer.use_bias else None
    return activated(graph, layer.activation, affine(graph, write, layer.kernel.numpy(), bias))


def time_distributed(graph, layer, x):
    """A dense layer acts on the last axis alone: the same at every step, as it stands."""
    if type(layer.layer).__name__ != "Dense":
        raise NotTranslated(f"{layer.name} repeats a {type(layer.layer).__name__}, not a Dense.")
    return dense(graph, layer.layer, x)


def batch_normalization(graph, layer, x):
    """Ioffe and Szegedy, ICML 2015: with the moving moments it is one factor and one summand."""
    if layer.axis not in (-1, len(x.shape) - 1) or layer.renorm:
        raise NotTranslated(f"{layer.name} normalises another axis than the last, or anew.")
    factor = 1 / np.sqrt(layer.moving_variance.numpy() + np.float32(layer.epsilon))
    if layer.scale:
        factor = factor * layer.gamma.numpy()
    summand = -layer.moving_mean.numpy() * factor
    if layer.center:
        summand = summand + layer.beta.numpy()
    if graph.name(x) in graph.affine:  # with other weights; the map as it was is left unread
        write, kernel, bias = graph.affine[graph.name(x)]
        bias = summand if bias is None else bias * factor + summand
        return affine(graph, write, kernel * factor, bias)
    scaled = pointwise(graph, partial(graph.add, "Mul"), x, factor)
    return pointwise(graph, partial(graph.add, "Add"), scaled, summand)


LAYERS = {
    "BatchNormalization": batch_normalization,
    "Dense": dense,
    "TimeDistributed": time_distributed,
}
