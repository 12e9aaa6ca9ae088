"""From a request and its answer to a row of the request log (`columns.py`), as a line of JSON.

Made for a few requests at a time, some microseconds each: a thread that did thousands of them at
once would hold the interpreter and with it every request for milliseconds. Nothing of what was
sent is kept but counts and sizes, unless that is asked for.
"""

import base64
import math

import numpy as np
import orjson
from starlette.requests import Request

from models.inputs.errors import InputError
from serving.http.errors import Problem, status_of
from serving.http.image_header import size
from serving.http.request_id import REQUEST_ID
from serving.inference.loaded_model import Model

MAX_ANSWERS = 256  # that are told of one request: a batch may be larger
MAX_INPUT_BYTES = 1 << 16  # of the column `input`

Things = list | np.ndarray
Outcome = list[dict] | Exception


def line(
    time_ns: int,
    seconds: float,
    request: Request,
    model: Model,
    task: str,
    things: Things,
    outcome: Outcome,
    whole: bool,
) -> bytes:
    """Return the row, with a line's end.

    time_ns: when it was answered, since 1970. seconds: from its head to its answer.
    things: what `Model.answers` was given.
    outcome: the answers, one for each, or what was raised instead.
    whole: whether to keep what was sent.
    """
    row = {
        "time": time_ns // 1000,
        "request_id": request.scope[REQUEST_ID],
        "route": request.scope["path"],
        "task": task,
        "model": model.name,
        "version": model.version,
        "fingerprint": model.manifest["fingerprint"],
        "latency_ms": round(seconds * 1000, 4),
        "inputs": len(things) if isinstance(things, list | np.ndarray) else None,
    }
    row |= SUMMARIES[model.inputs.kind](things, model)
    if isinstance(outcome, list):
        row["status"] = 200
        answers = outcome[:MAX_ANSWERS]
        row |= _forecast(answers) if model.inputs.kind == "series" else _classes(answers)
    else:
        row["status"], row["error"] = _error(outcome)
    if whole:
        row["input"] = _sent(things, model.inputs.kind)
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _pictures(things: Things, model: Model) -> dict:
    if isinstance(things, np.ndarray):
        height, width = things.shape[1:3] if things.ndim == 4 else (None, None)
        return {"width": width, "height": height, "bytes": things.nbytes}
    width, height = size(things[0])
    return {"width": width, "height": height, "bytes": sum(map(len, things))}


def _texts(things: Things, model: Model) -> dict:
    if isinstance(things, np.ndarray):
        return {}
    texts = [text for text in things if isinstance(text, str)]
    return {
        "characters": sum(map(len, texts)),
        "words": sum(text.count(" ") + 1 for text in texts),
    }


def _series(things: Things, model: Model) -> dict:
    """Summarise the values that the model read; what is no series of numbers has no statistics."""
    if isinstance(things, np.ndarray):
        return _statistics(things[:, -model.inputs.history :], things.shape[1])
    (history,) = things
    if not isinstance(history, list):
        return {}
    read = history[-model.inputs.history :]
    if not set(map(type, read)) <= {int, float}:  # `float` would take "5" and true as well
        return {"values": len(history)}
    try:
        read = list(map(float, read))
        mean = math.fsum(read) / len(read)
        return {
            "values": len(history),
            "mean": mean,
            # Not by numpy, whose calls cost more than the sums of so few values.
            "std": math.dist(read, [mean] * len(read)) / math.sqrt(len(read)),
            "min": min(read),
            "max": max(read),
            "last": read[-1],
        }
    except (OverflowError, ZeroDivisionError):
        return {"values": len(history)}


def _statistics(read: np.ndarray, values: int) -> dict:
    """Summarise several series (series, value) as one; values: how many each had."""
    numbers = {
        "mean": read.mean(),
        "std": read.std(),
        "min": read.min(),
        "max": read.max(),
        "last": read[-1, -1],
    }
    return {"values": values} | {name: float(number) for name, number in numbers.items()}


SUMMARIES = {"image": _pictures, "text": _texts, "series": _series}


def _classes(answers: list[dict]) -> dict:
    return {
        "label": [answer["label"] for answer in answers],
        "probability": [answer["probabilities"][answer["label"]] for answer in answers],
    } | _familiar(answers)


def _forecast(answers: list[dict]) -> dict:
    """Summarise the one forecast; of several only how familiar what they go on from was."""
    if len(answers) != 1:
        return _familiar(answers)
    (answer,) = answers
    forecast, steps = answer["forecast"], len(answer["forecast"])
    return {
        "horizon": steps,
        "level": answer["level"],
        "forecast_mean": sum(forecast) / steps,
        "forecast_last": forecast[-1],
        "interval_width": (sum(answer["upper"]) - sum(answer["lower"])) / steps,
    } | _familiar(answers)


def _familiar(answers: list[dict]) -> dict:
    if not answers or "familiar" not in answers[0]:
        return {}
    return {
        "familiar": [answer["familiar"] for answer in answers],
        "familiarity": [answer["familiarity"] for answer in answers],
    }


def _error(error: Exception) -> tuple[int, str]:
    """Return what the client is told: status and code."""
    if isinstance(error, Problem):
        return error.status, error.code
    if isinstance(error, InputError):
        return status_of(error), error.code
    return 500, "internal_error"


def _sent(things: Things, kind: str) -> str | None:
    if isinstance(things, np.ndarray):
        return None
    if kind == "image":
        if sum(map(len, things)) > MAX_INPUT_BYTES:
            return None
        things = [base64.b64encode(picture).decode("ascii") for picture in things]
    name = {"image": "image", "text": "text", "series": "history"}[kind]
    sent = orjson.dumps([{name: thing} for thing in things])
    return sent.decode() if len(sent) <= MAX_INPUT_BYTES else None
