"""The endpoints under /v1, and readiness."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.inputs.errors import InputError, shown
from serving.api.metadata import facts
from serving.http import bodies, image_header, json_body
from serving.http.errors import Problem
from serving.http.responses import json_response
from serving.inference import cost
from serving.inference.loaded_model import Model
from serving.inference.predict import predict

MAX_TEXTS = 256


async def image(request: Request) -> Response:
    """Answer which class a picture is."""
    picture = await bodies.read_picture(request)
    image_header.check(picture)
    model = request.app.state.champions.serving("image")
    seconds = model.seconds + cost.of_picture(picture)
    (answer,) = await predict(request, model, "image", [picture], seconds)
    return _respond(request, model, answer)


async def sentiment(request: Request) -> Response:
    """Answer how positive a text is, or each of several."""
    sent = json_body.parse(await bodies.read_json(request), "text", "texts")
    one = json_body.one_of(sent, "text", "texts") == "text"
    texts = [sent["text"]] if one else _texts(sent["texts"])
    model = request.app.state.champions.serving("sentiment")
    seconds = len(texts) * model.seconds + cost.of_texts(texts)
    answered = await predict(request, model, "sentiment", texts, seconds)
    return _respond(request, model, answered[0] if one else {"results": answered})


async def forecast(request: Request) -> Response:
    """Answer how a series goes on, and how sure that is."""
    sent = json_body.parse(await bodies.read_json(request), "history", "horizon", "level")
    json_body.one_of(sent, "history")
    model = request.app.state.champions.serving("forecast")
    options = {name: sent[name] for name in ("horizon", "level") if name in sent}
    things = [sent["history"]]
    (answer,) = await predict(request, model, "forecast", things, model.seconds, **options)
    return _respond(request, model, answer)


async def models(request: Request) -> Response:
    """List the models that serve, the tasks that wait for one, and what was refused."""
    slots = request.app.state.champions.slots.items()
    serving = [_described(task, slot.model) for task, slot in slots if slot.model]
    refused = [{"task": task, "reason": slot.refused} for task, slot in slots if slot.refused]
    missing = request.app.state.champions.missing().items()
    waiting = [{"task": task, "reason": reason} for task, reason in missing]
    told = {"models": serving, "missing": waiting, "refused": refused}
    return json_response(request, told)


async def ready(request: Request) -> Response:
    """Say 200 once every wanted task has a model; a refused newcomer changes nothing in that."""
    champions = request.app.state.champions
    if missing := champions.missing():
        why = "; ".join(f"{task}: {reason}" for task, reason in missing.items())
        raise Problem(503, "not_ready", f"A model is missing. {why}.")
    tasks = {task: slot.model.identity for task, slot in champions.slots.items()}
    return json_response(request, {"ready": True, "models": tasks})


def _texts(texts) -> list:
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_TEXTS:
        received = f"{len(texts)} of them" if isinstance(texts, list) else shown(texts)
        message = f"texts must be a list of 1 to {MAX_TEXTS} strings, not {received}."
        raise InputError("invalid_texts", message)
    return texts


def _respond(request: Request, model: Model, answer: dict) -> Response:
    return json_response(request, answer | {"model": model.identity})


def _described(task: str, model: Model) -> dict:
    known = {name: model.manifest[name] for name in ("arch", "dataset", "dataset_hash")}
    present = {"metrics": model.metrics, "served_since": model.since}
    return {"task": task} | model.identity | known | present | facts(model)


TASK_ROUTES = {
    "image": Route("/v1/image", image, methods=["POST"]),
    "sentiment": Route("/v1/sentiment", sentiment, methods=["POST"]),
    "forecast": Route("/v1/forecast", forecast, methods=["POST"]),
}
MODELS = Route("/v1/models", models, methods=["GET"])
READY = Route("/readyz", ready, methods=["GET"])
