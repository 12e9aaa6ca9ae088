"""Reading a body: its type, its size while it streams in, and its deadline."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from serving.errors import Problem
from serving.forms import only_file

MAX_PICTURE_BYTES = 16 << 20  # a telephone's photograph has 3 to 12 MB
MAX_JSON_BYTES = 4 << 20
MAX_HELD_BYTES = 256 << 20  # of all bodies coming in: slow uploads must not fill the memory
DEADLINE_SECONDS = 15  # from the first byte of a body to its last

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
FORM_TYPE = "multipart/form-data"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"


async def read_json(request: Request) -> bytearray:
    """Return a JSON body as it was sent; raises Problem 408, 413 or 415."""
    _check_type(request, (JSON_TYPE,))
    return await _read(request, MAX_JSON_BYTES)


async def read_tensors(request: Request, binary_limit: int) -> bytearray:
    """Return the body of an inference request: JSON, and after it perhaps raw bytes.

    binary_limit: how large it may be when its headers say that raw bytes follow.
    Raises Problem 408, 413 or 415.
    """
    # The protocol's clients do not all send a type.
    _check_type(request, (JSON_TYPE, BINARY_TYPE), missing=JSON_TYPE)
    binary = "inference-header-content-length" in request.headers
    return await _read(request, binary_limit if binary else MAX_JSON_BYTES)


async def read_picture(request: Request) -> bytearray | bytes:
    """Return the bytes of one picture: the body itself, or the one file of a multipart form.

    Raises Problem 400, 408, 413 or 415.
    """
    media_type = _check_type(request, (*PICTURE_TYPES, FORM_TYPE))
    body = await _read(request, MAX_PICTURE_BYTES)
    if media_type == FORM_TYPE:
        body = only_file(body, request.headers["content-type"])
    if not body:
        raise Problem(400, "empty_body", "The body is empty; send the bytes of one picture.")
    return body


def _check_type(request: Request, allowed: tuple[str, ...], missing: str = "") -> str:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        message = "A compressed body is not accepted; send it without a Content-Encoding."
        raise Problem(415, "unsupported_encoding", message)
    media_type = request.headers.get("content-type", missing).partition(";")[0].strip().lower()
    if media_type not in allowed:
        message = f"The Content-Type must be {' or '.join(allowed)}."
        raise Problem(415, "unsupported_media_type", message)
    return media_type


async def _read(request: Request, limit: int) -> bytearray:
    """Collect the body; one that grows over `limit` or takes too long is given up at once."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await _read_part(request, body, limit):
                pass
    except TimeoutError:
        message = f"The body was not complete after {DEADLINE_SECONDS} seconds."
        raise Problem(408, "body_too_slow", message, {"Connection": "close"}) from None
    finally:
        request.app.state.held_bytes -= len(body)
    return body


async def _read_part(request: Request, body: bytearray, limit: int) -> bool:
    """Append what has come to `body`; say whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part = message.get("body", b"")
    body += part
    request.app.state.held_bytes += len(part)
    if len(body) > limit:
        raise _too_large(limit)
    if request.app.state.held_bytes > MAX_HELD_BYTES:
        busy = "Too many bodies are coming in; try again in a second."
        raise Problem(429, "busy", busy, {"Retry-After": "1", "Connection": "close"})
    return message.get("more_body", False)


def _too_large(limit: int) -> Problem:
    message = f"The body is too large; at most {limit >> 20} MiB are allowed."
    return Problem(413, "body_too_large", message)
