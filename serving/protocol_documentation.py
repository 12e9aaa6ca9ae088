"""What /docs.json says of the routes under /v2; the examples are for the models that serve now."""

from serving.champions import Champions
from serving.documentation import ERRORS, STRING, TRUTH, as_json, as_object, operation
from serving.model import Model
from serving.signatures import signature

INTEGERS = {"type": "array", "items": {"type": "integer"}}
PARAMETERS = {"type": "object"}
FAILURE = as_object(error=STRING)
MISSING = {"404": "There is no such model, or another version of it serves."}
UNREADY = {"503": "No model serves this task yet."}
DATA = {"type": "array", "items": {}, "description": "Elements, flat or nested as the shape says."}

_TENSOR = as_object(
    ("parameters", "data"),
    name=STRING, shape=INTEGERS, datatype=STRING, parameters=PARAMETERS, data=DATA,
)  # fmt: skip
_WANTED = as_object(("parameters",), name=STRING, parameters=PARAMETERS)
_REQUEST = as_object(
    ("id", "parameters", "outputs"),
    id=STRING,
    parameters=PARAMETERS,
    inputs={"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": 1},
    outputs={"type": "array", "items": _WANTED},
)
_BYTES = {
    "type": "string",
    "format": "binary",
    "description": "The JSON, of whose length the header Inference-Header-Content-Length tells, "
    "and after it the tensors' bytes.",
}
_BINARY = {"application/octet-stream": {"schema": _BYTES}}
_ANSWER = as_object(
    ("id",), model_name=STRING, model_version=STRING, id=STRING, parameters=PARAMETERS,
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
    parameters=PARAMETERS,
)
_SERVER = as_object(name=STRING, version=STRING, extensions={"type": "array", "items": STRING})


def protocol_paths(champions: Champions) -> dict:
    """Return the paths under /v2."""
    paths = {
        "/v2": {"get": _get("What is this server?", _SERVER)},
        "/v2/health/live": {"get": _get("Does it run?", as_object(live=TRUTH))},
        "/v2/health/ready": {
            "get": _get("Can it answer?", as_object(ready=TRUTH, live=TRUTH), UNREADY)
        },
    }
    for task, slot in champions.slots.items():
        paths |= _model_paths(task, slot.model)
    return paths


def _model_paths(task: str, model: Model | None) -> dict:
    """Return the paths of one model, which may be named with its version or without."""
    errors, ready = UNREADY | MISSING, as_object(name=STRING, ready=TRUTH)
    base, paths = f"/v2/models/{task}", {}
    for place, more in ((base, {}), (base + "/versions/{version}", _version(model))):
        paths[place] = {"get": _get("What does it take and give?", _METADATA, errors) | more}
        paths[f"{place}/ready"] = {"get": _get("Does it serve?", ready, errors) | more}
        paths[f"{place}/infer"] = {"post": _infer(task, model) | more}
    return paths


def _version(model: Model | None) -> dict:
    example = {"example": model.version} if model else {}
    version = {"name": "version", "in": "path", "required": True, "schema": STRING}
    return {"parameters": [version | example]}


def _get(summary: str, answer: dict, errors: dict | None = None) -> dict:
    return operation(summary, None, answer, errors or {}, FAILURE)


def _infer(task: str, model: Model | None) -> dict:
    example = {"example": _example(model)} if model else {}
    content = as_json(_REQUEST, **example) | _BINARY
    described = operation(f"Ask {task}.", content, _ANSWER, ERRORS | MISSING, FAILURE)
    described["responses"]["200"]["content"] |= _BINARY
    return described


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
