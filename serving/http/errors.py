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
from serving.http.request_id import REQUEST_ID


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
    response = _response(scope, problem.status, problem.code, problem.message, problem.headers)
    await response(scope, receive, send)


async def on_problem(request: Request, problem: Problem) -> Response:
    return _response(request.scope, problem.status, problem.code, problem.message, problem.headers)


def status_of(error: InputError) -> int:
    """Bytes that are no picture are malformed; the rest is well-formed and against a rule."""
    return 400 if error.code == "not_an_image" else 422


async def on_input_error(request: Request, error: InputError) -> Response:
    return _response(request.scope, status_of(error), error.code, error.message)


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Put the router's own errors in our form."""
    allowed = (error.headers or {}).get("Allow", "another method")
    sentences = {
        404: "There is nothing at this path; GET /docs.json lists what there is.",
        405: f"This method is not allowed here; use {allowed}.",
    }
    phrase = HTTPStatus(error.status_code).phrase
    message = sentences.get(error.status_code, f"{phrase}.")
    code = phrase.lower().replace(" ", "_")
    return _response(request.scope, error.status_code, code, message, error.headers)


async def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    # Nobody reads it; the metrics count it under the status that nginx made customary.
    message = "The client left before its body was complete."
    return _response(request.scope, 499, "client_gone", message)


async def on_exception(request: Request, error: Exception) -> Response:
    """Answer when our own code is wrong; the server logs the trace.

    Starlette calls it outside of all middleware, where nothing adds the id to the head.
    """
    headers = {"X-Request-ID": request.scope[REQUEST_ID]}
    message = "The service failed; its log says how."
    return _response(request.scope, 500, "internal_error", message, headers)


HANDLERS: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
    Problem: on_problem,
    InputError: on_input_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_exception,
}


def _response(
    scope: Scope, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in the form of the path that the client sent."""
    if is_under("/v2", scope[PATH]):
        content = orjson.dumps({"error": message})
    else:
        error = {"code": code, "message": message}
        content = orjson.dumps({"error": error, "request_id": scope[REQUEST_ID]})
    # Whoever waits to be asked for the body may now send it or leave it out: what comes next on
    # this connection could be either. Whether it was asked for is not known here.
    if any(name == b"expect" for name, _ in scope["headers"]):
        headers = dict(headers or {}) | {"Connection": "close"}
    return Response(content, status, headers, "application/json")
