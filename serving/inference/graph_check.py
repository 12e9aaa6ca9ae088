"""What an ONNX file may hold, seen before ONNX Runtime opens it.

Tensors that lie in other files led out of the model's folder four times (CVE-2022-25882,
CVE-2024-27318, CVE-2026-27489, -34446), and operators of other domains call code that is not
ONNX Runtime's own. The service has no `onnx` package: this walks the protobuf messages themselves
(field numbers: onnx.proto, ONNX 1.23).
"""

from collections.abc import Iterator

MAX_DEPTH = 64  # subgraphs lie inside attributes of nodes: three levels each
STANDARD = {b"", b"ai.onnx", b"ai.onnx.ml"}  # the first two are one

# For each message, the fields that hold messages to look into.
CHILDREN = {
    "model": {7: "graph", 8: "operator set"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}  # fmt: skip
DOMAINS = {"operator set": 1, "node": 7}
REFUSED = {
    ("model", 20): "training information",
    ("model", 25): "functions of its own",
    ("tensor", 13): "a tensor in another file",
}
DATA_LOCATION = ("tensor", 14)  # 0 is here, 1 is in another file


class GraphError(ValueError):
    """The file is not an ONNX graph that may be served; the message says why."""


def check_graph(model: bytes) -> None:
    """Raise GraphError unless `model` is one file of standard operators only."""
    _check("model", memoryview(model), MAX_DEPTH)


def _check(kind: str, message: memoryview, depth: int) -> None:
    if depth == 0:
        raise GraphError(f"The graph is nested more than {MAX_DEPTH} levels deep.")
    for number, value in _fields(message):
        if (kind, number) in REFUSED:
            raise GraphError(f"The graph holds {REFUSED[kind, number]}.")
        if (kind, number) == DATA_LOCATION and value != 0:
            raise GraphError("The graph holds a tensor in another file.")
        if DOMAINS.get(kind) == number and value not in STANDARD:
            raise GraphError(f"The graph uses an operator domain that is not one of {STANDARD}.")
        child = CHILDREN.get(kind, {}).get(number)
        if child and isinstance(value, memoryview):
            _check(child, value, depth - 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field: an integer, or the bytes of what it holds."""
    position = 0
    value: int | memoryview
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(message, position)
        else:
            length, position = _length(message, position, wire_type)
            value, position = message[position : position + length], position + length
            if position > len(message):
                raise GraphError("The file ends in the middle of a field.")
        yield number, value


def _length(message: memoryview, position: int, wire_type: int) -> tuple[int, int]:
    if wire_type == 2:
        return _varint(message, position)
    if wire_type not in (1, 5):
        raise GraphError(f"The file is not ONNX: it has a field of wire type {wire_type}.")
    return (8 if wire_type == 1 else 4), position


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise GraphError("The file ends in the middle of a number.")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise GraphError("The file is not ONNX: it has a number of more than ten bytes.")
