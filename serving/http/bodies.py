"""Reading a body: its type, its compression, its size while it streams in, and its deadline.

A compressed body is decompressed as it comes in: every bound is on what was sent and on what that
gives. It is one stream: of several gzip members in a row only one is taken.
"""

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from serving.http.errors import Problem
from serving.http.multipart import only_file

MAX_PICTURE_BYTES = 16 << 20  # a telephone's photograph has 3 to 12 MB
MAX_JSON_BYTES = 4 << 20
MAX_HELD_BYTES = 48 << 20  # of all bodies that are coming in: slow uploads must not fill the memory
SMALL_BYTES = 1 << 16  # of a body that is never evicted
DEADLINE_SECONDS = 15  # from a request's head to the last byte of its body
POLL_SECONDS = 1
# Content-Encoding → what zlib reads then. "deflate" is the zlib format (RFC 9110, 8.4.1.2).
ENCODINGS = {
    b"gzip": zlib.MAX_WBITS | 16,
    b"x-gzip": zlib.MAX_WBITS | 16,
    b"deflate": zlib.MAX_WBITS,
}
TURN_BYTES = 1 << 18  # decompressed in one turn of the event loop, so that others are answered

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
FORM_TYPE = "multipart/form-data"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"

MISCODED = Problem(
    400,
    "invalid_encoding",
    "The body is not what its Content-Encoding says: damaged, cut off, or longer than its stream.",
)
TOO_SLOW = Problem(
    408,
    "body_too_slow",
    f"The body was not complete after {DEADLINE_SECONDS} seconds.",
    {"Connection": "close"},
)
BUSY = Problem(
    429,
    "busy",
    "Too many bodies are coming in; try again in a second.",
    {"Retry-After": "1", "Connection": "close"},
)


@dataclass(eq=False, slots=True)
class Upload:
    """A body that is coming in, and the task that waits for it.

    received: how many bytes came in. decompressor: a decompression object of zlib; None where the
    body is as it was sent.
    """

    task: asyncio.Task
    deadline: float
    decompressor: Any = None
    received: int = 0
    body: bytearray = field(default_factory=bytearray)
    problem: Problem | None = None  # why it was given up


class Uploads:
    """The bodies that are coming in, within bounds on the bytes that they hold and on their time.

    When there are too many bytes, the oldest body is given up and not the newest: uploads that are
    slow on purpose must not keep others out. One that was compressed goes first: few bytes that
    become many must not push out what others really sent. One timer serves all of them: a timer
    each would cost a request more than its body does.
    """

    def __init__(self) -> None:
        self.held_bytes = 0
        self.uploads: dict[Upload, None] = {}  # by age
        self.timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self.uploads)

    def begin(self, decompressor: Any = None) -> Upload:
        """Return a new upload of the current task."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # a request is answered in one
        upload = Upload(task, loop.time() + DEADLINE_SECONDS, decompressor)
        self.uploads[upload] = None
        if self.timer is None:
            self.timer = loop.call_later(POLL_SECONDS, self._give_up_late)
        return upload

    def add(self, upload: Upload, part: bytes) -> None:
        """Append the next part of a body."""
        upload.body += part
        self.held_bytes += len(part)
        if self.held_bytes > MAX_HELD_BYTES:
            large = [other for other in self.uploads if len(other.body) > SMALL_BYTES]
            if large:
                self._give_up(next((one for one in large if one.decompressor), large[0]), BUSY)

    def end(self, upload: Upload) -> None:
        if upload in self.uploads:
            del self.uploads[upload]
            self.held_bytes -= len(upload.body)

    def _give_up(self, upload: Upload, problem: Problem) -> None:
        self.end(upload)
        upload.problem = problem
        if upload.task is not asyncio.current_task():  # which sees it by itself
            upload.task.cancel()

    def _give_up_late(self) -> None:
        loop = asyncio.get_running_loop()
        for upload in [late for late in self.uploads if late.deadline < loop.time()]:
            self._give_up(upload, TOO_SLOW)
        self.timer = loop.call_later(POLL_SECONDS, self._give_up_late) if self.uploads else None


async def read_json(request: Request) -> bytearray:
    """Return a JSON body; raises Problem 400, 408, 413, 415 or 429."""
    headers = dict(request.scope["headers"])
    _check_type(headers, (JSON_TYPE,))
    return await _read(request, headers, MAX_JSON_BYTES)


async def read_tensors(request: Request, binary_limit: int) -> tuple[bytearray, str | None]:
    """Read the body of an inference request.

    Args:
        request: The request.
        binary_limit: The bytes that are allowed when a header says that raw bytes follow the JSON.

    Returns:
        The body, and how many of its bytes are JSON as the header says.

    Raises:
        Problem: 400, 408, 413, 415 or 429.
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

    Raises:
        Problem: 400, 408, 413, 415 or 429.
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
    media_type = headers.get(b"content-type", missing.encode()).decode("latin-1")
    if media_type not in allowed:
        media_type = media_type.partition(";")[0].strip().lower()
    if media_type not in allowed:
        message = f"The Content-Type must be {' or '.join(allowed)}."
        raise Problem(415, "unsupported_media_type", message)
    return media_type


def _decompressor(headers: Mapping[bytes, bytes]) -> Any:
    """Return what reads the compression of a body; None where it has none."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding == b"identity":
        return None
    if encoding not in ENCODINGS:
        message = "The Content-Encoding must be gzip or deflate; send the body so, or without one."
        raise Problem(415, "unsupported_encoding", message, {"Accept-Encoding": "gzip, deflate"})
    return zlib.decompressobj(ENCODINGS[encoding])


async def _read(request: Request, headers: Mapping[bytes, bytes], limit: int) -> bytearray:
    """Collect the body; one that grows over `limit` or takes too long is given up at once."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    uploads: Uploads = request.app.state.uploads
    upload = uploads.begin(_decompressor(headers))
    try:
        while await _read_part(request, upload, limit):
            pass
    except asyncio.CancelledError:
        if upload.problem is None:
            raise
        upload.task.uncancel()
    finally:
        uploads.end(upload)
    if upload.problem is not None:
        raise upload.problem
    return upload.body


async def _read_part(request: Request, upload: Upload, limit: int) -> bool:
    """Append the next part of a body; say whether to read on."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part, more = message.get("body", b""), message.get("more_body", False)
    upload.received += len(part)
    if upload.decompressor is None:
        request.app.state.uploads.add(upload, part)
    else:
        await _decompress(request.app.state.uploads, upload, part, limit)
    if max(len(upload.body), upload.received) > limit:
        raise _too_large(limit)
    if upload.decompressor and not (more or upload.problem or upload.decompressor.eof):
        raise MISCODED
    return upload.problem is None and more


async def _decompress(uploads: Uploads, upload: Upload, part: bytes, limit: int) -> None:
    """Append what the next part of a compressed body gives; stop where it is over the limit."""
    full = True  # whether there may be more of this part
    while full and len(upload.body) <= limit and upload.problem is None:
        try:
            piece = upload.decompressor.decompress(part, TURN_BYTES)
        except zlib.error:
            raise MISCODED from None
        if upload.decompressor.unused_data:
            raise MISCODED
        uploads.add(upload, piece)
        part, full = upload.decompressor.unconsumed_tail, len(piece) == TURN_BYTES
        if full:
            await asyncio.sleep(0)


def _too_large(limit: int) -> Problem:
    message = f"The body is too large; at most {limit >> 20} MiB are allowed."
    return Problem(413, "body_too_large", message)
