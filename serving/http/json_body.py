"""From a JSON body to a declared request: bounded before it is parsed, validated by Pydantic."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from models.inputs.errors import did_you_mean, shown
from serving.http.errors import Problem

MAX_DEPTH = 32  # an object in a list in an object, and four dimensions, are 7
MAX_QUOTES = 1 << 14  # two for each string


class Limits(NamedTuple):
    """How much one body may hold."""

    brackets: int  # lists and objects
    values: int


FLAT = Limits(16, 1 << 14)  # a history may have 10,000 values
TENSORS = Limits(1 << 18, 1 << 19)  # 256 pictures of 28 x 28, each pixel in a list of its own

# A bracket to the step that it makes in depth, 1 or -1 (as a byte 255); and all other bytes.
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))
# The types of Pydantic's errors in words.
_RULES = {
    "model_type": "be an object",
    "list_type": "be a list",
    "string_type": "be a string",
    "bool_type": "be true or false",
    "int_type": "be a whole number",
    "float_type": "be a number",
    "greater_than": "be greater than 0",
    "greater_than_equal": "be at least {ge}",
    "less_than": "be less than {lt}",
    "string_pattern_mismatch": "match {pattern}",
}


class Body(BaseModel):
    """A JSON body: no value is converted, and a field that is not declared is refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


def without_fraction(value: Any) -> Any:
    """Return 3 for 3.0, and any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one type of number: 3.0 is a whole number too.
Whole = Annotated[int, BeforeValidator(without_fraction)]
Declared = TypeVar("Declared", bound=BaseModel)


def parse(body: bytearray, declaration: type[Declared], limits: Limits = FLAT) -> Declared:
    """Return the JSON object in `body` as what `declaration` declares.

    Args:
        body: the bytes as they were sent.
        declaration: the Pydantic model of the request.
        limits: how much the body may hold.

    Raises:
        Problem: 400 empty_body, too_deep, too_many_lists, too_many_values, not_json; 422
            unpaired_surrogate, number_too_large, not_an_object, unknown_field, missing_field, and
            invalid_… with the name of the field that has another type than its declaration.
    """
    names = tuple(declaration.model_fields)
    if not body:
        raise Problem(400, "empty_body", f"The body is empty; send an object with {_or(names)}.")
    _check_size(body, limits)
    try:
        return declaration.model_validate(_load(body))
    except ValidationError as error:
        raise _problem(names, error.errors(include_url=False)) from None


def no_such(name: object, names: Iterable[str]) -> str:
    """Return the end of a sentence that says that `name` is none of `names`."""
    return f"{shown(name)}{did_you_mean(name, names)}; there is {_or(names)}."


def _problem(names: Iterable[str], errors: list[Any]) -> Problem:
    """Return the refusal for the errors of one body: a misspelt field explains a missing one."""
    error = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    kind, place, received = error["type"], error["loc"], error["input"]
    if not place:
        message = f"The body must be an object with {_or(names)}, not {shown(received)}."
        return Problem(422, "not_an_object", message)
    name = ".".join(map(str, place))
    if kind == "extra_forbidden" and len(place) > 1:  # `names` are not those of an inner object
        return Problem(422, "unknown_field", f'There is no field "{name}".')
    if kind == "extra_forbidden":
        return Problem(422, "unknown_field", f"There is no field {no_such(place[-1], names)}")
    if kind == "missing":
        return Problem(422, "missing_field", f'The field "{name}" is needed; it was not sent.')
    if kind.endswith(("too_short", "too_long")):
        bound = "at least {min_length}" if kind.endswith("short") else "at most {max_length}"
        rule = f"have a length of {bound.format(**error['ctx'])}, not {len(received)}"
    else:
        rule = f"{_RULES[kind].format(**error.get('ctx', {}))}, not {shown(received)}"
    return Problem(422, f"invalid_{place[0]}", f'"{name}" must {rule}.')


def _load(body: bytearray) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(body, error.pos) from None


def _unreadable(body: bytearray, character: int) -> Problem:
    """Say why orjson does not read a body; some that it refuses are valid JSON."""
    try:
        text = body.decode()
        # RFC 8259 allows numbers of any size, and escapes of half a surrogate pair.
        value = json.loads(text, parse_int=float, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        cause = f"it is not UTF-8 at byte {error.start}"
    except ValueError:
        cause = f"there is a mistake at character {character}"
        if text.startswith("\ufeff"):
            cause = "it begins with a byte order mark (BOM); send UTF-8 without one"
    else:
        return _unanswerable(value)
    return Problem(400, "not_json", f"The body is not JSON: {cause}.")


def _unanswerable(value: Any) -> Problem:
    """Return the refusal of valid JSON that holds what no text or number here can be."""
    try:
        orjson.dumps(value)
    except TypeError:
        message = "A string holds half of a surrogate pair, as an emoji that was cut in two leaves."
        return Problem(422, "unpaired_surrogate", message)
    message = "A number is too large; numbers of up to 1.8e308 are allowed."
    return Problem(422, "number_too_large", message)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}.")


def _check_size(body: bytearray, limits: Limits) -> None:
    """Refuse what is deep or long without parsing: count, outside of strings only if need be."""
    brackets = body.count(b"[") + body.count(b"{")
    few = body.count(b",") < limits.values and body.count(b'"') <= MAX_QUOTES
    if few and brackets <= min(limits.brackets, MAX_DEPTH):
        return
    bare = _without_strings(body)
    if bare.count(b",") >= limits.values:
        raise _too_many("values", f"{limits.values:,} values")
    steps = bare.translate(_STEPS, _OTHERS)
    if np.frombuffer(steps, np.int8).cumsum(dtype=np.int32).max(initial=0) > MAX_DEPTH:
        message = f"The body is nested more than {MAX_DEPTH} levels deep."
        raise Problem(400, "too_deep", message)
    if steps.count(1) > limits.brackets:
        raise _too_many("lists", f"{limits.brackets:,} lists and objects")


def _without_strings(body: bytearray) -> bytes:
    """Return what is outside of strings, also of one that never ends; raises Problem 400."""
    text = bytes(body).replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > MAX_QUOTES:
        raise _too_many("values", f"{MAX_QUOTES // 2:,} strings")
    return b"".join(text.split(b'"')[::2])


def _too_many(what: str, most: str) -> Problem:
    return Problem(400, f"too_many_{what}", f"The body holds more than {most}.")


def _or(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
