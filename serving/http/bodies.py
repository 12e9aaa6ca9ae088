"""Reading a body: its type, its size while it streams in, and its deadline."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request

from serving.http.errors import Problem
from serving.http.multipart import only_file

MAX_PICTURE_BYTES = 16 << 20  # a telephone's photograph has 3 to 12 MB
MAX_JSON_BYTES = 4 << 20
MAX_HELD_BYTES = 48 << 20  # of all bodies coming in: slow uploads must not fill the memory
SMALL_BYTES = 1 << 16  # of a body that is let in even then: there are at most 2,048 connections
DEADLINE_SECONDS = 15  # from a request's head to the last byte of its body
LOOK_SECONDS = 1
TOO_SLOW, IN_THE_WAY = "too slow", "in the way"

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
FORM_TYPE = "multipart/form-data"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"


class Incoming:
    """The bodies that are coming in: how many bytes there are of them, and who has waited too long.

    One look a second for all of them: a timer each would cost a request more than its body does.
    When there are too many bytes the oldest body gives way, not the newest: uploads that are slow
    on purpose must not keep others out.
    """

    def __init__(self):
        self.bytes = 0
        self.bodies: dict[asyncio.Task, tuple[float, bytearray]] = {}  # by age; with its deadline
        self.timer: asyncio.TimerHandle | None = None

    def begin(self, body: bytearray) -> asyncio.Task:
        """Have this task cancelled, saying why, when its body takes too long or too much room."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        self.bodies[task] = loop.time() + DEADLINE_SECONDS, body
        if self.timer is None:
            self.timer = loop.call_later(LOOK_SECONDS, self._look)
        return task

    def add(self, body: bytearray, part: bytes) -> None:
        """Append what has come of a body."""
        body += part
        self.bytes += len(part)
        if self.bytes > MAX_HELD_BYTES:
            self._make_room()

    def end(self, task: asyncio.Task) -> None:
        _, body = self.bodies.pop(task, (None, b""))
        self.bytes -= len(body)

    def _make_room(self) -> None:
        for task, (_, body) in self.bodies.items():
            if len(body) > SMALL_BYTES:
                self.end(task)
                # Each but this one waits for more of its body, which is where it is told.
                if task is asyncio.current_task():
                    raise _in_the_way()
                task.cancel(IN_THE_WAY)
                return

    def _look(self) -> None:
        self.timer, loop = None, asyncio.get_running_loop()
        for task, (deadline, _) in self.bodies.items():
            if loop.time() > deadline:
                task.cancel(TOO_SLOW)
        if self.bodies:
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


async def read_picture(request: Request) -> bytes:
    """Return the bytes of one picture: the body itself, or the one file of a multipart form.

    Raises Problem 400, 408, 413 or 415.
    """
    headers = dict(request.scope["headers"])
    media_type = _check_type(headers, (*PICTURE_TYPES, FORM_TYPE))
    body = await _read(request, headers, MAX_PICTURE_BYTES)
    # Not as a bytearray: Pillow would copy that once to read it, and once more for WebP.
    if body and media_type == FORM_TYPE:
        file = await only_file(body, request.headers["content-type"])
    else:
        file = bytes(body)
    if not file:
        raise Problem(400, "empty_body", "The body is empty; send the bytes of one picture.")
    return file


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
    task = incoming.begin(body)
    try:
        while await _read_part(request, body, limit, incoming):
            pass
    except asyncio.CancelledError as error:
        if error.args not in ((TOO_SLOW,), (IN_THE_WAY,)):
            raise
        task.uncancel()
        raise (_too_slow() if error.args == (TOO_SLOW,) else _in_the_way()) from None
    finally:
        incoming.end(task)
    return body


async def _read_part(request: Request, body: bytearray, limit: int, incoming: Incoming) -> bool:
    """Append what has come to `body`; say whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    incoming.add(body, message.get("body", b""))
    if len(body) > limit:
        raise _too_large(limit)
    return message.get("more_body", False)


def _too_slow() -> Problem:
    message = f"The body was not complete after {DEADLINE_SECONDS} seconds."
    return Problem(408, "body_too_slow", message, {"Connection": "close"})


def _in_the_way() -> Problem:
    message = "Too many bodies are coming in; try again in a second."
    return Problem(429, "busy", message, {"Retry-After": "1", "Connection": "close"})


def _too_large(limit: int) -> Problem:
    message = f"The body is too large; at most {limit >> 20} MiB are allowed."
    return Problem(413, "body_too_large", message)
