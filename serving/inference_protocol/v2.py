"""The Open Inference Protocol v2, so that its clients work unchanged.

    GET  /v2   /v2/health/live   /v2/health/ready
    GET  /v2/models/{name}[/versions/{version}][/ready]
    POST /v2/models/{name}[/versions/{version}]/infer

The name of a model is its task, a task and a dataset (image-fashion), or the name that its champion
is registered under. Only the version that serves is there. Tensor data may be JSON or raw bytes.
"""

import re
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.inputs.errors import shown
from models.inputs.series import SeriesInputs
from serving.champions.served import task_of
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
    seconds,
    signature,
)

SECONDS_A_BYTE = 1e-8  # about how long reading a body takes
UNKNOWN = "/v2/models/-"  # stands for every model that does not exist
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?/?")


def protocol_routes(tasks: tuple[str, ...]) -> list[Route]:
    """Return the routes under /v2; the names of the tasks, which are asked most, come first."""
    endpoints = (("/infer", infer, "POST"), ("/ready", model_ready, "GET"), ("", metadata, "GET"))
    models = [
        Route(f"/v2/models/{task}{end}", partial(endpoint, slot=task), methods=[method])
        for end, endpoint, method in endpoints
        for task in tasks
    ]
    others = [
        Route(f"/v2/models/{{slot}}{end}", endpoint, methods=[method])
        for end, endpoint, method in endpoints
    ]
    return [
        *models,
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route(UNKNOWN, unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        *others,
    ]


def canonical(champions: Champions, path: str) -> str | None:
    """Return the route's path for a `path` that names a model by version or another name."""
    match = _MODEL.fullmatch(path)
    if match is None:
        return None
    slot = champions.find(match[1]) or _awaited(champions, match[1])
    return f"/v2/models/{slot}{match[3] or ''}" if slot else UNKNOWN


def _awaited(champions: Champions, name: str) -> str | None:
    """Return the task whose first champion may have a registered name: it has the task's form."""
    tasks = [task for task in champions.tasks if champions.slots[task].dataset is None]
    return next((task for task in tasks if name.startswith(f"espalier-{task}-")), None)


async def server(request: Request) -> Response:
    """Name this server and its extensions."""
    return _json({"name": "espalier", "version": "1", "extensions": ["binary_tensor_data"]})


async def live(request: Request) -> Response:
    """Answer that the process runs."""
    return _json({"live": True})


async def ready(request: Request) -> Response:
    """Answer 200 once what must serve does, as /readyz."""
    request.app.state.champions.require_ready()
    return _json({"ready": True, "live": True})


async def unknown(request: Request) -> Response:
    """Answer 404 for a model that does not exist."""
    raise _no_model(request, _named(request)[0])


async def model_ready(request: Request, slot: str | None = None) -> Response:
    """Answer 200 once a model serves, in the version that the path names."""
    name, _ = _serving(request, slot)
    return _json({"name": name, "ready": True})


async def metadata(request: Request, slot: str | None = None) -> Response:
    """Describe a model's input and outputs."""
    name, model = _serving(request, slot)
    described = signature(model)
    datatype, form = next(iter(described.forms.items()))
    tensor = {"name": described.name, "datatype": datatype, "shape": form.shape}
    content = {
        "name": name,
        "versions": [model.pointer.version],
        "platform": "onnxruntime_onnx",
        "inputs": [tensor | {"description": described.description}],
        "outputs": [_output(model, output) for output in described.outputs],
        "parameters": model.identity,
    }
    return _json(content)


async def infer(request: Request, slot: str | None = None) -> Response:
    """Answer the raw inputs of one request."""
    task = task_of(slot or request.path_params["slot"])
    limit = bodies.MAX_PICTURE_BYTES if task == "image" else bodies.MAX_JSON_BYTES
    body, header_length = await bodies.read_tensors(request, limit)
    name, model = _serving(request, slot)
    read = partial(inference_request.read, body, header_length, model)
    inference = await request.app.state.executor.run(len(body) * SECONDS_A_BYTE, read)
    estimate = seconds(model, inference.inputs)
    match = _MODEL.fullmatch(request.scope[PATH])
    answers, model = await predict(
        request,
        model,
        task,
        inference.inputs,
        estimate,
        pinned=bool(match and match[2]),
        **inference.options,
    )
    return _respond(name, model, inference, answers)


def _serving(request: Request, slot: str | None) -> tuple[str, Model]:
    """Return the model of a slot, and the name that the path has for it.

    Args:
        request: The request.
        slot: The slot's name; None where the path holds it.

    Raises Problem: 404 unknown_model, unknown_version; 503 no_model.
    """
    champions, slot = request.app.state.champions, slot or request.path_params["slot"]
    model = champions.serving(slot)
    if request.scope[PATH] == request.scope["path"]:
        return slot, model
    name, version = _named(request)
    if champions.find(name) != slot:  # a new champion since the path was looked up
        raise _no_model(request, name)
    if version not in (None, model.pointer.version):
        message = (
            f"{name} has no version {shown(version)} here; version {model.pointer.version} serves."
        )
        raise Problem(404, "unknown_version", message)
    return name, model


def _named(request: Request) -> tuple[str, str | None]:
    """Return the model and the version that a path under /v2/models names."""
    match = _MODEL.fullmatch(request.scope[PATH])
    assert match, "the routes are of this form"
    return match[1], match[2]


def _no_model(request: Request, name: str) -> Problem:
    there = ", ".join(request.app.state.champions.listed())
    return Problem(404, "unknown_model", f"There is no model {shown(name)}; there is {there}.")


def _output(model: Model, name: str) -> dict[str, Any]:
    """Describe one output; the columns of probabilities are the labels, in their order."""
    datatype = DATATYPES[name]
    if name == "probabilities":
        assert not isinstance(model.inputs, SeriesInputs)
        labels = model.inputs.labels
        return {"name": name, "datatype": datatype, "shape": [-1, len(labels)], "labels": labels}
    shape = [-1, -1] if name in ("forecast", "lower", "upper") else [-1]
    return {"name": name, "datatype": datatype, "shape": shape}


def _respond(
    name: str, model: Model, inference: Inference, answers: list[dict[str, Any]]
) -> Response:
    content: dict[str, Any] = {"model_name": name, "model_version": model.pointer.version}
    if inference.id is not None:
        content["id"] = inference.id
    level = {"level": answers[0]["level"]} if "level" in answers[0] else {}
    content |= {"parameters": model.identity | level, "outputs": []}
    parts: list[bytes] = []
    for output, binary in inference.outputs.items():
        shape, values = column(answers, output)
        tensor: dict[str, Any] = {"name": output, "datatype": DATATYPES[output], "shape": shape}
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


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type=bodies.JSON_TYPE)
