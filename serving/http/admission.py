"""Admission control: a limit on the requests that are in flight at the same time.

When overloaded, the service answers 429 with `Retry-After: 1` without reading the body.
"""

from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.bodies import Uploads
from serving.http.errors import Problem, send_problem

BUSY = Problem(
    429,
    "busy",
    "Too many requests are in flight; try again in a second.",
    {"Retry-After": "1"},
)


class Admission:
    """ASGI middleware that admits at most `limit` requests at a time.

    A request whose body is still coming in does not count: slow uploads must not keep others out.
    They have bounds of their own (bodies.py).

    Args:
        app: The application behind it.
        paths: The paths that are limited; requests for others are always admitted.
        limit: The number of requests.
        uploads: The bodies that are coming in.
    """

    def __init__(self, app: ASGIApp, paths: Container[str], limit: int, uploads: Uploads):
        self.app = app
        self.paths = paths
        self.limit = limit
        self.uploads = uploads
        self.admitted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self.paths:
            return await self.app(scope, receive, send)
        if self.admitted - len(self.uploads) >= self.limit:
            return await send_problem(BUSY, scope, receive, send)
        self.admitted += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.admitted -= 1
