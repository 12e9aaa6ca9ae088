"""POST /v1/feedback: what turned out to be right, for requests that were answered before.

One object, or up to 1,000 in `feedback`. It is answered once the labels are with the system. Which
requests there were is in the logs of all workers and hosts: `espalier monitor` counts the labels
that match none.
"""

import asyncio
import time
from typing import Annotated

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http import bodies, json_body
from serving.http.auth import CLIENT
from serving.http.errors import Problem
from serving.http.metrics import counter
from serving.http.request_id import REQUEST_ID
from serving.request_log.labels import Labels
from serving.request_log.records import MAX_ANSWERS

MAX_LABELS = 1000
MAX_STEPS = 1024
MAX_WAITING = 32  # requests at a time whose labels are being written
LIMITS = json_body.Limits(brackets=1 << 12, values=1 << 17)
ACCEPTED = "espalier_feedback_labels"

Id = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,128}$")]
Index = Annotated[json_body.Whole, Field(ge=0, lt=MAX_ANSWERS)]
Label = Annotated[str, Field(min_length=1, max_length=256)]
# A body can hold thousands of errors, of which one is answered.
Values = Annotated[list[float | None], Field(min_length=1, max_length=MAX_STEPS, fail_fast=True)]


class Feedback(json_body.Body):
    """What was right for one input of a request: the label of a class, or a forecast's values."""

    request_id: Id | None = None
    index: Index | None = None
    label: Label | None = None
    values: Values | None = None


Several = Annotated[list[Feedback], Field(min_length=1, max_length=MAX_LABELS, fail_fast=True)]


class FeedbackBody(Feedback):
    """One, or several."""

    feedback: Several | None = None


async def feedback(request: Request) -> Response:
    """Take labels of earlier requests; all of them, or none."""
    body = json_body.parse(await bodies.read_json(request), FeedbackBody, LIMITS)
    labels = request.app.state.log.labels
    if not labels.enabled:
        message = (
            "This service keeps no request log (ESPALIER_LOG_MB=0), so a label would match nothing."
        )
        raise Problem(409, "no_request_log", message)
    given = _given(body)
    stamp: dict = {"time": time.time_ns() // 1000}
    if client := request.scope.get(CLIENT):
        stamp["client"] = client
    lines = b"".join(
        orjson.dumps(stamp | one.model_dump(exclude_none=True), option=orjson.OPT_APPEND_NEWLINE)
        for one in given
    )
    if labels.waiting >= MAX_WAITING:  # a disk that hangs must not hold up the models' requests
        raise _not_kept("too many others wait for the disk")
    try:
        await _append(labels, lines)
    except OSError as error:
        raise _not_kept(error.strerror) from error
    counter(ACCEPTED).inc(len(given))
    content = {"accepted": len(given), "request_id": request.scope[REQUEST_ID]}
    return Response(orjson.dumps(content), media_type="application/json")


async def _append(labels: Labels, lines: bytes) -> None:
    """Write labels in a thread; their place is free once that ends, though the client be gone."""

    def free(_: asyncio.Future) -> None:
        labels.waiting -= 1

    labels.waiting += 1
    writing = asyncio.get_running_loop().run_in_executor(None, labels.append, lines)
    writing.add_done_callback(free)
    await asyncio.shield(writing)


def _not_kept(reason: str | None) -> Problem:
    message = f"None of the labels was kept ({reason}); send them again later."
    return Problem(503, "not_kept", message, {"Retry-After": "10"})


def _given(body: FeedbackBody) -> list[Feedback]:
    """Return each of them, once it is complete; raises Problem 422."""
    if body.feedback is None:
        _check(body, "")
        return [Feedback(**body.model_dump(exclude={"feedback"}))]
    if len(body.model_dump(exclude_none=True)) > 1:
        message = 'Send either "feedback", a list, or the fields of one; both were sent.'
        raise Problem(422, "too_many_fields", message)
    for number, one in enumerate(body.feedback):
        _check(one, f"feedback.{number}.")
    return body.feedback


def _check(one: Feedback, place: str) -> None:
    if one.request_id is None:
        message = f'The field "{place}request_id" is needed; it was not sent.'
        raise Problem(422, "missing_field", message)
    if (one.label is None) == (one.values is None):
        received, code = "both were sent", "too_many_fields"
        if one.label is None:
            received, code = "neither was sent", "missing_field"
        message = f'Send either "{place}label" or "{place}values"; {received}.'
        raise Problem(422, code, message)
    if one.values is not None and one.index is not None:
        message = f'"{place}index" is of classes; a forecast has one input.'
        raise Problem(422, "too_many_fields", message)


FEEDBACK = Route("/v1/feedback", feedback, methods=["POST"])
