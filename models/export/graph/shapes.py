"""How the operations of `keras.ops` that pick, join and turn are written in ONNX; those on values
are in `operations.py`."""

import numpy as np

from models.errors import NotTranslated

FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
NEWEST = slice(-1, None)


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


def swap_axes(graph, operation, x):
    order = list(range(len(x.shape)))
    a, b = operation.axis1, operation.axis2
    order[a], order[b] = order[b], order[a]
    return graph.add("Transpose", x, perm=order)


def flip(graph, operation, x):
    axes = list(range(len(x.shape))) if operation.axis is None else operation.axis
    axes = np.atleast_1d(axes).tolist()
    backwards = [-1] * len(axes), [FIRST] * len(axes), axes, [-1] * len(axes)
    return graph.add("Slice", x, *backwards)


def repeat(graph, operation, x):
    """Each place along an axis several times, one after the other."""
    times, axis, rank = operation.repeats, operation.axis, len(x.shape)
    if not (isinstance(times, int) and isinstance(axis, int)) or axis % rank == 0:
        raise NotTranslated(f"{operation.name} repeats rows, or each place as often as it likes.")
    axis %= rank
    spread = [1] * (rank + 1)
    spread[axis + 1] = times
    each = graph.add("Expand", graph.add("Unsqueeze", x, [axis + 1]), spread)
    return graph.add("Reshape", each, [0] * axis + [-1] + list(x.shape[axis + 1 :]))


def pad(graph, operation, x, constant_values=None):
    if operation.mode != "constant" or len(operation.pad_width) != len(x.shape):
        raise NotTranslated(f"{operation.name} pads by {operation.mode}, or all axes alike.")
    begins, ends = zip(*operation.pad_width, strict=True)
    return graph.add("Pad", x, [*begins, *ends], np.asarray(constant_values or 0, x.dtype))


def split(graph, operation, x):
    size, at = x.shape[operation.axis], operation.indices_or_sections
    if size is None:
        raise NotTranslated(f"{operation.name} parts an axis of unknown size.")
    at = [size // at * part for part in range(1, at)] if isinstance(at, int) else list(at)
    sizes = np.diff([0, *at, size]).tolist()
    names = graph.add("Split", x, sizes, outputs=len(sizes), axis=operation.axis)
    return names if len(sizes) > 1 else [names]


def get_item(graph, operation, x, key):
    """Slices, single places, new axes, and `...` for all axes that are not named."""
    keys = list(key) if isinstance(key, tuple | list) else [key]  # a list once it was saved
    if ... in keys:
        at, named = keys.index(...), sum(one is not None and one is not ... for one in keys)
        keys[at : at + 1] = [slice(None)] * (len(x.shape) - named)
    x = _picked(graph, x, [one for one in keys if one is not None])
    left = [one for one in keys if not isinstance(one, int)]
    new = [axis for axis, one in enumerate(left) if one is None]
    return graph.add("Unsqueeze", x, new) if new else x


def _picked(graph, x, keys: list[slice | int]):
    """Return the slices and places of the first axes; a place is looked up, which is cheaper."""
    bounds = []
    for axis, key in reversed(list(enumerate(keys))):
        if isinstance(key, int):
            x = graph.add("Gather", x, np.int64(key), axis=axis)
        elif key == NEWEST:
            x = graph.add("Gather", x, [-1], axis=axis)
        elif key != slice(None):
            gone = sum(isinstance(one, int) for one in keys[:axis])
            bounds.append((axis - gone, *_bounds(key)))
    if not bounds:
        return x
    axes, starts, ends, steps = map(list, zip(*bounds, strict=True))
    return graph.add("Slice", x, starts, ends, axes, steps)


def _bounds(key: slice) -> tuple[int, int, int]:
    """Return start, end and step as ONNX counts them."""
    step = key.step or 1
    first, last = (0, LAST) if step > 0 else (LAST, FIRST)
    start = first if key.start is None else key.start
    return start, last if key.stop is None else key.stop, step


def take(graph, operation, x, indices):
    import keras

    kind = keras.backend.standardize_dtype(getattr(indices, "dtype", "int32"))
    if operation.axis is None or not kind.startswith("int"):
        raise NotTranslated(f"{operation.name} names no axis, or takes by {kind}.")
    if not isinstance(indices, keras.KerasTensor):
        indices = np.asarray(indices, np.int64)
    return graph.add("Gather", x, indices, axis=operation.axis)


OPERATIONS = {
    "Concatenate": concatenate,
    "ExpandDims": expand_dims,
    "Flip": flip,
    "GetItem": get_item,
    "Pad": pad,
    "Repeat": repeat,
    "Reshape": reshape,
    "Split": split,
    "Squeeze": squeeze,
    "Stack": stack,
    "Swapaxes": swap_axes,
    "Take": take,
    "Transpose": transpose,
}
