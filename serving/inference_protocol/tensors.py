"""Tensors of the Open Inference Protocol: between JSON or raw bytes and numpy.

Raw bytes are little-endian and row by row; an element of BYTES is its length in four bytes, then
itself. What is read here has a shape that `signatures.py` has bounded, so that no array is larger
than what was sent.
"""

import struct
from contextlib import suppress
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import orjson

from serving.http.errors import Problem

NUMBERS = {"UINT8": "u1", "FP32": "<f4", "FP64": "<f8", "BOOL": "?"}
_LENGTH = struct.Struct("<I")


def from_json(data: Any, datatype: str, shape: list[int]) -> np.ndarray | list[Any]:
    """Return numbers of `shape`, or the elements of BYTES as they are.

    Args:
        data: all elements in one list, or lists in lists of the shape.
        datatype: of the tensor.
        shape: of the tensor, bounded by its signature.

    Returns:
        Whole numbers from 0 to 255, the pixels of a picture, as uint8; all others as float64.

    Raises:
        Problem: 422 invalid_data.
    """
    elements = _elements(data, shape)
    if datatype == "BYTES":
        return elements
    with suppress(TypeError, ValueError, OverflowError):
        pixels = bytes(elements)
        # Python takes true for 1. In JSON it has letters: that is seen in a quarter of the time
        # that a look at each element's type takes.
        if b"e" not in orjson.dumps(elements):
            return np.frombuffer(pixels, np.uint8).reshape(shape)
    if bool in set(map(type, elements)):
        raise _no_numbers(datatype)
    try:
        # Unlike numpy it takes no "1" and no null, and in half the time.
        values = struct.pack(f"{len(elements)}d", *elements)
    except (struct.error, OverflowError):
        raise _no_numbers(datatype) from None
    return np.frombuffer(values).reshape(shape)


def from_bytes(data: memoryview, datatype: str, shape: list[int]) -> np.ndarray | list[bytes]:
    """Return the elements in `data`, which must have the exact length; raises Problem 422."""
    if datatype == "BYTES":
        return _split(data, prod(shape))
    dtype = np.dtype(NUMBERS[datatype])
    if len(data) != prod(shape) * dtype.itemsize:
        message = f"{datatype} of shape {shape} takes {prod(shape) * dtype.itemsize} bytes"
        raise Problem(422, "invalid_data", f"{message}, not {len(data)}.")
    return np.frombuffer(data, dtype).reshape(shape)


def to_bytes(values: list[Any], datatype: str) -> bytes:
    """Return the elements of an answer as raw bytes."""
    if datatype != "BYTES":
        return np.array(values, NUMBERS[datatype]).tobytes()
    encoded = [value.encode() for value in values]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(one)), one) for one in encoded))


def _elements(data: Any, shape: list[int]) -> list[Any]:
    """Return the elements in one list, without a look at each: there may be many."""
    if type(data) is not list:
        raise Problem(422, "invalid_data", f'"data" must be a list of {prod(shape)} elements.')
    if data and type(data[0]) is list:
        for size in shape[1:]:
            if set(map(type, data)) != {list} or set(map(len, data)) != {size}:
                message = f'"data" must be one flat list, or lists in lists of the shape {shape}.'
                raise Problem(422, "invalid_data", message)
            data = list(chain.from_iterable(data))
    if len(data) != prod(shape):
        message = f'"data" has {len(data)} elements; the shape {shape} has {prod(shape)}.'
        raise Problem(422, "invalid_data", message)
    return data


def _no_numbers(datatype: str) -> Problem:
    message = f'"data" must hold numbers and nothing else, since the datatype is {datatype}.'
    return Problem(422, "invalid_data", message)


def _split(data: memoryview, count: int) -> list[bytes]:
    """Part the elements of BYTES."""
    elements, position = [], 0
    for _ in range(count):
        start = position + _LENGTH.size
        if start > len(data):
            break
        position = start + _LENGTH.unpack_from(data, position)[0]
        elements.append(bytes(data[start:position]))
    if len(elements) < count or position != len(data):
        message = (
            f"These {len(data)} bytes are not {count} elements of BYTES, each of them its length "
            "in four bytes, little-endian, and then as many bytes."
        )
        raise Problem(422, "invalid_data", message)
    return elements
