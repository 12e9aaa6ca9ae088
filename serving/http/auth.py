"""Authentication: with ESPALIER_API_TOKEN set, only a request that carries the token is answered.

The page, its files and /docs.json stay open: they say how to ask, and hold no answer.
"""

import hmac
from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.canonical_path import PATH, is_under
from serving.http.errors import Problem, send_problem

ANSWERS = ("/v1", "/v2")
# What ESPALIER_PROTECT may name besides; open without it, for probes and scrapers have no token.
OPEN = {"health": ("/livez", "/healthz", "/readyz", "/v2/health"), "metrics": ("/metrics",)}
UNAUTHORIZED = Problem(
    401,
    "unauthorized",
    "This path needs the header Authorization: Bearer, a space and the right token.",
    {"WWW-Authenticate": "Bearer"},
)


def needs_token(path: str, protected: Container[str]) -> bool:
    """Say whether only a request with the token is answered.

    Args:
        path: The path as the client sent it.
        protected: The names in `OPEN` that need the token as well.
    """
    for name, paths in OPEN.items():
        if any(is_under(folder, path) for folder in paths):
            return name in protected
    return any(is_under(folder, path) for folder in ANSWERS)


class BearerToken:
    """ASGI middleware that rejects a request without the token before its body is read.

    Args:
        app: The application behind it.
        token: The token; None admits everybody.
        protected: See `needs_token`.
    """

    def __init__(self, app: ASGIApp, token: str | None, protected: Container[str]):
        self.app = app
        self.token = (token or "").encode("ascii")
        self.protected = protected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.token or scope["type"] != "http" or self._is_authorized(scope):
            await self.app(scope, receive, send)
        else:
            await send_problem(UNAUTHORIZED, scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
        values = (value for name, value in scope["headers"] if name == b"authorization")
        scheme, _, token = next(values, b"").partition(b" ")
        # In constant time: how long it takes says nothing of how much of a guess is right.
        carries = hmac.compare_digest(token.strip(), self.token) and scheme.lower() == b"bearer"
        return carries or not needs_token(scope[PATH], self.protected)
