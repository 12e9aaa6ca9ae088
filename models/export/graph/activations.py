"""How each of Keras' activations is written in ONNX, as a function and as a layer."""

import math
from functools import partial

import numpy as np

from models.errors import NotTranslated
from models.export.graph.channels import pointwise

# The ONNX operator of an activation, with Keras' settings of it.
OPERATORS = {
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


def gelu(graph, x) -> str:
    """Hendrycks and Gimpel, 2016, by the error function; an operator from opset 20 on."""
    error = graph.add("Erf", graph.add("Div", x, np.float32(math.sqrt(2))))
    twice = graph.add("Mul", x, graph.add("Add", error, np.float32(1)))
    return graph.add("Mul", twice, np.float32(0.5))


def silu(graph, x) -> str:
    """Elfwing, Uchibe and Doya, Neural Networks, 2018; also called swish."""
    return graph.add("Mul", x, graph.add("Sigmoid", x))


COMPOSED = {"gelu": gelu, "silu": silu}


def name_of(function) -> str:
    """Return the name under which Keras knows an activation function."""
    import keras

    name = getattr(function, "__name__", "")
    if getattr(keras.activations, name, None) is not function:
        raise NotTranslated(f"{function!r} is no activation of Keras' own.")
    return name


def activated(graph, function, x):
    """Return `x` after an activation function of Keras."""
    name = name_of(function)
    if name == "linear":
        return x
    if name in COMPOSED:
        return pointwise(graph, partial(COMPOSED[name], graph), x)
    if name not in OPERATORS:
        raise NotTranslated(f"The activation {name} is in no table of translations.")
    kind, settings = OPERATORS[name]
    write = partial(graph.add, kind, **settings)
    return write(x) if name == "softmax" else pointwise(graph, write, x)


def activation(graph, layer, x):
    return activated(graph, layer.activation, x)


def relu(graph, layer, x):
    if layer.max_value is not None or layer.threshold:
        raise NotTranslated(f"{layer.name} has a ceiling or a threshold.")
    return leaky_relu(graph, layer, x)


def leaky_relu(graph, layer, x):
    if not layer.negative_slope:
        return pointwise(graph, partial(graph.add, "Relu"), x)
    slope = float(layer.negative_slope)
    return pointwise(graph, partial(graph.add, "LeakyRelu", alpha=slope), x)


def softmax(graph, layer, x):
    if not isinstance(layer.axis, int):
        raise NotTranslated(f"{layer.name} normalises over several axes.")
    return graph.add("Softmax", x, axis=layer.axis)


LAYERS = {
    "Activation": activation,
    "LeakyReLU": leaky_relu,
    "ReLU": relu,
    "Softmax": softmax,
}
