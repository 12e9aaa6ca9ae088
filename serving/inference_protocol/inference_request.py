"""From the body of an inference request to raw inputs, options and requested outputs.

Members that an extension may have added are ignored. A member that is null counts as not sent:
many clients send all members there are.
"""

import re
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from models.inputs.errors import shown
from serving.http import json_body
from serving.http.bodies import MAX_JSON_BYTES
from serving.http.errors import Problem
from serving.inference.loaded_model import Model
from serving.inference_protocol import tensors
from serving.inference_protocol.signatures import Form, Signature, check_shape, signature

MAX_OUTPUTS = 64
_COUNT = re.compile(r"[0-9]{1,12}")


class Member(BaseModel):
    """An object of the protocol: no value is converted, members of extensions are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class RequestParameters(Member):
    binary_data_output: bool | None = None
    # Of a forecast, whose model validates them; others ignore them.
    horizon: Annotated[Any, BeforeValidator(json_body.without_fraction)] = None
    level: Any = None


class InputParameters(Member):
    binary_data_size: int | None = None


class OutputParameters(Member):
    binary_data: bool | None = None


class InputTensor(Member):
    """The one input."""

    name: str
    datatype: str
    shape: Annotated[list[Annotated[json_body.Whole, Field(gt=0)]], Field(max_length=8)]
    data: Any = None
    parameters: InputParameters | None = None


class RequestedOutput(Member):
    name: str
    parameters: OutputParameters | None = None


class InferenceBody(Member):
    """The JSON of an inference request."""

    id: str | None = None
    parameters: RequestParameters | None = None
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=MAX_OUTPUTS)] | None = None


class Inference(NamedTuple):
    """A request to a model."""

    id: str | None
    inputs: np.ndarray | list[Any]  # raw, as `Model.predict` takes them
    options: dict[str, Any]  # of a forecast
    outputs: dict[str, bool]  # requested output → whether as raw bytes


def read(body: bytearray, header_length: str | None, model: Model) -> Inference:
    """Return the request to `model` that `body` holds.

    Args:
        body: JSON, and the raw bytes of the input where it has a binary_data_size.
        header_length: how many bytes of the body are JSON, where raw bytes follow.
        model: the model that will answer.

    Raises:
        Problem: 400, 413 or 422.
        InputError: an element of the input is not what the model takes.
    """
    text, raw = _split(body, header_length)
    content = json_body.parse(text, InferenceBody, json_body.TENSORS)
    parameters = content.parameters or RequestParameters()
    described = signature(model)
    options = {}
    if model.inputs.kind == "series":
        options = parameters.model_dump(include={"horizon", "level"}, exclude_none=True)
    return Inference(
        content.id,
        _inputs(content.inputs[0], raw, described, model),
        options,
        _outputs(content.outputs, described.outputs, bool(parameters.binary_data_output)),
    )


def _split(body: bytearray, header_length: str | None) -> tuple[bytearray, memoryview]:
    """Return the JSON, and the raw bytes that follow it."""
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


def _inputs(
    tensor: InputTensor, raw: memoryview, described: Signature, model: Model
) -> np.ndarray | list[Any]:
    if tensor.name != described.name:
        message = f'The input is called "{described.name}", not {shown(tensor.name)}.'
        raise Problem(422, "unknown_input", message)
    if tensor.datatype not in described.forms:
        forms = " or ".join(described.forms)
        message = f"The datatype must be {forms}, not {shown(tensor.datatype)}."
        raise Problem(422, "invalid_datatype", message)
    form = described.forms[tensor.datatype]
    return form.read(model.inputs, _values(tensor, raw, form))


def _values(tensor: InputTensor, raw: memoryview, form: Form) -> np.ndarray | list[Any]:
    shape = check_shape(tensor.shape, tensor.datatype, form)
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if size is None and not raw:
        return tensors.from_json(tensor.data, tensor.datatype, shape)
    if size != len(raw):
        message = (
            f"{len(raw)} bytes of binary data follow the JSON, which ends where the header "
            f"Inference-Header-Content-Length says; binary_data_size is {shown(size)}."
        )
        raise Problem(422, "invalid_binary_data_size", message)
    if tensor.data is not None:
        message = 'The input has "data" and a binary_data_size; send one of them.'
        raise Problem(422, "invalid_data", message)
    return tensors.from_bytes(raw, tensor.datatype, shape)


def _outputs(
    requested: list[RequestedOutput] | None, names: tuple[str, ...], binary: bool
) -> dict[str, bool]:
    """Return the requested outputs, all of them by default; of one named twice the last counts.

    Args:
        requested: the outputs that the request names.
        names: the outputs that the model has.
        binary: whether an output is raw bytes unless it says otherwise.
    """
    chosen: dict[str, bool] = {}
    for output in requested or ():
        if output.name not in names:
            message = f"There is no output {json_body.no_such(output.name, names)}"
            raise Problem(422, "unknown_output", message)
        own = output.parameters.binary_data if output.parameters else None
        chosen[output.name] = binary if own is None else own
    return chosen or dict.fromkeys(names, binary)
