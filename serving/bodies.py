"""Reading a body: its type, its size while it streams in, and its deadline."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request

from serving.errors import Problem
from serving.forms import only_file

MAX_PICTURE_BYTES = 16 << 20  # a telephone's photograph has 3 to 12 MB
MAX_JSON_BYTES = 4 << 20
MAX_HELD_BYTES = 256 << 20  # of all bodies coming in: slow uploads must not fill the memory
DEADLINE_SECONDS = 15  # from a request's head to the last byte of its body
LOOK_SECONDS = 1
TOO_SLOW = "too slow"

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
FORM_TYPE = "multipart/form-data"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"


class Incoming:
    """The bodies that are coming in: how many bytes there are of them, and who has waited too long.

    One look a second for all of them: a timer each would cost a request more than its body does.
    """

    def __init__(self):
        self.bytes = 0
        self.deadlines: dict[asyncio.Task, float] = {}
        self.timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task:
        """Have this task cancelled, with TOO_SLOW, unless it ends its body in time."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        self.deadlines[task] = loop.time() + DEADLINE_SECONDS
        if self.timer is None:
            self.timer = loop.call_later(LOOK_SECONDS, self._look)
        return task

    def end(self, task: asyncio.Task, body: bytearray) -> None:
        del self.deadlines[task]
        self.bytes -= len(body)

    def _look(self) -> None:
        self.timer, loop = None, asyncio.get_running_loop()
        for task, deadline in self.deadlines.items():
            if loop.time() > deadline:
                task.cancel(TOO_SLOW)
        if self.deadlines:
            self.timer = loop.call_later(LOOK_SECONDS, self._look)


async def read_json(request: Request) -> bytearray:
    """Return a JSON body as it was sent; raises Problem 408, 413 or 415."""
    headers = dict(request.scope["headers"])
    _check_type(headers, (JSON_TYPE,))
    return await _read(request, headers, MAX_JSON_BYTES)


async def read_tensors(request: Request, binary_limit: int) -> tuple[bytearray, str | None]:
    """Return the body of an inference request, and how many of its bytes are JSON as a header says.

    binary_limit: how large it may be when that header is there: raw bytes follow the JSON.
    Raises Problem 408, 413 or 415.
    """
    headers = dict(request.scope["headers"])
    # The protocol's clients do not all send a type.
    _check_type(headers, (JSON_TYPE, BINARY_TYPE), missing=JSON_TYPE)
    length = headers.get(b"inference-header-content-length")
    limit = MAX_JSON_BYTES if length is None else binary_limit
    body = await _read(request, headers, limit)
    return body, None if length is None else length.decode("latin-1")


async def read_picture(request: Request) -> bytearray | bytes:
    """Return the bytes of one picture: the body itself, or the one file of a multipart form.

    Raises Problem 400, 408, 413 or 415.
    """
    headers = dict(request.scope["headers"])
    media_type = _check_type(headers, (*PICTURE_TYPES, FORM_TYPE))
    body = await _read(request, headers, MAX_PICTURE_BYTES)
    if media_type == FORM_TYPE:
        body = only_file(body, request.headers["content-type"])
    if not body:
        raise Problem(400, "empty_body", "The body is empty; send the bytes of one picture.")
    return body


def _check_type(headers: Mapping[bytes, bytes], allowed: tuple[str, ...], missing: str = "") -> str:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        message = "A compressed body is not accepted; send it without a Content-Encoding."
        raise Problem(415, "unsupported_encoding", message)
    said = headers.get(b"content-type")
    media_type = missing if said is None else said.decode("latin-1")
    if media_type not in allowed:
        media_type = media_type.partition(";")[0].strip().lower()
    if media_type not in allowed:
        message = f"The Content-Type must be {' or '.join(allowed)}."
        raise Problem(415, "unsupported_media_type", message)
    return media_type


async def _read(request: Request, headers: Mapping[bytes, bytes], limit: int) -> bytearray:
    """Collect the body; one that grows over `limit` or takes too long is given up at once."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body, incoming = bytearray(), request.app.state.incoming
    task = incoming.begin()
    try:
        while await _read_part(request, body, limit, incoming):
            pass
    except asyncio.CancelledError as error:
        if error.args != (TOO_SLOW,):
            raise
        task.uncancel()
        message = f"The body was not complete after {DEADLINE_SECONDS} seconds."
        raise Problem(408, "body_too_slow", message, {"Connection": "close"}) from None
    finally:
        incoming.end(task, body)
    return body


async def _read_part(request: Request, body: bytearray, limit: int, incoming: Incoming) -> bool:
    """Append what has come to `body`; say whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part = message.get("body", b"")
    body += part
    incoming.bytes += len(part)
    if len(body) > limit:
        raise _too_large(limit)
    if incoming.bytes > MAX_HELD_BYTES:
        busy = "Too many bodies are coming in; try again in a second."
        raise Problem(429, "busy", busy, {"Retry-After": "1", "Connection": "close"})
    return message.get("more_body", False)


def _too_large(limit: int) -> Problem:
    message = f"The body is too large; at most {limit >> 20} MiB are allowed."
    return Problem(413, "body_too_large", message)
