"""The ASGI application: every route of ours, and the middleware around them in order.

BentoML's own application lies behind it and answers what is forwarded to it.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from serving.api import v1
from serving.api.feedback import FEEDBACK
from serving.api.openapi import description
from serving.api.page import PAGES
from serving.champions.slots import Champions
from serving.http.admission import Admission, InFlight
from serving.http.auth import BearerToken, needed_scope
from serving.http.bodies import Uploads
from serving.http.canonical_path import CanonicalPath
from serving.http.clients import Clients
from serving.http.errors import HANDLERS
from serving.http.host_check import HostCheck
from serving.http.metrics import RequestMetrics
from serving.http.request_id import RequestId
from serving.http.shutdown import bound_graceful_shutdown
from serving.inference.executor import Executor
from serving.inference.micro_batching import Batches
from serving.inference.predict import SESSION
from serving.inference.trial import Trials
from serving.inference_protocol import v2
from serving.request_log.writer import RequestLog

# What BentoML's application answers: probes, metrics, its client's schema, Swagger UI for /docs.
FORWARDED = (
    "/livez",
    "/healthz",
    "/metrics",
    "/schema.json",
    "/static_content/swagger-ui.css",
    "/static_content/swagger-ui-bundle.js",
)
BINARY = "Inference-Header-Content-Length"  # of a body or an answer with raw tensors
# The paths on which the models of datasets are asked, which come and go.
DATASET = re.compile(r"/v1/[^/]+/[^/]+|/v2/models/[^/]+/infer")


@dataclass(frozen=True)
class Limits:
    """Who may ask, and how much at a time; see serving/settings.py."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    clients: Clients
    protected: tuple[str, ...]
    requests: int

    def closes(self, path: str) -> bool:
        """Whether only clients are answered on a path now."""
        return not self.clients.is_open() and needed_scope(path, self.protected) is not None


def application(
    bentoml_app: Starlette,
    champions: Champions,
    log: RequestLog,
    limits: Limits,
    service: tuple[str, str, str],
) -> Starlette:
    """Return our application in front of BentoML's.

    Args:
        bentoml_app: What `bentoml.Service.to_asgi` returns.
        champions: The models that serve.
        log: Where requests are recorded.
        limits: Who may ask, and how much at a time.
        service: The labels of its metrics; see RequestMetrics.
    """
    routes = _routes(champions.tasks, bentoml_app, description(champions, limits.closes))
    paths = {route.path for route in routes}
    models = {route.path for route in routes if "POST" in (route.methods or ())}
    in_flight = InFlight(Uploads())

    def canonical(path: str) -> str | None:
        route = v1.canonical(champions, path) or v2.canonical(champions, path)
        if route and DATASET.fullmatch(route):  # a set, so that the fixed ones cost no more
            models.add(route)
        return route

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestId),
            Middleware(CanonicalPath, paths=paths, canonical=canonical),
            Middleware(RequestMetrics, service=service, monitored=log.folder.with_name("monitor")),
            Middleware(HostCheck, hosts=limits.hosts),
            *_cross_origin(limits.origins),
            Middleware(BearerToken, clients=limits.clients, protected=limits.protected),
            Middleware(Admission, paths=models, limit=limits.requests, in_flight=in_flight),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan(bentoml_app),
    )
    app.router.redirect_slashes = False
    app.state.champions = champions
    app.state.log = log
    app.state.executor = Executor()
    app.state.batches = Batches(log.enabled)
    app.state.trials = Trials(log.record, in_flight)
    app.state.uploads = in_flight.uploads
    return app


def _cross_origin(origins: tuple[str, ...]) -> list[Middleware]:
    """Return what lets pages of other origins read answers: nothing where none is named.

    It stands before authentication, since a browser asks for leave without the token.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Encoding", "X-Request-ID", SESSION, BINARY],
            expose_headers=["X-Request-ID", "Retry-After", BINARY],
        )
    ]


def _routes(tasks: tuple[str, ...], bentoml_app: Starlette, described: Route) -> list[Route]:
    """Return the routes: those that are asked most come first, each of a fixed path."""
    return [
        *(v1.TASK_ROUTES[task] for task in tasks),
        *v2.protocol_routes(tasks),
        *(FEEDBACK, v1.READY, v1.MODELS, v1.EXAMPLES, *PAGES, described),
        *v1.dataset_routes(tasks),
        *(Route(path, bentoml_app, methods=["GET"]) for path in FORWARDED),
    ]


def _lifespan(bentoml_app: Starlette) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return the lifespan of our application: that of BentoML's, which starts the service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with bentoml_app.router.lifespan_context(bentoml_app):
            bound_graceful_shutdown()
            yield
            app.state.trials.stop()

    return lifespan
