"""BentoML's ASGI app, completed: our error form, our routes, and the door around it all."""

from collections.abc import Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.champions.slots import Champions
from serving.http.auth import Access
from serving.http.bodies import Incoming
from serving.http.crowd import Crowd
from serving.http.errors import HANDLERS
from serving.http.lane import Endpoint, short_way
from serving.http.request_id import Door
from serving.inference.executor import Executor
from serving.inference.micro_batching import Batches
from serving.request_log.writer import RequestLog


def complete(
    app: Starlette,
    champions: Champions,
    log: RequestLog,
    routes: list[Route],
    endpoints: Mapping[str, Endpoint],
    canonical: Callable[[str], str | None],
    token: str | None = None,
    protected: Iterable[str] = (),
) -> ASGIApp:
    """Return `app`, as `bentoml.Service.to_asgi` makes it, with what it lacks.

    routes: take the place of BentoML's own at the same paths. endpoints: what models answer, by its
    path; see lane.py. canonical: see Door. token, protected: see Access.
    """
    crowd = Crowd()
    app.state.champions = champions
    app.state.log = log
    app.state.executor = Executor()
    app.state.batches = Batches(crowd)
    app.state.incoming = Incoming()
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    app.router.routes.insert(0, Table(routes))
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            route.app = WholeFiles(directory=route.app.directory)
    # It answers a slow upload with 504 and keeps every request in memory for as long as it waits;
    # here bodies have their own deadline (bodies.py) and work its own bounds (work.py).
    # OpenTelemetryMiddleware logs what it cannot read of a header, in the client's own words.
    left_out = ("TimeoutMiddleware", "OpenTelemetryMiddleware")
    app.user_middleware = [
        layer for layer in app.user_middleware if layer.cls.__name__ not in left_out
    ]
    if token is not None:
        app.user_middleware.append(Middleware(Access, token=token, protected=protected))
    return Door(app, _paths(app), canonical, short_way(app, endpoints), crowd)


class Table(BaseRoute):
    """Routes of fixed paths, found by one look-up: to try them in turn costs each request 10 µs."""

    def __init__(self, routes: list[Route]):
        self.routes = {route.path: route for route in routes}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        route = self.routes.get(scope["path"])
        return route.matches(scope) if route else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.routes[scope["path"]].handle(scope, receive, send)


class WholeFiles(StaticFiles):
    """Files that are sent whole: a range that is wrong Starlette refuses in words of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]

        async def send_without_offer(message: Message) -> None:
            if message["type"] == "http.response.start":
                offered = (b"accept-ranges", b"bytes")
                message["headers"] = [one for one in message["headers"] if one != offered]
            await send(message)

        await super().__call__(scope, receive, send_without_offer)


def _paths(app: Starlette) -> set[str]:
    """Return every path that `app` answers."""
    paths = set()
    for route in app.routes:
        if isinstance(route, Table):
            paths |= route.routes.keys()
        elif not isinstance(route, Mount):
            paths.add(route.path)
        elif directory := getattr(route.app, "directory", None):
            files = directory.rglob("*")
            paths |= {f"{route.path}/{file.relative_to(directory).as_posix()}" for file in files}
        else:
            paths |= {route.path + inner.path for inner in route.routes}
    return paths
