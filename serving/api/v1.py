"""The endpoints under /v1, and readiness."""

from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api import metadata
from serving.champions.slots import Champions
from serving.http import bodies, image_header, json_body
from serving.http.errors import Problem
from serving.http.request_id import REQUEST_ID
from serving.inference import cost
from serving.inference.loaded_model import Model, predict

MAX_TEXTS = 256


class SentimentBody(json_body.Body):
    """One text or several; the model's own preprocessing validates each of them."""

    text: Any = None
    texts: Annotated[list[Any], Field(default_factory=list, min_length=1, max_length=MAX_TEXTS)]


class ForecastBody(json_body.Body):
    """A series; the model's own preprocessing validates its values, and its ranges."""

    history: Any
    horizon: json_body.Whole | None = None
    level: float | None = None


async def image(request: Request) -> Response:
    """Classify one picture."""
    picture = await bodies.read_picture(request)
    image_header.check(picture)
    model = request.app.state.champions.serving("image")
    seconds = model.seconds + cost.of_picture(picture)
    (answer,) = await predict(request, model, "image", [picture], seconds)
    return _respond(request, answer, model)


async def sentiment(request: Request) -> Response:
    """Classify one text, or each of several."""
    body = json_body.parse(await bodies.read_json(request), SentimentBody)
    if len(body.model_fields_set) != 1:
        received = "both were sent" if body.model_fields_set else "neither was sent"
        code = "too_many_fields" if body.model_fields_set else "missing_field"
        raise Problem(422, code, f'Send either "text" or "texts"; {received}.')
    texts = body.texts or [body.text]
    model = request.app.state.champions.serving("sentiment")
    seconds = len(texts) * model.seconds + cost.of_texts(texts)
    answers = await predict(request, model, "sentiment", texts, seconds)
    return _respond(request, {"results": answers} if body.texts else answers[0], model)


async def forecast(request: Request) -> Response:
    """Forecast the next values of a series, with an interval for each."""
    body = json_body.parse(await bodies.read_json(request), ForecastBody)
    model = request.app.state.champions.serving("forecast")
    options = body.model_dump(include={"horizon", "level"}, exclude_none=True)
    histories = [body.history]
    (answer,) = await predict(request, model, "forecast", histories, model.seconds, **options)
    return _respond(request, answer, model)


async def models(request: Request) -> Response:
    """List the models that serve, the tasks without one, and the versions that were refused."""
    champions = request.app.state.champions
    slots = champions.slots.items()
    content = {
        "models": [metadata.describe(task, slot.model) for task, slot in slots if slot.model],
        "missing": _missing(champions),
        "refused": [{"task": task, "reason": slot.refused} for task, slot in slots if slot.refused],
    }
    return _respond(request, content)


async def ready(request: Request) -> Response:
    """Answer 200 once what must serve does; a refused new version does not change that."""
    champions = request.app.state.champions
    champions.require_ready()
    slots = champions.slots.items()
    identities = {task: slot.model.identity for task, slot in slots if slot.model}
    content = {"ready": True, "models": identities, "missing": _missing(champions)}
    return _respond(request, content)


def _missing(champions: Champions) -> list[dict[str, str]]:
    return [{"task": task, "reason": reason} for task, reason in champions.missing().items()]


def _respond(request: Request, content: dict[str, Any], model: Model | None = None) -> Response:
    """Return `content` as JSON, with the model that it comes from and the id of the request."""
    named = {"model": model.identity} if model else {}
    content = content | named | {"request_id": request.scope[REQUEST_ID]}  # the log has another
    return Response(orjson.dumps(content), media_type="application/json")


TASK_ROUTES = {
    "image": Route("/v1/image", image, methods=["POST"]),
    "sentiment": Route("/v1/sentiment", sentiment, methods=["POST"]),
    "forecast": Route("/v1/forecast", forecast, methods=["POST"]),
}
MODELS = Route("/v1/models", models, methods=["GET"])
READY = Route("/readyz", ready, methods=["GET"])
