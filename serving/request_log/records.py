"""From a request and its answer to a record of the request log, as a line of JSON.

Nothing of what was sent is kept but counts, sizes and statistics, unless the inputs are wanted.
Monitoring reads the records, so a field's name and type never change; one without a value is left
out, or null. The fields:

    time            when the answer was ready, in microseconds since 1970 (UTC)
    request_id      a client may use one more than once
    route, task     /v1/image, …; image, …
    client          whose token the request carried; left out where the service is open
    latency_ms      from the request's head to its answer, the transfer of the body included
    inputs          their number: 1, except for several texts or a batch
    model, version, fingerprint    of the registered model that answered
    status, error   of HTTP, and the error's code where the status is not 200

    width, height, bytes       of images: the size of the first one, all bytes as they were sent
    characters, words          of all texts together; words: as the model cuts them, left out where
                               there are more characters than one text may have
    values                     of a series: the number of values sent
    mean, std, min, max        of the values that the model read; several series count together
    first, last                of these values

    label, probability, familiar, familiarity    lists: one item for each input, at most 256
    horizon, level, forecast_mean, forecast_last, interval_width    of one forecast
    forecast, lower, upper         of one forecast: its first 256 steps

    series, last_time, interval    of a forecast whose request named its series and the time of its
                    last value: the name, that time and the time between two values, both in
                    microseconds (since 1970; a time without an offset is taken as UTC)
    history         of such a request: the values that the model read, the last 256 of them; they
                    grade earlier forecasts of the series

    input           with ESPALIER_LOG_INPUTS=1: a JSON list of requests in the form of golden.json;
                    null where they take more than 64 KiB
    signals         numbers that were measured of its first input, by their names: models/signals.py
    challenger      a second model's answer to the same inputs: model … interval_width, as above
"""

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import orjson
from starlette.requests import Request

from models.inputs.series import SeriesInputs
from models.inputs.texts import MAX_CHARACTERS, TextInputs, word_counts
from serving.http.auth import CLIENT
from serving.http.errors import problem_of
from serving.http.image_header import size
from serving.http.request_id import REQUEST_ID
from serving.inference.loaded_model import Model

MAX_ANSWERS = 256  # of one request that are kept: a batch may be larger
MAX_INPUT_BYTES = 1 << 16  # of the field `input`
MAX_VALUES = 256  # of a forecast, and of the history of a named series
SERIES = "espalier.series"  # key of a NamedSeries in the scope


@dataclass(frozen=True)
class NamedSeries:
    """Which series a request is of, and when its last value was, both times in microseconds."""

    series: str
    last_time: int
    interval: int


Inputs = list | np.ndarray
Outcome = list[dict] | Exception
Fields = dict[str, Any]


def to_line(
    request: Request,
    model: Model,
    task: str,
    inputs: Inputs,
    outcome: Outcome,
    signals: Mapping[str, float] | None,
    challenger: tuple[Model, Outcome] | None,
    time_ns: int,
    seconds: float,
    keep_inputs: bool,
) -> bytes:
    """Return the record of a request, with the end of the line.

    Args:
        request, model, task, inputs, outcome, signals, challenger: Those of `RequestLog.record`.
        time_ns: When it was answered, in nanoseconds since 1970.
        seconds: From its head to its answer.
        keep_inputs: Whether the record holds the inputs.
    """
    kind = model.inputs.kind
    record: Fields = {
        "time": time_ns // 1000,
        "request_id": request.scope[REQUEST_ID],
        "route": request.scope["path"],
        "task": task,
        "latency_ms": round(seconds * 1000, 4),
        "inputs": len(inputs) if isinstance(inputs, list | np.ndarray) else None,
    }
    if client := request.scope.get(CLIENT):
        record["client"] = client
    record |= SUMMARIES[kind](inputs, model) | _answer(model, outcome)
    if (series := request.scope.get(SERIES)) and not isinstance(outcome, Exception):
        record |= asdict(series)
        read = min(cast(SeriesInputs, model.inputs).history, MAX_VALUES)
        record["history"] = inputs[0][-read:]
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
    characters = sum(map(len, texts))
    if characters > MAX_CHARACTERS:  # nobody waits for a batch to be cut into words once more
        return {"characters": characters}
    words = word_counts(texts, cast(TextInputs, model.inputs).tokenizer)
    return {"characters": characters, "words": int(words.sum())}


def _series(series: Inputs, model: Model) -> Fields:
    """Summarise the values that the model read; what is no series of numbers has no statistics."""
    read: list[float]
    history = cast(SeriesInputs, model.inputs).history
    if isinstance(series, np.ndarray):
        values, read = series.shape[1], series[:, -history:].ravel().tolist()
    elif isinstance(series[0], list):
        values, read = len(series[0]), series[0][-history:]
    else:
        return {}
    if not set(map(type, read)) <= {int, float}:  # `float` would take "5" and true as well
        return {"values": values}
    try:
        mean = math.fsum(read) / len(read)
        # Not by numpy, whose calls cost more than the sums of so few values.
        std = math.dist(read, [mean] * len(read)) / math.sqrt(len(read))
        extremes = {"min": float(min(read)), "max": float(max(read))}
        ends = {"first": float(read[0]), "last": float(read[-1])}
    except (OverflowError, ZeroDivisionError):
        return {"values": values}
    return {"values": values, "mean": mean, "std": std} | extremes | ends


SUMMARIES: dict[str, Callable[[Inputs, Model], Fields]] = {
    "image": _images,
    "text": _texts,
    "series": _series,
}


def _answer(model: Model, outcome: Outcome) -> Fields:
    answer: Fields = model.identity
    answer["model"] = answer.pop("name")
    if isinstance(outcome, Exception):
        problem = problem_of(outcome)
        return answer | {"status": problem.status, "error": problem.code}
    answer["status"], answers = 200, outcome[:MAX_ANSWERS]
    if model.inputs.kind != "series":
        answer["label"] = [one["label"] for one in answers]
        answer["probability"] = [one["probabilities"][one["label"]] for one in answers]
    elif len(answers) == 1:
        answer |= _forecast(answers[0])
    if answers and "familiar" in answers[0]:
        answer["familiar"] = [one["familiar"] for one in answers]
        answer["familiarity"] = [one["familiarity"] for one in answers]
    return answer


def _forecast(answer: Mapping[str, Any]) -> Fields:
    forecast, steps = answer["forecast"], len(answer["forecast"])
    return {
        "horizon": steps,
        "level": answer["level"],
        "forecast_mean": sum(forecast) / steps,
        "forecast_last": forecast[-1],
        "interval_width": (sum(answer["upper"]) - sum(answer["lower"])) / steps,
    } | {name: answer[name][:MAX_VALUES] for name in ("forecast", "lower", "upper")}


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
