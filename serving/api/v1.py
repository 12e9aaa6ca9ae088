"""The endpoints under /v1, and readiness.

POST /v1/{task}             the champion of the task's first dataset
POST /v1/{task}/{dataset}   that of the dataset
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Annotated, Any, cast

import orjson
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.inputs.series import SeriesInputs
from serving.api import metadata, times
from serving.champions.slots import Champions, Slot
from serving.http import bodies, image_header, json_body
from serving.http.canonical_path import PATH
from serving.http.errors import Problem
from serving.http.request_id import REQUEST_ID
from serving.inference import cost
from serving.inference.loaded_model import Model
from serving.inference.predict import predict
from serving.request_log.records import SERIES

Endpoint = Callable[[Request, str | None], Awaitable[Response]]

MAX_TEXTS = 256
_DATASET = re.compile(r"/v1/([^/]+)/([^/]+)")
_UNKNOWN = "-"  # stands for every dataset that does not exist


class SentimentBody(json_body.Body):
    """One text or several; the model's own preprocessing validates each of them."""

    text: Any = None
    texts: Annotated[list[Any], Field(default_factory=list, min_length=1, max_length=MAX_TEXTS)]


class ForecastBody(json_body.Body):
    """A series; the model's own preprocessing validates its values, and its ranges."""

    history: Any
    horizon: json_body.Whole | None = None
    level: float | None = None
    time: str | None = None
    series: Annotated[str, Field(min_length=1, max_length=128)] | None = None


async def image(request: Request, dataset: str | None = None) -> Response:
    """Classify one picture."""
    picture = await bodies.read_picture(request)
    image_header.check(picture)
    model = _serving(request, "image", dataset)
    seconds = model.seconds + cost.of_picture(picture)
    (answer,), model = await predict(request, model, "image", [picture], seconds)
    return _respond(request, answer, model)


async def sentiment(request: Request, dataset: str | None = None) -> Response:
    """Classify one text, or each of several."""
    body = json_body.parse(await bodies.read_json(request), SentimentBody)
    if len(body.model_fields_set) != 1:
        received = "both were sent" if body.model_fields_set else "neither was sent"
        code = "too_many_fields" if body.model_fields_set else "missing_field"
        raise Problem(422, code, f'Send either "text" or "texts"; {received}.')
    texts = body.texts or [body.text]
    model = _serving(request, "sentiment", dataset)
    seconds = len(texts) * model.seconds + cost.of_texts(texts)
    answers, model = await predict(request, model, "sentiment", texts, seconds)
    return _respond(request, {"results": answers} if body.texts else answers[0], model)


async def forecast(request: Request, dataset: str | None = None) -> Response:
    """Forecast the next values of a series, with an interval for each."""
    body = json_body.parse(await bodies.read_json(request), ForecastBody)
    model = _serving(request, "forecast", dataset)
    options = body.model_dump(include={"horizon", "level"}, exclude_none=True)
    histories = [body.history]
    steps = None if body.time is None else times.Steps(body.time, model.pointer.data)
    if body.series is not None:
        if steps is None:
            message = 'A "series" needs the "time" of its last value, by which it is graded later.'
            raise Problem(422, "missing_field", message)
        request.scope[SERIES] = steps.named(body.series)
    if steps:  # what cannot be answered is refused before it is forecast and logged
        most = cast(SeriesInputs, model.inputs).horizon
        steps.after(min(body.horizon or most, most))
    seconds = model.seconds * (1 + cost.of_pasts(model.inputs, histories))
    (answer,), model = await predict(request, model, "forecast", histories, seconds, **options)
    if steps:
        answer = answer | {"times": steps.after(len(answer["forecast"]))}
    return _respond(request, answer, model)


async def of_dataset(endpoint: Endpoint, request: Request) -> Response:
    """Have an endpoint answer by the model of the dataset that the path names."""
    return await endpoint(request, request.path_params["dataset"])


async def unknown_dataset(request: Request) -> Response:
    """Answer 404 for a dataset that does not exist."""
    match = _DATASET.fullmatch(request.scope[PATH].removesuffix("/"))
    assert match, "the route is of this form"
    request.app.state.champions.serving_dataset(*match.groups())
    raise HTTPException(404)  # its first champion came since the path was looked up


async def models(request: Request) -> Response:
    """List the models that serve, the datasets without one, and the versions that were refused."""
    champions = request.app.state.champions
    slots = champions.listed().values()
    content = {
        "models": [metadata.describe(slot.task, slot.model) for slot in slots if slot.model],
        "missing": _missing(champions),
        "refused": [_of(slot) | {"reason": slot.refused} for slot in slots if slot.refused],
        "on_trial": [
            _of(slot) | metadata.trial(one)
            for slot in slots
            if slot.model and (one := champions.challenger(slot.model))
        ],
    }
    return _respond(request, content)


async def examples(request: Request) -> Response:
    """List requests that show what each model is for: rows of its data's test split."""
    models = [slot.model for slot in request.app.state.champions.listed().values() if slot.model]
    content = [
        {"task": model.manifest["task"], "dataset": model.manifest["dataset"]}
        | {"requests": model.examples}
        for model in models
    ]
    return _respond(request, {"examples": content})


async def ready(request: Request) -> Response:
    """Answer 200 once what must serve does; a refused new version does not change that."""
    champions = request.app.state.champions
    champions.require_ready()
    slots = champions.listed().items()
    identities = {name: slot.model.identity for name, slot in slots if slot.model}
    content = {"ready": True, "models": identities, "missing": _missing(champions)}
    return _respond(request, content)


def canonical(champions: Champions, path: str) -> str | None:
    """Return the route's path for a `path` that names a dataset of a task."""
    match = _DATASET.fullmatch(path)
    if match is None or match[1] not in champions.tasks:
        return None
    task, dataset = match.groups()
    return path if champions.find(f"{task}-{dataset}") else f"/v1/{task}/{_UNKNOWN}"


def dataset_routes(tasks: Iterable[str]) -> list[Route]:
    """Return the routes of the tasks' datasets."""
    routes = []
    for task in tasks:
        routes += [
            Route(f"/v1/{task}/{_UNKNOWN}", unknown_dataset, methods=["POST"]),
            Route(
                f"/v1/{task}/{{dataset}}", partial(of_dataset, ENDPOINTS[task]), methods=["POST"]
            ),
        ]
    return routes


def _serving(request: Request, task: str, dataset: str | None) -> Model:
    """Return the model of a dataset, or of the task's first; raises Problem 404 or 503."""
    champions = request.app.state.champions
    return champions.serving(task) if dataset is None else champions.serving_dataset(task, dataset)


def _missing(champions: Champions) -> list[dict[str, str]]:
    slots = champions.listed()
    return [_of(slots[name]) | {"reason": reason} for name, reason in champions.missing().items()]


def _of(slot: Slot) -> dict[str, str]:
    """Return the task and, where it is known, the dataset of a slot."""
    return {"task": slot.task} | ({"dataset": slot.dataset} if slot.dataset else {})


def _respond(request: Request, content: dict[str, Any], model: Model | None = None) -> Response:
    """Return `content` as JSON, with the model that it comes from and the id of the request."""
    named = {"model": model.identity} if model else {}
    content = content | named | {"request_id": request.scope[REQUEST_ID]}  # the log has another
    return Response(orjson.dumps(content), media_type="application/json")


ENDPOINTS = {"image": image, "sentiment": sentiment, "forecast": forecast}
TASK_ROUTES = {task: Route(f"/v1/{task}", one, methods=["POST"]) for task, one in ENDPOINTS.items()}
MODELS = Route("/v1/models", models, methods=["GET"])
EXAMPLES = Route("/v1/examples", examples, methods=["GET"])
READY = Route("/readyz", ready, methods=["GET"])
