"""The Open Inference Protocol v2, so that its clients work unchanged.

    GET  /v2   /v2/health/live   /v2/health/ready
    GET  /v2/models/{name}[/versions/{version}][/ready]
    POST /v2/models/{name}[/versions/{version}]/infer

A model goes by its task's name or by the one that its champion is registered under; the version
that serves is the only one that is found. Tensor data may be JSON or raw bytes.
"""

import re
from collections.abc import Callable
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.inputs.errors import shown
from serving.api.v1 import ready as all_ready
from serving.champions.slots import Champions
from serving.http import bodies
from serving.http.canonical_path import PATH
from serving.http.errors import Problem
from serving.inference.loaded_model import Model
from serving.inference.predict import predict
from serving.inference_protocol import inference_request, tensors
from serving.inference_protocol.inference_request import Inference
from serving.inference_protocol.signatures import (
    DATATYPES,
    column,
    description,
    seconds,
    signature,
)

SECONDS_A_BYTE = 1e-8  # about how long reading a body takes
UNKNOWN = "/v2/models/-"  # stands for every model that does not exist
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")


def protocol_routes(tasks: tuple[str, ...]) -> list[Route]:
    """Return the routes under /v2: those of each task, and what is said of the server."""
    models = [
        Route(f"/v2/models/{task}{end}", partial(endpoint, task=task), methods=[method])
        for end, endpoint, method in (
            ("/infer", infer, "POST"), ("/ready", model_ready, "GET"), ("", metadata, "GET")
        )
        for task in tasks
    ]  # fmt: skip
    return [
        *models,
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route(UNKNOWN, unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]


def inference_endpoints(tasks: tuple[str, ...]) -> dict[str, Callable]:
    """Return what answers the inference requests of each task, by its path."""
    return {f"/v2/models/{task}/infer": partial(infer, task=task) for task in tasks}


def canonical(champions: Champions, path: str) -> str | None:
    """Return the path by its task's name alone of a model that `path` names otherwise."""
    asked = _MODEL.fullmatch(path)
    if asked is None:
        return None
    for task, slot in champions.slots.items():
        if asked[1] == task or (slot.model and asked[1] == slot.model.name):
            return f"/v2/models/{task}{asked[3] or ''}"
    return UNKNOWN


async def server(request: Request) -> Response:
    """Say what this server is."""
    return _json({"name": "espalier", "version": "1", "extensions": ["binary_tensor_data"]})


async def live(request: Request) -> Response:
    return _json({"live": True})


async def ready(request: Request) -> Response:
    """Say 200 once every wanted task has a model, as /readyz does."""
    await all_ready(request)
    return _json({"ready": True, "live": True})


async def unknown(request: Request) -> Response:
    raise _no_model(request, _MODEL.fullmatch(request.scope[PATH])[1])


async def model_ready(request: Request, task: str) -> Response:
    """Say 200 once a model, and the version asked for, serves."""
    name, _ = _asked(request, task)
    return _json({"name": name, "ready": True})


async def metadata(request: Request, task: str) -> Response:
    """Describe a model's input and outputs."""
    name, model = _asked(request, task)
    known = signature(model)
    datatype, form = next(iter(known.forms.items()))
    taken = {"name": known.name, "datatype": datatype, "shape": form.shape}
    described = {
        "name": name,
        "versions": [model.version],
        "platform": "onnxruntime_onnx",
        "inputs": [taken | {"description": description(model.inputs)}],
        "outputs": [_output(model, output) for output in known.outputs],
        "parameters": model.identity,
    }
    return _json(described)


async def infer(request: Request, task: str) -> Response:
    """Answer the raw inputs of one request."""
    limit = bodies.MAX_PICTURE_BYTES if task == "image" else bodies.MAX_JSON_BYTES
    body, header_length = await bodies.read_tensors(request, limit)
    name, model = _asked(request, task)
    executor = request.app.state.executor
    read = partial(inference_request.read, body, header_length, model)
    asked = await executor.run(len(body) * SECONDS_A_BYTE, read)
    needed = seconds(model, asked.things)
    answered = await predict(request, model, task, asked.things, needed, **asked.options)
    return _respond(name, model, asked, answered)


def _asked(request: Request, task: str) -> tuple[str, Model]:
    """Return the model of a task and by which name it was asked for.

    Raises Problem: 404 unknown_model, unknown_version; 503 no_model.
    """
    model = request.app.state.champions.serving(task)
    if request.scope[PATH] == request.scope["path"]:
        return task, model
    name, version, _ = _MODEL.fullmatch(request.scope[PATH]).groups()
    if name not in (task, model.name):  # there may be a new champion since the door was passed
        raise _no_model(request, name)
    if version not in (None, model.version):
        message = f"{name} has no version {shown(version)} here; version {model.version} serves."
        raise Problem(404, "unknown_version", message)
    return name, model


def _no_model(request: Request, name: str) -> Problem:
    tasks = ", ".join(request.app.state.champions.slots)
    return Problem(404, "unknown_model", f"There is no model {shown(name)}; there is {tasks}.")


def _output(model: Model, name: str) -> dict:
    """Describe one output; the columns of probabilities are the labels, in their order."""
    datatype = DATATYPES[name]
    if name == "probabilities":
        labels = model.inputs.labels
        return {"name": name, "datatype": datatype, "shape": [-1, len(labels)], "labels": labels}
    shape = [-1, -1] if name in ("forecast", "lower", "upper") else [-1]
    return {"name": name, "datatype": datatype, "shape": shape}


def _respond(name: str, model: Model, asked: Inference, answers: list[dict]) -> Response:
    content = {"model_name": name, "model_version": model.version}
    if asked.id is not None:
        content["id"] = asked.id
    content["parameters"] = model.identity
    if "level" in answers[0]:
        content["parameters"]["level"] = answers[0]["level"]
    content["outputs"], parts = [], []
    for output, binary in asked.outputs:
        shape, values = column(answers, output)
        tensor = {"name": output, "datatype": DATATYPES[output], "shape": shape}
        if binary:
            parts.append(tensors.to_bytes(values, DATATYPES[output]))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = values
        content["outputs"].append(tensor)
    if not parts:
        return _json(content)
    text = orjson.dumps(content)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Response(b"".join([text, *parts]), 200, headers, bodies.BINARY_TYPE)


def _json(content: dict) -> Response:
    return Response(orjson.dumps(content), media_type=bodies.JSON_TYPE)
