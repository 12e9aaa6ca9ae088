"""The short way to the endpoints that models answer.

What Starlette and BentoML do around every route (contexts, spans, patterns of paths, four metrics
of five labels each) costs such a request twice its model's time. The door sends it here instead: it
passes the layers that were asked for (the token, CORS, limits), and is counted as BentoML counts.
"""

import asyncio
import bisect
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping

from bentoml._internal.context import server_context
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.errors import HANDLERS
from serving.http.request_id import BEGAN, REQUEST_ID

COUNT_SECONDS = 0.25
IDLE = "ContextMiddleware"  # does nothing for these requests: no context is asked for

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("bentoml.espalier")


def short_way(app: Starlette, endpoints: Mapping[str, Endpoint]) -> "Lane | None":
    """Return the short way to endpoints that lie in `app`, by their paths.

    Without BentoML's metrics there is none.
    """
    layers = {layer.cls: layer for layer in app.user_middleware}
    counting = layers.pop(RunnerTrafficMetricsMiddleware, None)
    if counting is None:
        return None
    answer: ASGIApp = Answering(app, endpoints)
    for layer in reversed(layers.values()):
        if layer.cls.__name__ != IDLE:
            answer = layer.cls(answer, *layer.args, **layer.kwargs)
    tally = Tally(endpoints)
    place = app.user_middleware.index(counting)
    app.user_middleware[place] = Middleware(Counted, *counting.args, **counting.kwargs, tally=tally)
    return Lane(answer, endpoints.keys(), tally)


class Lane:
    """ASGI app of the endpoints alone, which counts its requests."""

    def __init__(self, answer: ASGIApp, paths: Container[str], tally: "Tally"):
        self.answer = answer
        self.paths = paths
        self.tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, status = scope["path"], 0
        request_id = b"x-request-id", scope[REQUEST_ID].encode("ascii")

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append(request_id)
            await send(message)

        self.tally.begin(path)
        try:
            await self.answer(scope, receive, noting)
        finally:
            self.tally.end(path, status, time.perf_counter() - scope[BEGAN])


class Answering:
    """ASGI app that answers by an endpoint, or with the error that it raised."""

    def __init__(self, app: Starlette, endpoints: Mapping[str, Endpoint]):
        self.app = app
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self.app  # as Starlette does
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


class Tally:
    """Counts of the lane's requests, of which the metrics are told a few times a second.

    Each change of a metric asks the system which process this is and writes to a mapped file:
    eight times a request that is more than some models take.
    """

    def __init__(self, paths: Iterable[str]):
        self.in_progress = dict.fromkeys(paths, 0)
        self.seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.metrics: Counted | None = None
        self.timer: asyncio.TimerHandle | None = None

    def begin(self, path: str) -> None:
        self.in_progress[path] += 1
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(COUNT_SECONDS, self.tell)

    def end(self, path: str, status: int, seconds: float) -> None:
        self.in_progress[path] -= 1
        self.seconds[path, status].append(seconds)

    def tell(self) -> None:
        """Bring the metrics up to date."""
        if self.timer is None:
            return
        self.timer.cancel()
        self.timer = None
        told, self.seconds = self.seconds, defaultdict(list)
        self.metrics.add(told, self.in_progress)
        if any(self.in_progress.values()):  # they end without anybody who begins
            self.timer = asyncio.get_running_loop().call_later(COUNT_SECONDS, self.tell)


class Counted(RunnerTrafficMetricsMiddleware):
    """BentoML's metrics of all other requests, which take in what the lane's tally tells."""

    def __init__(self, app: ASGIApp, tally: Tally, **options):
        super().__init__(app, **options)
        self.tally = tally
        tally.metrics = self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tally.tell()  # whoever asks for the metrics finds all of them
        await super().__call__(scope, receive, send)

    def add(
        self, told: Mapping[tuple[str, int], list[float]], in_progress: Mapping[str, int]
    ) -> None:
        """Add requests: their seconds by path and status, and how many are under way by path."""
        if not self._is_setup:
            self._setup()
        known = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        self.metrics_last_request_timestamp.labels(**known).set_to_current_time()
        for path, count in in_progress.items():
            self.metrics_request_in_progress.labels(endpoint=path, **known).set(count)
        for (path, status), seconds in told.items():
            labels = known | {"endpoint": path, "http_response_code": status}
            self.metrics_request_total.labels(**labels).inc(len(seconds))
            _observe(self.metrics_request_duration.labels(**labels), seconds)


def _observe(histogram, values: list[float]) -> None:
    """Do what `observe` does of one value for many."""
    bounds, counts = histogram._upper_bounds, defaultdict(int)
    for value in values:
        counts[bisect.bisect_left(bounds, value)] += 1
    for place, count in counts.items():
        histogram._buckets[place].inc(count)
    histogram._sum.inc(sum(values))
