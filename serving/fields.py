"""From a JSON body to the fields of a request: bounded before parsing, and only known names."""

import difflib
import re

import orjson

from models.inputs import shown
from serving.errors import Problem

MAX_BRACKETS = 16  # no request of ours opens more than two
# A string, also one that never ends: each byte is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def parse(body: bytearray, *names: str) -> dict:
    """Return the JSON object in `body`, whose fields must be among `names`.

    Raises Problem: 400 empty_body, too_deep, not_json; 422 not_an_object, unknown_field.
    """
    if not body:
        raise Problem(400, "empty_body", f"The body is empty; send an object with {_or(names)}.")
    _check_depth(body)
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"The body is not JSON: there is a mistake at character {error.pos}."
        raise Problem(400, "not_json", message) from None
    if not isinstance(fields, dict):
        message = f"The body must be an object with {_or(names)}, not {shown(fields)}."
        raise Problem(422, "not_an_object", message)
    for name in fields:
        if name not in names:
            raise _unknown(name, names)
    return fields


def one_of(fields: dict, *names: str) -> str:
    """Return the name of the one field that must be there; raises Problem 422."""
    present = [name for name in names if name in fields]
    if not present:
        raise Problem(422, "missing_field", f"The field {_or(names)} is needed; it was not sent.")
    if len(present) > 1:
        raise Problem(422, "too_many_fields", f"Send {_or(names)}; both were sent.")
    return present[0]


def _check_depth(body: bytearray) -> None:
    """Refuse deep nesting without parsing: count the brackets, in strings only if need be."""
    if _brackets(body) > MAX_BRACKETS and _brackets(_STRING.sub(b"", body)) > MAX_BRACKETS:
        message = f"The body opens more than {MAX_BRACKETS} brackets; one list is all it may hold."
        raise Problem(400, "too_deep", message)


def _brackets(body: bytes | bytearray) -> int:
    return body.count(b"[") + body.count(b"{")


def _unknown(name: str, names: tuple[str, ...]) -> Problem:
    near = difflib.get_close_matches(name[:40], names, n=1, cutoff=0.5)
    advice = f'did you mean "{near[0]}"?' if near else f"this endpoint knows {_or(names)}."
    return Problem(422, "unknown_field", f"There is no field {shown(name)}; {advice}")


def _or(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names)
