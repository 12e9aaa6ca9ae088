"""BentoML's ASGI app, completed: our error form, our routes, and the door around it all."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from serving.champions import Champions
from serving.door import Door
from serving.errors import HANDLERS
from serving.log import RequestLog
from serving.work import Work


def complete(app: Starlette, champions: Champions, log: RequestLog, routes: list[Route]) -> ASGIApp:
    """Return `app`, as `bentoml.Service.to_asgi` makes it, with what it lacks.

    routes: take the place of BentoML's own at the same paths.
    """
    app.state.champions = champions
    app.state.log = log
    app.state.work = Work()
    app.state.held_bytes = 0  # of bodies that are coming in
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    app.router.routes[:0] = routes
    # It answers a slow upload with 504 and keeps every request in memory for as long as it waits;
    # here bodies have their own deadline (bodies.py) and work its own bounds (work.py).
    app.user_middleware = [
        layer for layer in app.user_middleware if layer.cls.__name__ != "TimeoutMiddleware"
    ]
    return Door(app, _paths(app))


def _paths(app: Starlette) -> set[str]:
    """Return every path that `app` answers."""
    paths = set()
    for route in app.routes:
        if not isinstance(route, Mount):
            paths.add(route.path)
        elif directory := getattr(route.app, "directory", None):
            files = directory.rglob("*")
            paths |= {f"{route.path}/{file.relative_to(directory).as_posix()}" for file in files}
        else:
            paths |= {route.path + inner.path for inner in route.routes}
    return paths
