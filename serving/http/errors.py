"""One form for everything that goes wrong: `{"error": {"code", "message"}, "request_id"}`.

Under /v2 it is that of the Open Inference Protocol, `{"error": message}`. Messages are written here
or in `models/inputs.py`, never taken from another library: no internal name, path or trace reaches
a client.
"""

from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from models.inputs.errors import InputError
from serving.http.request_id import PATH, REQUEST_ID, is_under


class Problem(Exception):
    """A request that is answered with an error; `message` is one sentence fit for the client."""

    def __init__(self, status: int, code: str, message: str, headers: dict | None = None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


async def on_problem(request: Request, problem: Problem) -> Response:
    return _answer(request, problem.status, problem.code, problem.message, problem.headers)


def status_of(error: InputError) -> int:
    """Bytes that are no picture are malformed; the rest is well-formed and against a rule."""
    return 400 if error.code == "not_an_image" else 422


async def on_input_error(request: Request, error: InputError) -> Response:
    return _answer(request, status_of(error), error.code, error.message)


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
    return _answer(request, error.status_code, code, message, error.headers)


async def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    # Nobody reads it; the metrics count it under the status that nginx made customary.
    return _answer(request, 499, "client_gone", "The client left before its body was complete.")


async def on_exception(request: Request, error: Exception) -> Response:
    """Answer when our own code is wrong; Starlette logs the trace."""
    return _answer(request, 500, "internal_error", "The service failed; its log says how.")


HANDLERS = {
    Problem: on_problem,
    InputError: on_input_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_exception,
}


def body(path: str, request_id: str, code: str, message: str) -> bytes:
    """Return what is told of an error, in the form of the path that was asked for."""
    if is_under("/v2", path):
        return orjson.dumps({"error": message})
    error = {"code": code, "message": message}
    return orjson.dumps({"error": error, "request_id": request_id})


def _answer(request: Request, status: int, code: str, message: str, headers=None) -> Response:
    content = body(request.scope[PATH], request.scope[REQUEST_ID], code, message)
    # Whoever waits to be asked for the body may now send it or leave it out: what comes next on
    # this connection could be either. Whether it was asked for is not known here.
    if any(name == b"expect" for name, _ in request.scope["headers"]):
        headers = dict(headers or {}) | {"Connection": "close"}
    return Response(content, status, headers, "application/json")
