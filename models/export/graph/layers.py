"""How Keras' simple layers are written in ONNX: one function a layer, and the table of them.

Here and in the files beside, each is called with the graph, the layer, and the layer's own
arguments, and returns the name of what it gives. Raises NotTranslated for a setting that it does
not know.
"""

from functools import partial, reduce

import numpy as np

from models.errors import NotTranslated
from models.export.graph import channels


def unchanged(graph, layer, x):
    """What acts in training alone."""
    return x


def embedding(graph, layer, x):
    if layer.mask_zero:
        raise NotTranslated(f"{layer.name} makes a mask.")
    if not x.dtype.startswith("int"):
        raise NotTranslated(f"{layer.name} reads {x.dtype}, not integers.")
    table = graph.name(layer.embeddings.numpy())
    name = graph.add("Gather", table, x)
    if len(x.shape) == 2:
        graph.lookups[name] = table, graph.name(x)
    return name


def category_encoding(graph, layer, ids, count_weights=None):
    """How often each id is there, or whether it is; (row, place) → (row, id)."""
    reductions = {"count": "add", "multi_hot": "max"}
    if layer.output_mode not in reductions or len(ids.shape) != 2 or count_weights is not None:
        raise NotTranslated(f"{layer.name} encodes as {layer.output_mode}, or with weights.")
    shape = graph.add("Shape", ids)
    rows = graph.add("Slice", shape, [0], [1])
    none = graph.add("Expand", np.float32(0), graph.add("Concat", rows, [layer.num_tokens], axis=0))
    one = graph.add("Expand", np.float32(1), shape)
    settings = {"axis": 1, "reduction": reductions[layer.output_mode]}
    return graph.add("ScatterElements", none, ids, one, **settings)


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
