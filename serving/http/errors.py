"""One form for everything that goes wrong: `{"error": {"code", "message"}, "request_id"}`.

Under /v2 it is that of the Open Inference Protocol, `{"error": message}`. Messages are written here
or in `models/inputs/`, never taken from another library: no internal name, path or trace reaches
a client.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.inputs.errors import InputError
from serving.http.canonical_path import PATH, is_under
from serving.http.request_id import REQUEST_ID, head_of


class Problem(Exception):
    """A request that is answered with an error; `message` is one sentence fit for the client."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


async def send_problem(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with an error from within a middleware."""
    await _response(scope, problem)(scope, receive, send)


def problem_of(error: Exception) -> Problem:
    """Return what an exception is for the client: 500 where our own code is wrong."""
    match error:
        case Problem():
            return error
        case InputError():
            # Bytes that are no picture are malformed; the rest is well-formed and against a rule.
            status = 400 if error.code == "not_an_image" else 422
            return Problem(status, error.code, error.message)
        case HTTPException():
            return _of_router(error)
        case ClientDisconnect():
            # Nobody reads it; the metrics count it under the status that nginx made customary.
            return Problem(499, "client_gone", "The client left before its body was complete.")
    return Problem(500, "internal_error", "The service failed; its log says how.")


async def on_error(request: Request, error: Exception) -> Response:
    return _response(request.scope, problem_of(error))


async def on_failure(request: Request, error: Exception) -> Response:
    """Answer when our own code is wrong; the server logs the trace.

    Starlette calls it outside of all middleware, where nothing completes the head.
    """
    response = await on_error(request, error)
    response.raw_headers += head_of(request.scope[REQUEST_ID])
    return response


HANDLERS: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
    Problem: on_error,
    InputError: on_error,
    HTTPException: on_error,
    ClientDisconnect: on_error,
    Exception: on_failure,
}


def _of_router(error: HTTPException) -> Problem:
    """Put the router's own errors in our words."""
    allowed = (error.headers or {}).get("Allow", "another method")
    sentences = {
        404: "There is nothing at this path; GET /docs.json lists what there is.",
        405: f"This method is not allowed here; use {allowed}.",
    }
    phrase = HTTPStatus(error.status_code).phrase
    message = sentences.get(error.status_code, f"{phrase}.")
    return Problem(error.status_code, phrase.lower().replace(" ", "_"), message, error.headers)


def _response(scope: Scope, problem: Problem) -> Response:
    """Return an error in the form of the path that the client sent."""
    content: dict[str, Any] = {"error": problem.message}
    if not is_under("/v2", scope[PATH]):
        error = {"code": problem.code, "message": problem.message}
        content = {"error": error, "request_id": scope[REQUEST_ID]}
    headers = dict(problem.headers or {})
    # Whoever waits to be asked for the body may now send it or leave it out: what comes next on
    # this connection could be either. Whether it was asked for is not known here.
    if any(name == b"expect" for name, _ in scope["headers"]):
        headers["Connection"] = "close"
    return Response(orjson.dumps(content), problem.status, headers, "application/json")
