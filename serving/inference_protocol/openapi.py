"""What /docs.json says of the routes under /v2; the examples are for the models that serve now."""

from serving.api.openapi import (
    ERRORS,
    FILE,
    ID,
    MODEL,
    NUMBER,
    OPTIONS,
    OR_NULL,
    PROTOCOL_FAILURE,
    STRING,
    TRUTH,
    WITH_RETRY,
    as_json,
    as_object,
    operation,
)
from serving.champions.slots import Champions
from serving.inference.loaded_model import Model
from serving.inference_protocol.signatures import signature

INTEGERS = {"type": "array", "items": {"type": "integer"}}
MISSING = {"404": "Another version of the model serves."}
UNREADY = {"503": "No model serves this task yet."}
NOT_ALL = {"503": "A task has no model; the message says which, and why."}
DATA = {"type": "array", "items": {}, "description": "Elements, flat or nested as the shape says."}

_NAMED = {"name": STRING, "shape": INTEGERS, "datatype": STRING}
_SIZE = as_object(binary_data_size={"type": "integer", "minimum": 0})
_TENSOR = as_object(("parameters", "data"), **_NAMED, parameters=_SIZE, data=DATA)
_OWN_SIZE = as_object(("binary_data_size",), binary_data_size={"type": "integer"} | OR_NULL)
_SENT = as_object(
    ("parameters", "data"), **_NAMED, parameters=_OWN_SIZE | OR_NULL, data=DATA | OR_NULL
)
_BINARY_OR_NOT = as_object(("binary_data",), binary_data=TRUTH | OR_NULL)
_WANTED = as_object(("parameters",), name=STRING, parameters=_BINARY_OR_NOT | OR_NULL)
_LENGTH = {
    "schema": {"type": "integer", "minimum": 0},
    "description": "How many bytes the JSON has, where bytes of tensors follow it.",
}
_LENGTH_SENT = {"name": "Inference-Header-Content-Length", "in": "header"} | _LENGTH
_LENGTH_TOLD = {"Inference-Header-Content-Length": _LENGTH}
_BYTES = FILE | {
    "description": "The JSON, of whose length the header Inference-Header-Content-Length tells, "
    "and after it the bytes of the tensors that have a binary_data_size, in their order. Without "
    "that header it is all JSON.",
}
_BINARY = {"application/octet-stream": {"schema": _BYTES}}
_IDENTITY = as_object(
    ("level",), name=STRING, version=STRING, fingerprint=STRING,
    level=NUMBER | {"description": "Of a forecast's interval."},
)  # fmt: skip
_ANSWER = as_object(
    ("id",), model_name=STRING, model_version=STRING, id=STRING, parameters=_IDENTITY,
    outputs={"type": "array", "items": _TENSOR},
)  # fmt: skip
_DESCRIBED = {"name": STRING, "datatype": STRING, "shape": INTEGERS}
_TAKEN = as_object(**_DESCRIBED, description=STRING)
_GIVEN = as_object(("labels",), **_DESCRIBED, labels={"type": "array", "items": STRING})
_METADATA = as_object(
    name=STRING,
    versions={"type": "array", "items": STRING},
    platform=STRING,
    inputs={"type": "array", "items": _TAKEN},
    outputs={"type": "array", "items": _GIVEN},
    parameters=MODEL,
)
_SERVER = as_object(name=STRING, version=STRING, extensions={"type": "array", "items": STRING})


def protocol_paths(champions: Champions) -> dict:
    """Return the paths under /v2."""
    paths = {
        "/v2": {"get": _get("What is this server?", _SERVER)},
        "/v2/health/live": {"get": _get("Does it run?", as_object(live=TRUTH))},
        "/v2/health/ready": {
            "get": _get("Can it answer?", as_object(ready=TRUTH, live=TRUTH), NOT_ALL, ())
        },
    }
    for task, slot in champions.slots.items():
        paths |= _model_paths(task, slot.model)
    return paths


def _model_paths(task: str, model: Model | None) -> dict:
    """Return the paths of one model, which may be named with its version or without."""
    ready = as_object(name=STRING, ready=TRUTH)
    base, paths = f"/v2/models/{task}", {}
    for place, named, missing in (
        (base, [], {}),
        (base + "/versions/{version}", [_version(model)], MISSING),
    ):
        errors = UNREADY | missing
        for end, method, described in (
            ("", "get", _get("What does it take and give?", _METADATA, errors)),
            ("/ready", "get", _get("Does it serve?", ready, errors)),
            ("/infer", "post", _infer(task, model, ERRORS | missing)),
        ):
            described["parameters"] += named
            paths[place + end] = {method: described}
    return paths


def _version(model: Model | None) -> dict:
    example = {"example": model.version} if model else {}
    return {"name": "version", "in": "path", "required": True, "schema": STRING} | example


def _get(
    summary: str, answer: dict, errors: dict | None = None, retry: tuple[str, ...] = WITH_RETRY
) -> dict:
    return operation(summary, None, as_json(answer), errors or {}, PROTOCOL_FAILURE, retry)


def _infer(task: str, model: Model | None, errors: dict) -> dict:
    example = {"example": _example(model)} if model else {}
    body, answer = as_json(_request(task), **example) | _BINARY, as_json(_ANSWER) | _BINARY
    described = operation(f"Ask {task}.", body, answer, errors, PROTOCOL_FAILURE)
    described["parameters"].append(_LENGTH_SENT)
    described["responses"]["200"]["headers"] = ID | _LENGTH_TOLD
    return described


def _request(task: str) -> dict:
    """Return the schema of a request; a member that is null counts as not sent."""
    options = {"binary_data_output": TRUTH | OR_NULL} | (OPTIONS if task == "forecast" else {})
    return as_object(
        ("id", "parameters", "outputs"),
        id=STRING | OR_NULL,
        parameters=as_object(tuple(options), **options) | OR_NULL,
        inputs={"type": "array", "items": _SENT, "minItems": 1, "maxItems": 1},
        outputs={"type": "array", "items": _WANTED} | OR_NULL,
    )


def _example(model: Model) -> dict:
    """Return a request that `model` answers."""
    known, inputs = signature(model), model.inputs
    datatype, form = next(iter(known.forms.items()))
    if inputs.kind == "image":
        size = inputs.height * inputs.width * inputs.channels
        shape, data = [1, *form.shape[1:]], [pixel * 255 // size for pixel in range(size)]
    elif inputs.kind == "text":
        shape, data = [2], ["A quiet film, and a great one.", "Two hours that never end."]
    else:
        shape, data = [1, inputs.history], [round(inputs.mean, 3)] * inputs.history
    tensor = {"name": known.name, "shape": shape, "datatype": datatype, "data": data}
    return {"inputs": [tensor], "outputs": [{"name": known.outputs[0]}]}
