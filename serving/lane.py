"""The short way to the endpoints that models answer.

What Starlette and BentoML do around every route (contexts, spans, patterns of paths, four metrics
of five labels each) costs such a request twice its model's time. Here it passes the layers that
were asked for (the token, CORS, limits), and is counted as BentoML counts.
"""

import asyncio
import bisect
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from bentoml._internal.context import server_context
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import HANDLERS

COUNT_SECONDS = 0.25
# Layers that do nothing for these requests: no span is wanted of them, no context is asked for.
IDLE = ("OpenTelemetryMiddleware", "ContextMiddleware")

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("bentoml.espalier")


def shorten(app: Starlette, endpoints: Mapping[str, Endpoint]) -> None:
    """Let `app` answer a POST to the path of an endpoint without what that has no use for.

    Without BentoML's metrics there is no short way.
    """
    layers = {layer.cls: layer for layer in app.user_middleware}
    counted = layers.pop(RunnerTrafficMetricsMiddleware, None)
    if counted is None:
        return
    lane: ASGIApp = Lane(app, endpoints)
    for layer in reversed(layers.values()):
        if layer.cls.__name__ not in IDLE:
            lane = layer.cls(lane, *layer.args, **layer.kwargs)
    options = counted.kwargs | {"lane": lane, "paths": endpoints.keys()}
    place = app.user_middleware.index(counted)
    app.user_middleware[place] = Middleware(Counted, *counted.args, **options)


class Lane:
    """ASGI app of the endpoints alone, found by their whole paths."""

    def __init__(self, app: Starlette, endpoints: Mapping[str, Endpoint]):
        self.app = app
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self.endpoints[scope["path"]](request)
        except Exception as error:
            kind = next(kind for kind in type(error).__mro__ if kind in HANDLERS)
            if kind is Exception:
                log.exception("%s failed.", scope["path"])
            response = await HANDLERS[kind](request, error)
            # Its frames hold futures that hold it: in that circle the body would stay, up to
            # 16 MB, until the collector comes by.
            error.__traceback__ = None
        await response(scope, receive, send)


class Counted(RunnerTrafficMetricsMiddleware):
    """BentoML's metrics, told of the lane's requests a few times a second for many at once.

    Each change of a metric asks the system which process this is and writes to a mapped file:
    eight times a request that is more than some models take.
    """

    def __init__(self, app: ASGIApp, lane: ASGIApp, paths, **options):
        super().__init__(app, **options)
        self.lane = lane
        self.paths = paths
        self.in_progress = dict.fromkeys(paths, 0)
        self.seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self.paths or scope["method"] != "POST":
            self._tell()  # whoever asks for the metrics finds all of them
            return await super().__call__(scope, receive, send)
        path, status, start = scope["path"], 0, time.perf_counter()

        async def noting(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.in_progress[path] += 1
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(COUNT_SECONDS, self._tell)
        try:
            await self.lane(scope, receive, noting)
        finally:
            self.in_progress[path] -= 1
            self.seconds[path, status].append(time.perf_counter() - start)

    def _tell(self) -> None:
        """Bring the metrics up to date."""
        if self.timer is None:
            return
        self.timer.cancel()
        self.timer = None
        if not self._is_setup:
            self._setup()
        known = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        self.metrics_last_request_timestamp.labels(**known).set_to_current_time()
        for path, count in self.in_progress.items():
            self.metrics_request_in_progress.labels(endpoint=path, **known).set(count)
        told, self.seconds = self.seconds, defaultdict(list)
        for (path, status), seconds in told.items():
            labels = known | {"endpoint": path, "http_response_code": status}
            self.metrics_request_total.labels(**labels).inc(len(seconds))
            _observe(self.metrics_request_duration.labels(**labels), seconds)
        if any(self.in_progress.values()):  # they end without anybody who begins
            self.timer = asyncio.get_running_loop().call_later(COUNT_SECONDS, self._tell)


def _observe(histogram, values: list[float]) -> None:
    """Do what `observe` does of one value for many."""
    bounds, counts = histogram._upper_bounds, defaultdict(int)
    for value in values:
        counts[bisect.bisect_left(bounds, value)] += 1
    for place, count in counts.items():
        histogram._buckets[place].inc(count)
    histogram._sum.inc(sum(values))
