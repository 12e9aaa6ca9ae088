"""Reading a body: its type, its size while it streams in, and its deadline."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from serving.http.errors import Problem
from serving.http.multipart import only_file

MAX_PICTURE_BYTES = 16 << 20  # a telephone's photograph has 3 to 12 MB
MAX_JSON_BYTES = 4 << 20
MAX_HELD_BYTES = 48 << 20  # of all bodies that are coming in: slow uploads must not fill the memory
SMALL_BYTES = 1 << 16  # of a body that is never evicted
DEADLINE_SECONDS = 15  # from a request's head to the last byte of its body

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
FORM_TYPE = "multipart/form-data"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"


@dataclass(eq=False)
class Upload:
    """A body that is coming in."""

    deadline: asyncio.Timeout
    body: bytearray = field(default_factory=bytearray)
    evicted: bool = False


class Uploads:
    """The bodies that are coming in, within a bound on the bytes that they hold.

    When there are too many bytes, the oldest body is evicted and not the newest: uploads that are
    slow on purpose must not keep others out.
    """

    def __init__(self) -> None:
        self.held_bytes = 0
        self.uploads: dict[Upload, None] = {}  # by age

    def __len__(self) -> int:
        return len(self.uploads)

    def begin(self, deadline: asyncio.Timeout) -> Upload:
        """Return a new upload; `deadline` ends it when it is evicted."""
        upload = Upload(deadline)
        self.uploads[upload] = None
        return upload

    def add(self, upload: Upload, part: bytes) -> None:
        """Append the next part of a body."""
        upload.body += part
        self.held_bytes += len(part)
        if self.held_bytes > MAX_HELD_BYTES:
            self._evict_oldest()

    def end(self, upload: Upload) -> None:
        if upload in self.uploads:
            del self.uploads[upload]
            self.held_bytes -= len(upload.body)

    def _evict_oldest(self) -> None:
        for upload in self.uploads:
            if len(upload.body) > SMALL_BYTES:
                self.end(upload)
                upload.evicted = True
                upload.deadline.reschedule(0)
                return


async def read_json(request: Request) -> bytearray:
    """Return a JSON body as it was sent; raises Problem 408, 413, 415 or 429."""
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
        Problem: 408, 413, 415 or 429.
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
    if headers.get(b"content-encoding", b"identity") != b"identity":
        message = "A compressed body is not accepted; send it without a Content-Encoding."
        raise Problem(415, "unsupported_encoding", message)
    media_type = headers.get(b"content-type", missing.encode()).decode("latin-1")
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
    uploads: Uploads = request.app.state.uploads
    deadline = asyncio.timeout(DEADLINE_SECONDS)
    upload = uploads.begin(deadline)
    try:
        async with deadline:
            while await _read_part(request, upload, limit):
                pass
    except TimeoutError:
        raise (_evicted() if upload.evicted else _too_slow()) from None
    finally:
        uploads.end(upload)
    return upload.body


async def _read_part(request: Request, upload: Upload, limit: int) -> bool:
    """Append the next part of a body; say whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if upload.evicted:  # it is no longer counted
        raise TimeoutError
    request.app.state.uploads.add(upload, message.get("body", b""))
    if len(upload.body) > limit:
        raise _too_large(limit)
    return message.get("more_body", False)


def _too_slow() -> Problem:
    message = f"The body was not complete after {DEADLINE_SECONDS} seconds."
    return Problem(408, "body_too_slow", message, {"Connection": "close"})


def _evicted() -> Problem:
    message = "Too many bodies are coming in; try again in a second."
    return Problem(429, "busy", message, {"Retry-After": "1", "Connection": "close"})


def _too_large(limit: int) -> Problem:
    message = f"The body is too large; at most {limit >> 20} MiB are allowed."
    return Problem(413, "body_too_large", message)
