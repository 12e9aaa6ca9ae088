"""How the operations of `keras.ops` are written in ONNX, by the name of their kind.

Each function is called with the graph, the operation's configuration and its own arguments, and
returns what it gives. It raises NotTranslated for a setting that it does not know.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import onnx

from models.errors import NotTranslated
from models.export.graph.nodes import Graph, Tensor, Value

LAST = np.iinfo(np.int64).max


def binary(kind: str, graph: Graph, settings: Mapping, a: Any, b: Any) -> str:
    """Arithmetic and comparisons, both sides in the type that Keras would take them to."""
    kinds = [getattr(one, "dtype", type(one)) for one in (a, b)]
    common = keras.backend.result_type(*kinds, *([float] if kind == "Div" else []))
    return graph.add(kind, *(_as(graph, one, common) for one in (a, b)))


def not_equal(graph: Graph, settings: Mapping, a: Any, b: Any) -> str:
    return graph.add("Not", binary("Equal", graph, settings, a, b))


def _as(graph: Graph, value: Any, kind: str) -> Value:
    """Return a tensor or number in the given type."""
    if isinstance(value, int | float | np.ndarray | np.generic):
        return np.asarray(value, kind)
    return value if value.dtype == kind else cast(graph, {"dtype": kind}, value)


def cast(graph: Graph, settings: Mapping, x: Tensor) -> str:
    return graph.add(
        "Cast", x, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(settings["dtype"]))
    )


def reduced(kind: str, graph: Graph, settings: Mapping, x: Tensor) -> str:
    axis = settings["axis"]
    if axis is None or not x.dtype.startswith("float"):
        raise NotTranslated(f"{settings['name']} reduces every axis, or {x.dtype}.")
    return graph.add(kind, x, np.atleast_1d(axis).tolist(), keepdims=int(settings["keepdims"]))


def reshaped(kind: str, graph: Graph, settings: Mapping, x: Tensor) -> str:
    """Add or drop axes of one place."""
    if settings["axis"] is None:
        raise NotTranslated(f"{settings['name']} names no axis.")
    return graph.add(kind, x, np.atleast_1d(settings["axis"]).tolist())


def stack(graph: Graph, settings: Mapping, tensors: list[Tensor]) -> str:
    parts = [graph.add("Unsqueeze", one, [settings["axis"]]) for one in tensors]
    return graph.add("Concat", *parts, axis=settings["axis"])


def zeros_like(graph: Graph, settings: Mapping, x: Tensor) -> str:
    zero = np.asarray(0, settings["dtype"] or x.dtype)
    return graph.add("Expand", zero, graph.add("Shape", x))


def get_item(graph: Graph, settings: Mapping, x: Tensor, key: Any) -> Value:
    """Slices and single places of the first axes."""
    keys = key if isinstance(key, list) else [key]
    y: Value = x
    bounds = []
    for axis, one in reversed(list(enumerate(keys))):
        if isinstance(one, int):
            y = graph.add("Gather", y, np.int64(one), axis=axis)
        elif not isinstance(one, slice) or one.step not in (None, 1):
            raise NotTranslated(f"{settings['name']} picks by {one}.")
        elif one != slice(None):
            gone = sum(isinstance(before, int) for before in keys[:axis])
            bounds.append((axis - gone, one.start or 0, LAST if one.stop is None else one.stop))
    if not bounds:
        return y
    axes, starts, ends = map(list, zip(*bounds, strict=True))
    return graph.add("Slice", y, starts, ends, axes)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": partial(binary, "Add"),
    "Cast": cast,
    "ExpandDims": partial(reshaped, "Unsqueeze"),
    "GetItem": get_item,
    "Greater": partial(binary, "Greater"),
    "Maximum": partial(binary, "Max"),
    "Mean": partial(reduced, "ReduceMean"),
    "Multiply": partial(binary, "Mul"),
    "NotEqual": not_equal,
    "Sqrt": lambda graph, settings, x: graph.add("Sqrt", x),
    "Square": lambda graph, settings, x: graph.add("Mul", x, x),
    "Squeeze": partial(reshaped, "Squeeze"),
    "Stack": stack,
    "Subtract": partial(binary, "Sub"),
    "Sum": partial(reduced, "ReduceSum"),
    "TrueDivide": partial(binary, "Div"),
    "ZerosLike": zeros_like,
}
