"""From a request and its answer to a record of the request log (`schema.py`), as a line of JSON.

Nothing of what was sent is kept but counts, sizes and statistics, unless the inputs are wanted.
"""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson

from models.inputs.errors import InputError
from serving.http.errors import Problem, status_of
from serving.http.image_header import size
from serving.inference.loaded_model import Model
from serving.request_log.schema import Answer

MAX_ANSWERS = 256  # of one request that are kept: a batch may be larger
MAX_INPUT_BYTES = 1 << 16  # of the field `input`

Inputs = list | np.ndarray
Outcome = list[dict] | Exception
Fields = dict[str, Any]


def to_line(
    time_ns: int,
    latency_ms: float,
    request_id: str,
    route: str,
    task: str,
    inputs: Inputs,
    model: Model,
    outcome: Outcome,
    signals: Mapping[str, float] | None,
    challenger: tuple[Model, Outcome] | None,
    keep_inputs: bool,
) -> bytes:
    """Return the record of a request, with the end of the line.

    Args:
        time_ns: When it was answered, in nanoseconds since 1970.
        latency_ms: From its head to its answer.
        request_id: Its id.
        route: Its path.
        keep_inputs: Whether the record holds the inputs.

    The others are those of `RequestLog.record`.
    """
    kind = model.inputs.kind
    record: Fields = {
        "time": time_ns // 1000,
        "request_id": request_id,
        "route": route,
        "task": task,
        "latency_ms": round(latency_ms, 4),
        "inputs": len(inputs) if isinstance(inputs, list | np.ndarray) else None,
    }
    record |= SUMMARIES[kind](inputs, model) | _answer(model, outcome)
    if keep_inputs:
        record["input"] = _raw(inputs, kind)
    if signals:
        record["signals"] = signals
    if challenger:
        record["challenger"] = _answer(*challenger)
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _images(images: Inputs, model: Model) -> Fields:
    if isinstance(images, np.ndarray):
        height, width = images.shape[1:3] if images.ndim == 4 else (None, None)
        return {"width": width, "height": height, "bytes": images.nbytes}
    width, height = size(images[0])
    return {"width": width, "height": height, "bytes": sum(map(len, images))}


def _texts(texts: Inputs, model: Model) -> Fields:
    if isinstance(texts, np.ndarray):
        return {}
    texts = [text for text in texts if isinstance(text, str)]
    words = sum(text.count(" ") + 1 for text in texts)
    return {"characters": sum(map(len, texts)), "words": words}


def _series(series: Inputs, model: Model) -> Fields:
    """Summarise the values that the model read; what is no series of numbers has no statistics."""
    if isinstance(series, np.ndarray):
        values, read = series.shape[1], series[:, -model.inputs.history :].ravel().tolist()
    elif isinstance(series[0], list):
        values, read = len(series[0]), series[0][-model.inputs.history :]
    else:
        return {}
    if not set(map(type, read)) <= {int, float}:  # `float` would take "5" and true as well
        return {"values": values}
    try:
        mean = math.fsum(read) / len(read)
        # Not by numpy, whose calls cost more than the sums of so few values.
        std = math.dist(read, [mean] * len(read)) / math.sqrt(len(read))
        extremes = {"min": float(min(read)), "max": float(max(read)), "last": float(read[-1])}
    except (OverflowError, ZeroDivisionError):
        return {"values": values}
    return {"values": values, "mean": mean, "std": std} | extremes


SUMMARIES: dict[str, Callable[[Inputs, Model], Fields]] = {
    "image": _images,
    "text": _texts,
    "series": _series,
}


def _answer(model: Model, outcome: Outcome) -> Answer:
    identity = Answer(
        model=model.name, version=model.version, fingerprint=model.manifest["fingerprint"]
    )
    if isinstance(outcome, Exception):
        status, code = _error(outcome)
        return identity | Answer(status=status, error=code)
    answers = outcome[:MAX_ANSWERS]
    summary = _forecast(answers) if model.inputs.kind == "series" else _classes(answers)
    if answers and "familiar" in answers[0]:
        summary["familiar"] = [answer["familiar"] for answer in answers]
        summary["familiarity"] = [answer["familiarity"] for answer in answers]
    return identity | Answer(status=200) | summary


def _classes(answers: list[dict]) -> Answer:
    return Answer(
        label=[answer["label"] for answer in answers],
        probability=[answer["probabilities"][answer["label"]] for answer in answers],
    )


def _forecast(answers: list[dict]) -> Answer:
    """Summarise one forecast; several have no summary."""
    if len(answers) != 1:
        return Answer()
    (answer,) = answers
    forecast, steps = answer["forecast"], len(answer["forecast"])
    return Answer(
        horizon=steps,
        level=answer["level"],
        forecast_mean=sum(forecast) / steps,
        forecast_last=forecast[-1],
        interval_width=(sum(answer["upper"]) - sum(answer["lower"])) / steps,
    )


def _error(error: Exception) -> tuple[int, str]:
    """Return the status and the code that the client got."""
    if isinstance(error, Problem):
        return error.status, error.code
    if isinstance(error, InputError):
        return status_of(error), error.code
    return 500, "internal_error"


def _raw(inputs: Inputs, kind: str) -> str | None:
    """Return the inputs as a JSON list of requests; None where they are too large or a batch."""
    if isinstance(inputs, np.ndarray):
        return None
    if kind == "image":
        if sum(map(len, inputs)) > MAX_INPUT_BYTES:
            return None
        inputs = [base64.b64encode(image).decode("ascii") for image in inputs]
    name = {"image": "image", "text": "text", "series": "history"}[kind]
    requests = orjson.dumps([{name: value} for value in inputs])
    return requests.decode() if len(requests) <= MAX_INPUT_BYTES else None
