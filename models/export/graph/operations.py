"""How the operations of `keras.ops` on values are written in ONNX: one function a kind, and the
table of them.

Each is called with the graph, the operation (which holds its settings) and the operation's own
tensors and numbers, and returns the name of what it gives. Raises NotTranslated for a setting that
it does not know.
"""

from functools import partial

import numpy as np

from models.errors import NotTranslated
from models.export.graph.activations import gelu as exact_gelu
from models.export.graph.activations import silu as composed_silu


def unary(kind: str, graph, operation, x):
    return graph.add(kind, x)


def binary(kind: str, graph, operation, a, b):
    """Arithmetic and comparisons, both sides in the type that Keras would take them to."""
    return graph.add(kind, *_promoted(graph, a, b))


def divided(graph, operation, a, b):
    a, b = _promoted(graph, a, b, floating=True)
    return graph.add("Div", a, b)


def not_equal(graph, operation, a, b):
    return graph.add("Not", binary("Equal", graph, operation, a, b))


def logical(kind: str, graph, operation, a, b):
    return graph.add(kind, *(_as(graph, one, "bool") for one in (a, b)))


def logical_not(graph, operation, x):
    return graph.add("Not", _as(graph, x, "bool"))


def where(graph, operation, condition, a=None, b=None):
    if a is None:
        raise NotTranslated(f"{operation.name} asks for places, not for values.")
    return graph.add("Where", _as(graph, condition, "bool"), *_promoted(graph, a, b))


def clip(graph, operation, x):
    bounds = [np.asarray(one, x.dtype) for one in (operation.x_min, operation.x_max)]
    return graph.add("Clip", x, *bounds)


def rsqrt(graph, operation, x):
    return graph.add("Reciprocal", graph.add("Sqrt", x))


def leaky_relu(graph, operation, x):
    return graph.add("LeakyRelu", x, alpha=float(operation.negative_slope))


def gelu(graph, operation, x):
    if operation.approximate:
        raise NotTranslated(f"{operation.name} is approximate: say approximate=False.")
    return exact_gelu(graph, x)


def _promoted(graph, a, b, floating: bool = False) -> list:
    import keras

    kinds = [getattr(one, "dtype", type(one)) for one in (a, b)]
    kind = keras.backend.result_type(*kinds, *([float] if floating else []))
    return [_as(graph, one, kind) for one in (a, b)]


def _as(graph, value, kind: str):
    """Return a tensor or number in the given type."""
    import keras

    if isinstance(value, int | float | np.ndarray | np.generic):
        return np.asarray(value, kind)
    if keras.ops.is_tensor(value):  # made when the model was built
        return keras.ops.convert_to_numpy(value).astype(kind)
    if not isinstance(value, keras.KerasTensor):
        raise NotTranslated(f"An operation reads a {type(value).__name__} from outside the model.")
    return value if value.dtype == kind else _cast(graph, value, kind)


def cast(graph, operation, x):
    return _cast(graph, x, operation.dtype)


def _cast(graph, x, kind: str):
    import onnx

    return graph.add("Cast", x, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


def reduced(kind: str, graph, operation, x):
    same = x.dtype.startswith("float") or (x.dtype == "int32" and kind != "ReduceMean")
    if operation.axis is None or not same:
        raise NotTranslated(f"{operation.name} reduces every axis, or {x.dtype}.")
    axes = np.atleast_1d(operation.axis).tolist()
    return graph.add(kind, x, axes, keepdims=int(operation.keepdims))


def variance(graph, operation, x):
    if operation.axis is None:
        raise NotTranslated(f"{operation.name} reduces every axis.")
    axes = list(operation.axis)
    mean = graph.add("ReduceMean", x, axes, keepdims=1)
    apart = graph.add("Sub", x, mean)
    square = graph.add("Mul", apart, apart)
    return graph.add("ReduceMean", square, axes, keepdims=int(operation.keepdims))


def deviation(graph, operation, x):
    return graph.add("Sqrt", variance(graph, operation, x))


def any_true(graph, operation, x):
    import onnx

    if operation.axis is None:
        raise NotTranslated(f"{operation.name} reduces every axis.")
    numbers = _cast(graph, _as(graph, x, "bool"), "int32")
    found = graph.add("ReduceMax", numbers, list(operation.axis), keepdims=int(operation.keepdims))
    return graph.add("Cast", found, to=onnx.TensorProto.BOOL)


def cumulated(graph, operation, x):
    if not isinstance(operation.axis, int) or operation.dtype not in (None, x.dtype):
        raise NotTranslated(f"{operation.name} adds up every axis, or in another type.")
    return graph.add("CumSum", x, np.int64(operation.axis))


def filled(value: int, graph, operation, x):
    kind = operation.dtype or x.dtype
    return graph.add("Expand", np.asarray(value, kind), graph.add("Shape", x))


def one_hot(graph, operation, x):
    """All zero for a class that there is not."""
    if operation.axis != -1 or operation.sparse:
        raise NotTranslated(f"{operation.name} puts its classes elsewhere than last.")
    classes = np.arange(operation.num_classes, dtype=x.dtype)
    found = graph.add("Equal", graph.add("Unsqueeze", x, [-1]), classes)
    return _cast(graph, found, operation.dtype or "float32")


def along_axis(kind: str, graph, operation, x):
    if not isinstance(operation.axis, int):
        raise NotTranslated(f"{operation.name} acts on several axes.")
    return graph.add(kind, x, axis=operation.axis)


OPERATIONS = {
    "Absolute": partial(unary, "Abs"),
    "Add": partial(binary, "Add"),
    "Any": any_true,
    "Cast": cast,
    "Clip": clip,
    "Cumsum": cumulated,
    "Divide": divided,
    "Equal": partial(binary, "Equal"),
    "Erf": partial(unary, "Erf"),
    "Exp": partial(unary, "Exp"),
    "Gelu": gelu,
    "Greater": partial(binary, "Greater"),
    "GreaterEqual": partial(binary, "GreaterOrEqual"),
    "LeakyRelu": leaky_relu,
    "Less": partial(binary, "Less"),
    "LessEqual": partial(binary, "LessOrEqual"),
    "Log": partial(unary, "Log"),
    "LogicalAnd": partial(logical, "And"),
    "LogicalNot": logical_not,
    "LogicalOr": partial(logical, "Or"),
    "Matmul": partial(binary, "MatMul"),
    "Max": partial(reduced, "ReduceMax"),
    "Maximum": partial(binary, "Max"),
    "Mean": partial(reduced, "ReduceMean"),
    "Min": partial(reduced, "ReduceMin"),
    "Minimum": partial(binary, "Min"),
    "Multiply": partial(binary, "Mul"),
    "Negative": partial(unary, "Neg"),
    "NotEqual": not_equal,
    "OneHot": one_hot,
    "OnesLike": partial(filled, 1),
    "Power": partial(binary, "Pow"),
    "Reciprocal": partial(unary, "Reciprocal"),
    "Relu": partial(unary, "Relu"),
    "Rsqrt": rsqrt,
    "Sigmoid": partial(unary, "Sigmoid"),
    "Silu": lambda graph, operation, x: composed_silu(graph, x),
    "Softmax": partial(along_axis, "Softmax"),
    "Softplus": partial(unary, "Softplus"),
    "Sqrt": partial(unary, "Sqrt"),
    "Square": lambda graph, operation, x: graph.add("Mul", x, x),
    "Std": deviation,
    "Subtract": partial(binary, "Sub"),
    "Sum": partial(reduced, "ReduceSum"),
    "Tanh": partial(unary, "Tanh"),
    "TrueDivide": divided,
    "Var": variance,
    "Where": where,
    "ZerosLike": partial(filled, 0),
}
