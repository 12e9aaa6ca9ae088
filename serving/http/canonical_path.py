"""One path for each endpoint, so that routes, metrics and limits can be kept by path.

A client chooses some parts of a path, such as the name and version of a model. A stranger who asks
for a thousand paths that do not exist must not make a thousand series of metrics.
"""

from collections.abc import Callable, Set

from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "espalier.path"  # key of the path as the client sent it
ROOTS = ("/v1/", "/v2/")  # under these a slash at the end of a path changes nothing
UNKNOWN_PATH = "/-"  # stands for every path that does not exist


class CanonicalPath:
    """ASGI middleware that replaces the path of a request by its canonical one.

    Args:
        app: The application behind it.
        paths: Every path that has a route.
        canonical: Returns the path among `paths` that stands for another one, or None.
    """

    def __init__(self, app: ASGIApp, paths: Set[str], canonical: Callable[[str], str | None]):
        self.app = app
        self.paths = paths
        self.canonical = canonical

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope[PATH] = scope["path"]
            if path.startswith(ROOTS):  # not of a page, whose links are relative to its path
                path = path.removesuffix("/")
            if path not in self.paths:
                path = self.canonical(path) or UNKNOWN_PATH
            scope["path"] = path
        await self.app(scope, receive, send)


def is_under(folder: str, path: str) -> bool:
    """Say whether `path` is `folder` or in it."""
    return path.startswith(folder) and path[len(folder) : len(folder) + 1] in ("", "/")
