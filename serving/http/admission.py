"""Admission control: a limit on the requests that are in flight at the same time.

When overloaded, the service answers 429 with `Retry-After: 1` without reading the body.
"""

from collections.abc import Container
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.bodies import Uploads
from serving.http.errors import Problem, send_problem

BUSY = Problem(
    429,
    "busy",
    "Too many requests are in flight; try again in a second.",
    {"Retry-After": "1"},
)


@dataclass
class InFlight:
    """The requests of this worker that are being answered.

    A request whose body is still coming in does not count: slow uploads must not keep others out.
    They have bounds of their own (bodies.py).

    uploads: The bodies that are coming in.
    admitted: Requests, with those.
    """

    uploads: Uploads
    admitted: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.admitted - len(self.uploads)


class Admission:
    """ASGI middleware that admits at most `limit` requests at a time.

    Args:
        app: The application behind it.
        paths: The paths that are limited; requests for others are always admitted.
        limit: The number of requests.
        in_flight: The requests that are being answered.
    """

    def __init__(self, app: ASGIApp, paths: Container[str], limit: int, in_flight: InFlight):
        self.app = app
        self.paths = paths
        self.limit = limit
        self.in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self.paths:
            return await self.app(scope, receive, send)
        if self.in_flight.count >= self.limit:
            return await send_problem(BUSY, scope, receive, send)
        self.in_flight.admitted += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight.admitted -= 1
