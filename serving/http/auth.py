"""Authentication: where clients are known, only they are answered, each within its scopes.

The page, its files and /docs.json stay open: they say how to ask, and hold no answer.
"""

from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.canonical_path import PATH, is_under
from serving.http.clients import Clients
from serving.http.errors import Problem, send_problem

CLIENT = "espalier.client"  # key of the client's name in the scope
PREDICT, METRICS, FEEDBACK, ANY = "predict", "metrics", "feedback", "any"
ANSWERS = ("/v1", "/v2")
LABELS = "/v1/feedback"
# What ESPALIER_PROTECT may name besides; open without it, for probes and scrapers have no token.
OPEN = {"health": ("/livez", "/healthz", "/readyz", "/v2/health"), "metrics": ("/metrics",)}
SCOPES = {"health": ANY, "metrics": METRICS}
UNAUTHORIZED = Problem(
    401,
    "unauthorized",
    "This path needs the header Authorization: Bearer, a space and the right token.",
    {"WWW-Authenticate": "Bearer"},
)
EXPIRED = Problem(
    401,
    "token_expired",
    "The token has expired; whoever runs this service can issue a new one.",
    {"WWW-Authenticate": 'Bearer error="invalid_token"'},
)


def needed_scope(path: str, protected: Container[str]) -> str | None:
    """Return the scope that a client needs for a path; None where everybody may ask.

    Args:
        path: The path as the client sent it.
        protected: The names in `OPEN` that need a token as well.
    """
    for name, paths in OPEN.items():
        if any(is_under(folder, path) for folder in paths):
            return SCOPES[name] if name in protected else None
    if is_under(LABELS, path):
        return FEEDBACK
    return PREDICT if any(is_under(folder, path) for folder in ANSWERS) else None


class BearerToken:
    """ASGI middleware that rejects who may not ask, before the body is read.

    Args:
        app: The application behind it.
        clients: Who may ask.
        protected: See `needed_scope`.
    """

    def __init__(self, app: ASGIApp, clients: Clients, protected: Container[str]):
        self.app = app
        self.clients = clients
        self.protected = protected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = None
        if scope["type"] == "http" and not self.clients.is_open():
            problem = self._problem(scope)
        if problem is None:
            await self.app(scope, receive, send)
        else:
            await send_problem(problem, scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        needed = needed_scope(scope[PATH], self.protected)
        if needed is None:
            return None
        values = (value for name, value in scope["headers"] if name == b"authorization")
        scheme, _, token = next(values, b"").partition(b" ")
        client = self.clients.find(token.strip())
        if client is None or scheme.lower() != b"bearer":
            return UNAUTHORIZED
        scope[CLIENT] = client.name
        if client.has_expired():
            return EXPIRED
        if needed not in (ANY, *client.scopes):
            return _outside(needed)
        return None


def _outside(needed: str) -> Problem:
    """Return the refusal of a token that is right, and is for something else (RFC 6750)."""
    return Problem(
        403,
        "insufficient_scope",
        f"This token is not for this path: it lacks the scope {needed}.",
        {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'},
    )
