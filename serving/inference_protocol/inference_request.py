"""From the body of an inference request to what is asked of the model.

Members that an extension may have added are left alone; what this server reads is checked. A
member that is null counts as not sent: many clients send all members there are.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from models.inputs.errors import shown
from models.inputs.series import SeriesInputs
from serving.http import json_body
from serving.http.bodies import MAX_JSON_BYTES
from serving.http.errors import Problem
from serving.inference.loaded_model import Model
from serving.inference_protocol import tensors
from serving.inference_protocol.signatures import Form, Signature, check_shape, signature

_COUNT = re.compile(r"[0-9]{1,12}")
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
}


class Inference(NamedTuple):
    """What a request asks."""

    id: str | None
    things: np.ndarray | list  # raw inputs, as `Model.answers` takes them
    options: dict[str, Any]  # of a forecast
    outputs: list[tuple[str, bool]]  # the names that are wanted, and whether as raw bytes


def read(body: bytearray, header_length: str | None, model: Model) -> Inference:
    """Return what `body` asks of `model`.

    header_length: how many bytes of the body are JSON, when raw bytes follow.
    Raises Problem 400, 413 or 422, and InputError.
    """
    text, raw = _parts(body, header_length)
    sent = json_body.parse_nested(text)
    known = signature(model)
    parameters = _member(sent, "parameters", dict, {})
    return Inference(
        _member(sent, "id", str, None),
        _things(sent, raw, known, model),
        _options(model.inputs, parameters),
        _outputs(sent, known.outputs, _member(parameters, "binary_data_output", bool, False)),
    )


def _parts(body: bytearray, header_length: str | None) -> tuple[bytearray, memoryview]:
    """Part the JSON from the raw bytes that follow it."""
    if header_length is None:
        return body, memoryview(b"")
    size = int(header_length) if _COUNT.fullmatch(header_length) else len(body) + 1
    if size > len(body):
        message = (
            "Inference-Header-Content-Length must say how many of the body's bytes are JSON, "
            f"a whole number up to {len(body)}, not {shown(header_length)}."
        )
        raise Problem(400, "invalid_header_length", message)
    if size > MAX_JSON_BYTES:
        message = f"The JSON is too large; at most {MAX_JSON_BYTES >> 20} MiB are allowed."
        raise Problem(413, "body_too_large", message)
    return body[:size], memoryview(body)[size:]


def _things(sent: dict, raw: memoryview, known: Signature, model: Model) -> np.ndarray | list:
    """Return the one input."""
    inputs = _member(sent, "inputs", list, [])
    if len(inputs) != 1 or type(inputs[0]) is not dict:
        message = f'"inputs" must be a list of one object, the tensor "{known.name}".'
        raise Problem(422, "invalid_inputs", message)
    (tensor,) = inputs
    if tensor.get("name") != known.name:
        message = f'The input is called "{known.name}", not {shown(tensor.get("name"))}.'
        raise Problem(422, "unknown_input", message)
    datatype = tensor.get("datatype")
    if type(datatype) is not str or datatype not in known.forms:
        message = f"The datatype must be {' or '.join(known.forms)}, not {shown(datatype)}."
        raise Problem(422, "invalid_datatype", message)
    form = known.forms[datatype]
    return form.read(model.inputs, _values(tensor, raw, datatype, form))


def _values(tensor: dict, raw: memoryview, datatype: str, form: Form) -> np.ndarray | list:
    shape = check_shape(tensor.get("shape"), datatype, form)
    size = _member(_member(tensor, "parameters", dict, {}), "binary_data_size", int, None)
    if size is None and not raw:
        return tensors.from_json(tensor.get("data"), datatype, shape)
    if size != len(raw):
        said = "no" if size is None else str(size)
        message = (
            f"{len(raw)} bytes of binary data follow the JSON, whose end the header "
            f"Inference-Header-Content-Length tells; the input has {said} binary_data_size."
        )
        raise Problem(422, "invalid_binary_data_size", message)
    if tensor.get("data") is not None:
        message = 'The input has "data" and a binary_data_size; send one of them.'
        raise Problem(422, "invalid_data", message)
    return tensors.from_bytes(raw, datatype, shape)


def _options(inputs, parameters: dict) -> dict[str, Any]:
    """Return the parameters that a forecast takes; it checks them itself."""
    names = ("horizon", "level") if isinstance(inputs, SeriesInputs) else ()
    return {name: parameters[name] for name in names if parameters.get(name) is not None}


def _outputs(sent: dict, names: tuple[str, ...], binary: bool) -> list[tuple[str, bool]]:
    """Return what is wanted; binary: unless an output says otherwise."""
    wanted = _member(sent, "outputs", list, [])
    if not wanted:
        return [(name, binary) for name in names]
    chosen = {}
    for output in wanted:
        name = output.get("name") if type(output) is dict else None
        if type(name) is not str or name not in names:
            message = f"There is no output {json_body.no_such(name, names)}"
            raise Problem(422, "unknown_output", message)
        if name in chosen:
            raise Problem(422, "repeated_output", f'The output "{name}" is asked for twice.')
        parameters = _member(output, "parameters", dict, {})
        chosen[name] = _member(parameters, "binary_data", bool, binary)
    return list(chosen.items())


def _member(holder: dict, name: str, kind: type, default):
    """Return a member of an object, which must be of one kind; raises Problem 422."""
    value = holder.get(name)
    if value is None:
        return default
    if type(value) is not kind:
        message = f'"{name}" must be {_KINDS[kind]}, not {shown(value)}.'
        raise Problem(422, "invalid_member", message)
    return value
