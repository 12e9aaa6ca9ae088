"""What every answer carries in its head: the id of its request, and `nosniff`.

The id is the client's X-Request-ID where it is harmless to repeat, else a new one. `nosniff` keeps
a browser from taking an answer for a page or a script.
"""

import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
REQUEST_ID = "espalier.request_id"  # key of the id in the scope
BEGAN = "espalier.began"  # key of the time at which the request came, by time.perf_counter
NOSNIFF = (b"x-content-type-options", b"nosniff")


class RequestId:
    """ASGI middleware that gives each request an id, and completes the head of the answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = scope[REQUEST_ID] = id_of(scope["headers"])
        scope[BEGAN] = time.perf_counter()

        async def send_with_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += head_of(request_id)
            await send(message)

        return await self.app(scope, receive, send_with_head)


def head_of(request_id: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of the answer to the request with this id."""
    return (b"x-request-id", request_id.encode("ascii")), NOSNIFF


def id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the X-Request-ID in `headers` if it is harmless, else a new id."""
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value.decode("ascii")
    return f"{random.getrandbits(128):032x}"
