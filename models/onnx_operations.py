"""How each operation of `keras.ops` is written in ONNX: one function a kind, and the table of them.

Each is called with the graph, the operation (which holds its settings) and the operation's own
tensors and numbers, and returns the name of what it gives. Raises NotTranslated for a setting that
it does not know.
"""

from functools import partial

import numpy as np

from models.errors import NotTranslated

FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


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


def _promoted(graph, a, b, floating: bool = False) -> list:
    import keras

    kinds = [getattr(one, "dtype", type(one)) for one in (a, b)]
    kind = keras.backend.result_type(*kinds, *([float] if floating else []))
    return [_as(graph, one, kind) for one in (a, b)]


def _as(graph, value, kind: str):
    """Return a tensor or number in the given type."""
    if isinstance(value, int | float | np.ndarray | np.generic):
        return np.asarray(value, kind)
    if not hasattr(value, "_keras_history"):
        raise NotTranslated(f"An operation reads a {type(value).__name__} from outside the model.")
    return value if value.dtype == kind else _cast(graph, value, kind)


def cast(graph, operation, x):
    return _cast(graph, x, operation.dtype)


def _cast(graph, x, kind: str):
    import onnx

    return graph.add("Cast", x, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


def reduced(kind: str, graph, operation, x):
    if operation.axis is None or not x.dtype.startswith("float"):
        raise NotTranslated(f"{operation.name} reduces every axis, or {x.dtype}.")
    axes = np.atleast_1d(operation.axis).tolist()
    return graph.add(kind, x, axes, keepdims=int(operation.keepdims))


def along_axis(kind: str, graph, operation, x):
    if not isinstance(operation.axis, int):
        raise NotTranslated(f"{operation.name} acts on several axes.")
    return graph.add(kind, x, axis=operation.axis)


def expand_dims(graph, operation, x):
    return graph.add("Unsqueeze", x, np.atleast_1d(operation.axis).tolist())


def squeeze(graph, operation, x):
    if operation.axis is None:
        raise NotTranslated(f"{operation.name} names no axis.")
    return graph.add("Squeeze", x, np.atleast_1d(operation.axis).tolist())


def stack(graph, operation, tensors):
    parts = [graph.add("Unsqueeze", one, [operation.axis]) for one in tensors]
    return graph.add("Concat", *parts, axis=operation.axis)


def concatenate(graph, operation, tensors):
    return graph.add("Concat", *tensors, axis=operation.axis)


def reshape(graph, operation, x):
    if operation.newshape[0] not in (-1, None):
        raise NotTranslated(f"{operation.name} fixes the number of rows.")
    return graph.add("Reshape", x, [-1, *operation.newshape[1:]])


def transpose(graph, operation, x):
    return graph.add("Transpose", x, perm=operation.axes or list(range(len(x.shape)))[::-1])


def get_item(graph, operation, x, key):
    """Slices and single places, one to an axis from the first on."""
    keys = key if isinstance(key, tuple | list) else (key,)  # a list once it was saved
    if not all(isinstance(one, slice | int) for one in keys):
        raise NotTranslated(f"{operation.name} picks by something other than slices and numbers.")
    bounds = [(axis, *_bounds(one)) for axis, one in enumerate(keys) if one != slice(None)]
    if not bounds:
        return x
    axes, starts, ends, steps = map(list, zip(*bounds, strict=True))
    x = graph.add("Slice", x, starts, ends, axes, steps)
    single = [axis for axis, one in enumerate(keys) if isinstance(one, int)]
    return graph.add("Squeeze", x, single) if single else x


def _bounds(key: slice | int) -> tuple[int, int, int]:
    """Return start, end and step as ONNX counts them."""
    if isinstance(key, int):
        return key, LAST if key == -1 else key + 1, 1
    step = key.step or 1
    first, last = (0, LAST) if step > 0 else (LAST, FIRST)
    start = first if key.start is None else key.start
    return start, last if key.stop is None else key.stop, step


OPERATIONS = {
    "Absolute": partial(unary, "Abs"),
    "Add": partial(binary, "Add"),
    "Cast": cast,
    "Concatenate": concatenate,
    "Divide": divided,
    "Equal": partial(binary, "Equal"),
    "Exp": partial(unary, "Exp"),
    "ExpandDims": expand_dims,
    "GetItem": get_item,
    "Greater": partial(binary, "Greater"),
    "GreaterEqual": partial(binary, "GreaterOrEqual"),
    "Less": partial(binary, "Less"),
    "LessEqual": partial(binary, "LessOrEqual"),
    "Log": partial(unary, "Log"),
    "Matmul": partial(binary, "MatMul"),
    "Max": partial(reduced, "ReduceMax"),
    "Maximum": partial(binary, "Max"),
    "Mean": partial(reduced, "ReduceMean"),
    "Min": partial(reduced, "ReduceMin"),
    "Minimum": partial(binary, "Min"),
    "Multiply": partial(binary, "Mul"),
    "Negative": partial(unary, "Neg"),
    "NotEqual": not_equal,
    "Relu": partial(unary, "Relu"),
    "Reshape": reshape,
    "Sigmoid": partial(unary, "Sigmoid"),
    "Softmax": partial(along_axis, "Softmax"),
    "Sqrt": partial(unary, "Sqrt"),
    "Square": lambda graph, operation, x: graph.add("Mul", x, x),
    "Squeeze": squeeze,
    "Stack": stack,
    "Subtract": partial(binary, "Sub"),
    "Sum": partial(reduced, "ReduceSum"),
    "Tanh": partial(unary, "Tanh"),
    "Transpose": transpose,
    "TrueDivide": divided,
}
