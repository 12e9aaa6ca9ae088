"""How Keras' simple layers are written in ONNX: one function a layer, and the table of them.

Here and in the files beside, each is called with the graph, the layer, and the layer's own
arguments, and returns the name of what it gives. Raises NotTranslated for a setting that it does
not know.
"""

from functools import partial, reduce

import numpy as np

from models import onnx_channels as channels
from models.errors import NotTranslated


def unchanged(graph, layer, x):
    """What acts in training alone."""
    return x


def embedding(graph, layer, x):
    if layer.mask_zero:
        raise NotTranslated(f"{layer.name} makes a mask.")
    if not x.dtype.startswith("int"):
        raise NotTranslated(f"{layer.name} reads {x.dtype}, not integers.")
    return graph.add("Gather", layer.embeddings.numpy(), x)


def category_encoding(graph, layer, x):
    """Counts alone: a one is added at the place of each id."""
    if layer.output_mode != "count":
        raise NotTranslated(f"{layer.name} does not count.")
    rows = graph.add("Slice", graph.add("Shape", x), [0], [1], [0])
    shape = graph.add("Concat", rows, [layer.num_tokens], axis=0)
    zeros = graph.add("Expand", np.float32(0), shape)
    ones = graph.add("Expand", np.float32(1), graph.add("Shape", x))
    return graph.add("ScatterElements", zeros, x, ones, axis=1, reduction="add")


def flatten(graph, layer, x):
    channels.check_last(layer)
    return graph.add("Reshape", x, [0, -1])


def reshape(graph, layer, x):
    return graph.add("Reshape", x, [0, *layer.target_shape])


def permute(graph, layer, x):
    return graph.add("Transpose", x, perm=[0, *layer.dims])


def repeat_vector(graph, layer, x):
    return graph.add("Expand", graph.add("Unsqueeze", x, [1]), [1, layer.n, 1])


def layer_normalization(graph, layer, x):
    """Ba, Kiros and Hinton, 2016, over the last axis."""
    if layer.axis not in ([-1], [len(x.shape) - 1]) or layer.rms_scaling:
        raise NotTranslated(f"{layer.name} normalises another axis than the last, or otherwise.")
    factor = layer.gamma.numpy() if layer.scale else np.ones(x.shape[-1], np.float32)
    summand = layer.beta.numpy() if layer.center else None
    return graph.add("LayerNormalization", x, factor, summand, epsilon=float(layer.epsilon))


def concatenate(graph, layer, tensors):
    rank = len(tensors[0].shape)
    if layer.axis in (-1, rank - 1) and _all_channels_first(graph, tensors):
        firsts = [channels.first(graph, one, rank) for one in tensors]
        return channels.last(graph, graph.add("Concat", *firsts, axis=1), rank)
    return graph.add("Concat", *tensors, axis=layer.axis)


def merged(kind: str, graph, layer, tensors):
    """Add, multiply, … any number of tensors, one after the other."""
    ranks = {len(one.shape) for one in tensors}
    if len(ranks) > 1:
        raise NotTranslated(f"{layer.name} merges tensors of unequal rank.")
    if not _all_channels_first(graph, tensors):
        return reduce(partial(graph.add, kind), tensors)
    [rank] = ranks
    firsts = [channels.first(graph, one, rank) for one in tensors]
    return channels.last(graph, reduce(partial(graph.add, kind), firsts), rank)


def average(graph, layer, tensors):
    count = np.float32(len(tensors))
    total = merged("Add", graph, layer, tensors)
    return channels.pointwise(graph, lambda x: graph.add("Div", x, count), total)


def _all_channels_first(graph, tensors) -> bool:
    return all(graph.name(one) in graph.channels_first for one in tensors)


ONLY_IN_TRAINING = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation",
    "RandomZoom", "SpatialDropout1D", "SpatialDropout2D",
)  # fmt: skip
LAYERS = {
    "Add": partial(merged, "Add"),
    "Average": average,
    "CategoryEncoding": category_encoding,
    "Concatenate": concatenate,
    "Embedding": embedding,
    "Flatten": flatten,
    "LayerNormalization": layer_normalization,
    "Maximum": partial(merged, "Max"),
    "Minimum": partial(merged, "Min"),
    "Multiply": partial(merged, "Mul"),
    "Permute": permute,
    "RepeatVector": repeat_vector,
    "Reshape": reshape,
    "Subtract": partial(merged, "Sub"),
} | dict.fromkeys(ONLY_IN_TRAINING, unchanged)
