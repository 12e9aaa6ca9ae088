"""Who may ask: with ESPALIER_API_TOKEN set, only a request that carries the token.

The page, its files and /docs.json stay open: they say how to ask, and hold no answer.
"""

import hmac
from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import Problem, on_problem
from serving.http.request_id import PATH, is_under

ANSWERS = ("/v1", "/v2")
# What ESPALIER_PROTECT may name besides; open without it, for probes and scrapers have no token.
OPEN = {"health": ("/livez", "/healthz", "/readyz", "/v2/health"), "metrics": ("/metrics",)}


def needs_token(path: str, protected: Iterable[str]) -> bool:
    """Say whether only a request with the token is answered at `path`."""
    for name, paths in OPEN.items():
        if any(is_under(folder, path) for folder in paths):
            return name in protected
    return any(is_under(folder, path) for folder in ANSWERS)


class Access:
    """ASGI layer that turns away whoever lacks the token, before a body is read.

    It lies within BentoML's metrics: who is turned away is counted.
    """

    def __init__(self, app: ASGIApp, token: str, protected: Iterable[str]):
        self.app = app
        self.token = token.encode("ascii")
        self.protected = protected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._may_ask(scope):
            return await self.app(scope, receive, send)
        message = "This path needs the header Authorization: Bearer, a space and the right token."
        problem = Problem(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        answer = await on_problem(Request(scope), problem)
        return await answer(scope, receive, send)

    def _may_ask(self, scope: Scope) -> bool:
        return self._knows(scope["headers"]) or not needs_token(scope[PATH], self.protected)

    def _knows(self, headers: list[tuple[bytes, bytes]]) -> bool:
        sent = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = sent.partition(b" ")
        # In constant time: how long it takes says nothing of how much of a guess is right.
        return hmac.compare_digest(token.strip(), self.token) and scheme.lower() == b"bearer"
