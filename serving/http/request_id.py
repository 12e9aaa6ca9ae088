"""The outermost layer: every request gets an id, and every path a name that can be counted.

It lies outside of BentoML's metrics, which keep a series for each path they see: a stranger who
asks for a thousand paths that do not exist must not make a thousand series.
"""

import random
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.crowd import Crowd

if TYPE_CHECKING:
    from serving.http.lane import Lane

SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
REQUEST_ID = "espalier.request_id"  # where the id lies in the scope
BEGAN = "espalier.began"  # and when the request came, by time.perf_counter
PATH = "espalier.path"  # and the path as it was asked for
NOWHERE = "/-"  # stands for every path that does not exist


class Door:
    """ASGI layer around `app`.

    paths: every path that exists. canonical: of a path with names that a client chose, the one
    among `paths` under which it is answered and counted. lane: a shorter way for some requests.
    crowd: counts those that come, before they come here.
    """

    def __init__(
        self,
        app: ASGIApp,
        paths: set[str],
        canonical: Callable[[str], str | None],
        lane: "Lane | None",
        crowd: Crowd,
    ):
        self.app = app
        self.paths = paths
        self.canonical = canonical
        self.lane = lane
        self.crowd = crowd

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scope[REQUEST_ID] = id_of(scope["headers"])
        scope[BEGAN] = time.perf_counter()
        path = scope[PATH] = scope["path"]
        scope["path"] = self._name(path)
        if self.lane and scope["method"] == "POST" and scope["path"] in self.lane.paths:
            return await self.lane(scope, receive, send)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_id = scope[REQUEST_ID].encode("ascii")
                message["headers"].append((b"x-request-id", request_id))
            await send(message)

        return await self.app(scope, receive, send_with_id)

    def turned_away(self, path: str) -> None:
        """Count a request that was told to come again before it came here."""
        name = self._name(path)
        if self.lane and name in self.lane.paths:
            self.lane.tally.begin(name)
            self.lane.tally.end(name, 429, 0.0)

    def _name(self, path: str) -> str:
        return path if path in self.paths else self.canonical(path) or NOWHERE


def is_under(folder: str, path: str) -> bool:
    """Say whether `path` is `folder` or in it."""
    return path.startswith(folder) and path[len(folder) : len(folder) + 1] in ("", "/")


def id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the client's own X-Request-ID when it is harmless to repeat, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value.decode("ascii")
    return f"{random.getrandbits(128):032x}"
