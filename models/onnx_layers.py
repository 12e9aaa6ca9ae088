"""How each Keras layer is written in ONNX: one function a layer, and the table of them.

Each is called with the graph, the layer, and the layer's own arguments, and returns the name of
what it gives. Raises NotTranslated for a setting that it does not know.
"""

from functools import partial, reduce

import numpy as np

from models.errors import NotTranslated

# The ONNX operator of each of Keras' activations, with Keras' settings of it.
ACTIVATIONS = {
    "elu": ("Elu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}


def activation_name(function) -> str:
    """Return the name under which Keras knows an activation function."""
    import keras

    name = getattr(function, "__name__", "")
    if getattr(keras.activations, name, None) is not function:
        raise NotTranslated(f"{function!r} is no activation of Keras' own.")
    return name


def activated(graph, function, x):
    """Return `x` after an activation function of Keras."""
    name = activation_name(function)
    if name == "linear":
        return x
    if name not in ACTIVATIONS:
        raise NotTranslated(f"The activation {name} is in no table of translations.")
    kind, attributes = ACTIVATIONS[name]
    add = graph.add if name == "softmax" else partial(_pointwise, graph)
    return add(kind, x, **attributes)


def unchanged(graph, layer, x):
    """What acts in training alone."""
    return x


def activation(graph, layer, x):
    return activated(graph, layer.activation, x)


def relu(graph, layer, x):
    if layer.max_value is not None or layer.threshold:
        raise NotTranslated(f"{layer.name} has a ceiling or a threshold.")
    return leaky_relu(graph, layer, x)


def leaky_relu(graph, layer, x):
    if not layer.negative_slope:
        return _pointwise(graph, "Relu", x)
    return _pointwise(graph, "LeakyRelu", x, alpha=float(layer.negative_slope))


def softmax(graph, layer, x):
    if not isinstance(layer.axis, int):
        raise NotTranslated(f"{layer.name} normalises over several axes.")
    return graph.add("Softmax", x, axis=layer.axis)


def dense(graph, layer, x):
    y = graph.add("MatMul", x, layer.kernel.numpy())
    if layer.use_bias:
        y = graph.add("Add", y, layer.bias.numpy())
    return activated(graph, layer.activation, y)


def embedding(graph, layer, x):
    if layer.mask_zero:
        raise NotTranslated(f"{layer.name} makes a mask.")
    if not x.dtype.startswith("int"):
        raise NotTranslated(f"{layer.name} reads {x.dtype}, not integers.")
    return graph.add("Gather", layer.embeddings.numpy(), x)


def flatten(graph, layer, x):
    _check_channels_last(layer)
    return graph.add("Reshape", x, [0, -1])


def reshape(graph, layer, x):
    return graph.add("Reshape", x, [0, *layer.target_shape])


def permute(graph, layer, x):
    return graph.add("Transpose", x, perm=[0, *layer.dims])


def repeat_vector(graph, layer, x):
    return graph.add("Expand", graph.add("Unsqueeze", x, [1]), [1, layer.n, 1])


def convolution(graph, layer, x):
    """ONNX wants channels first, kernels as (filter, channel read, space …)."""
    _check_channels_last(layer)
    y = graph.add(
        "Conv",
        _channels_first(graph, x, len(x.shape)),
        np.moveaxis(layer.kernel.numpy(), (-1, -2), (0, 1)),
        layer.bias.numpy() if layer.use_bias else None,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=layer.groups,
        **_padding(layer),
    )
    return activated(graph, layer.activation, _channels_last(graph, y, len(x.shape)))


def _padding(layer) -> dict:
    if layer.padding == "causal":
        return {"pads": [(layer.kernel_size[0] - 1) * layer.dilation_rate[0], 0]}
    return {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]}


def max_pooling(graph, layer, x):
    return _pooled(graph, layer, x, "MaxPool")


def average_pooling(graph, layer, x):
    return _pooled(graph, layer, x, "AveragePool")


def _pooled(graph, layer, x, kind: str):
    _check_channels_last(layer)
    first = _channels_first(graph, x, len(x.shape))
    sizes = {"kernel_shape": layer.pool_size, "strides": layer.strides}
    return _channels_last(graph, graph.add(kind, first, **sizes, **_padding(layer)), len(x.shape))


def global_max_pooling(graph, layer, x):
    return _over_space(graph, layer, x, "ReduceMax")


def global_average_pooling(graph, layer, x):
    return _over_space(graph, layer, x, "ReduceMean")


def _over_space(graph, layer, x, kind: str):
    _check_channels_last(layer)
    rank = len(x.shape)
    if layer.keepdims or graph.name(x) not in graph.channels_first:
        return graph.add(kind, x, list(range(1, rank - 1)), keepdims=int(layer.keepdims))
    return graph.add(kind, _channels_first(graph, x, rank), list(range(2, rank)), keepdims=0)


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
    return _pointwise(graph, "Add", _pointwise(graph, "Mul", x, factor), summand)


def concatenate(graph, layer, tensors):
    return graph.add("Concat", *tensors, axis=layer.axis)


def merged(kind: str, graph, layer, tensors):
    """Add, multiply, … any number of tensors, one after the other."""
    if len({len(one.shape) for one in tensors}) > 1:
        raise NotTranslated(f"{layer.name} merges tensors of unequal rank.")
    return reduce(partial(graph.add, kind), tensors)


def _check_channels_last(layer) -> None:
    if layer.data_format != "channels_last":
        raise NotTranslated(f"{layer.name} has its channels first.")


def _channels_first(graph, x, rank: int) -> str:
    if graph.name(x) in graph.channels_first:
        return graph.channels_first[graph.name(x)][0]
    return graph.add("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])


def _channels_last(graph, first: str, rank: int) -> str:
    last = graph.add("Transpose", first, perm=[0, *range(2, rank), 1])
    graph.channels_first[last] = first, rank
    return last


def _pointwise(graph, kind: str, x, *others: np.ndarray, **attributes) -> str:
    """Add an operator that acts on each value alone, with its channels first where it comes so:
    right after a convolution ONNX Runtime makes them one. others: one number a channel."""
    if graph.name(x) not in graph.channels_first:
        return graph.add(kind, x, *others, **attributes)
    first, rank = graph.channels_first[graph.name(x)]
    others = [one.reshape(-1, *[1] * (rank - 2)) for one in others]
    return _channels_last(graph, graph.add(kind, first, *others, **attributes), rank)


ONLY_IN_TRAINING = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation",
    "RandomZoom", "SpatialDropout1D", "SpatialDropout2D",
)  # fmt: skip
LAYERS = {
    "Activation": activation,
    "Add": partial(merged, "Add"),
    "AveragePooling1D": average_pooling,
    "AveragePooling2D": average_pooling,
    "BatchNormalization": batch_normalization,
    "Concatenate": concatenate,
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Dense": dense,
    "Embedding": embedding,
    "Flatten": flatten,
    "GlobalAveragePooling1D": global_average_pooling,
    "GlobalAveragePooling2D": global_average_pooling,
    "GlobalMaxPooling1D": global_max_pooling,
    "GlobalMaxPooling2D": global_max_pooling,
    "LeakyReLU": leaky_relu,
    "MaxPooling1D": max_pooling,
    "MaxPooling2D": max_pooling,
    "Maximum": partial(merged, "Max"),
    "Minimum": partial(merged, "Min"),
    "Multiply": partial(merged, "Mul"),
    "Permute": permute,
    "ReLU": relu,
    "RepeatVector": repeat_vector,
    "Reshape": reshape,
    "Softmax": softmax,
    "Subtract": partial(merged, "Sub"),
} | dict.fromkeys(ONLY_IN_TRAINING, unchanged)
