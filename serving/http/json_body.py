"""From a JSON body to the fields of a request: bounded before it is parsed."""

import codecs

import numpy as np
import orjson

from models.inputs.errors import did_you_mean, shown
from serving.http.errors import Problem

MAX_BRACKETS = 16  # no request of ours opens more than two
MAX_DEPTH = 32  # of nested tensors: an object in a list in an object, and four dimensions
MAX_LISTS = 1 << 18  # of nested tensors: a batch of 256 pictures of 28 x 28, each pixel in a list
MAX_VALUES = 1 << 14  # a history may have 10,000
MAX_ELEMENTS = 1 << 19  # of nested tensors, all values together
MAX_QUOTES = 1 << 14  # two for each string
# A bracket to the step that it makes in depth, 1 or -1 (as a byte 255); and all other bytes.
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))


def parse(body: bytearray, *names: str) -> dict:
    """Return the JSON object in `body`, whose fields must be among `names`.

    Raises Problem: 400 empty_body, too_deep, too_many_values, not_json; 422 not_an_object,
    unknown_field.
    """
    if not body:
        raise Problem(400, "empty_body", f"The body is empty; send an object with {_or(names)}.")
    _check_counts(body)
    fields = _object(body, names)
    for name in fields:
        if name not in names:
            raise Problem(422, "unknown_field", f"There is no field {no_such(name, names)}")
    return fields


def parse_nested(body: bytearray) -> dict:
    """Return the JSON object in `body`, which may hold lists in lists, and any fields.

    Raises Problem: 400 too_deep, too_many_lists, too_many_values, not_json; 422 not_an_object.
    """
    _check_depth(body)
    return _object(body, ("inputs",))


def one_of(fields: dict, *names: str) -> str:
    """Return the name of the one field that must be there; raises Problem 422."""
    present = [name for name in names if name in fields]
    if not present:
        raise Problem(422, "missing_field", f"The field {_or(names)} is needed; it was not sent.")
    if len(present) > 1:
        raise Problem(422, "too_many_fields", f"Send {_or(names)}; both were sent.")
    return present[0]


def no_such(name: object, names: tuple[str, ...]) -> str:
    """Return the end of a sentence that says that `name` is none of `names`."""
    return f"{shown(name)}{did_you_mean(name, names)}; there is {_or(names)}."


def _object(body: bytearray, names: tuple[str, ...]) -> dict:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"The body is not JSON: {_mistake(body, error.pos)}."
        raise Problem(400, "not_json", message) from None
    if not isinstance(fields, dict):
        message = f"The body must be an object with {_or(names)}, not {shown(fields)}."
        raise Problem(422, "not_an_object", message)
    return fields


def _mistake(body: bytearray, character: int) -> str:
    """Say where the mistake is; of one in the encoding the parser says no place."""
    if body.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark (BOM); send UTF-8 without one"
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 at byte {error.start}"
    return f"there is a mistake at character {character}"


def _check_counts(body: bytearray) -> None:
    """Refuse what is deep or long without parsing: count, outside of strings only if need be."""
    if _brackets(body) <= MAX_BRACKETS and _few_values(body, MAX_VALUES):
        return
    bare = _without_strings(body)
    if _brackets(bare) > MAX_BRACKETS:
        message = f"The body opens more than {MAX_BRACKETS} brackets; one list is all it may hold."
        raise Problem(400, "too_deep", message)
    _check_values(bare, MAX_VALUES)


def _check_depth(body: bytearray) -> None:
    """Refuse deep nesting without parsing, where brackets are many by right: follow the depth."""
    if _brackets(body) <= MAX_DEPTH and _few_values(body, MAX_ELEMENTS):
        return
    bare = _without_strings(body)
    _check_values(bare, MAX_ELEMENTS)
    steps = bare.translate(_STEPS, _OTHERS)
    if steps.count(1) > MAX_LISTS:
        message = f"The body opens more than {MAX_LISTS:,} lists; send the tensor as a flat one."
        raise Problem(400, "too_many_lists", message)
    if np.frombuffer(steps, np.int8).cumsum(dtype=np.int32).max(initial=0) > MAX_DEPTH:
        message = f"The body is nested more than {MAX_DEPTH} levels deep."
        raise Problem(400, "too_deep", message)


def _few_values(body: bytearray, most: int) -> bool:
    if len(body) <= min(most, MAX_QUOTES):  # there is no room for them
        return True
    return body.count(b",") < most and body.count(b'"') <= MAX_QUOTES


def _check_values(bare: bytes, most: int) -> None:
    if bare.count(b",") >= most:
        message = f"The body holds more than {most:,} values."
        raise Problem(400, "too_many_values", message)


def _brackets(body: bytes | bytearray) -> int:
    return body.count(b"[") + body.count(b"{")


def _without_strings(body: bytearray) -> bytes:
    """Return what is outside of strings, also of one that never ends; raises Problem 400."""
    text = bytes(body).replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > MAX_QUOTES:
        message = f"The body holds more than {MAX_QUOTES // 2:,} strings."
        raise Problem(400, "too_many_values", message)
    return b"".join(text.split(b'"')[::2])


def _or(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names)
