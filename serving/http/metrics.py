"""Our series on the /metrics page: what is counted of each request, and of models and the log.

Of requests they have the names and labels that BentoML gives its own routes, which are not asked.
"""

import time
from functools import cache

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.request_id import BEGAN

SERIES = {
    "espalier_request_log_rows": "Records of the request log that were written.",
    "espalier_request_log_dropped": "Records of the request log that were lost: it was full or "
    "could not be written.",
    "espalier_model_swaps": "Models that were put in their place, a task's first one included.",
    "espalier_model_refusals": "Published models that were refused.",
}
SERVICE_LABELS = ("service_name", "service_version", "runner_name")
LABELS = ("endpoint", *SERVICE_LABELS)
ANSWER_LABELS = (*LABELS, "http_response_code")


@cache
def counter(name: str, *labels: str) -> Counter:
    """Return the counter of this name; `_total` is added to it on the page."""
    return Counter(name, SERIES[name], labels)


@cache
def _request_series() -> tuple[Counter, Histogram, Gauge, Gauge]:
    prefix = "bentoml_service_"
    return (
        Counter(f"{prefix}request_total", "Total number of HTTP requests", ANSWER_LABELS),
        Histogram(f"{prefix}request_duration_seconds", "HTTP request duration", ANSWER_LABELS),
        Gauge(
            f"{prefix}request_in_progress",
            "Total number of HTTP requests in progress now",
            LABELS,
            multiprocess_mode="livesum",
        ),
        Gauge(
            f"{prefix}last_request_timestamp_seconds",
            "Timestamp of the last received request",
            SERVICE_LABELS,
            multiprocess_mode="mostrecent",
        ),
    )


class RequestMetrics:
    """ASGI middleware that counts requests by their canonical path, of which there are few.

    Args:
        app: The application behind it.
        service: The values of `SERVICE_LABELS`.
    """

    def __init__(self, app: ASGIApp, service: tuple[str, str, str]):
        self.app = app
        self.service = service
        self.total, self.duration, self.in_progress, last_request = _request_series()
        self.last_request = last_request.labels(*service)
        # To look a child up by its labels costs a request more than to change it.
        self.gauges: dict[str, Gauge] = {}
        self.answers: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, status = scope["path"], 500  # of an exception that nobody answered yet

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        gauge = self._gauge(path)
        gauge.inc()
        try:
            await self.app(scope, receive, send_and_note)
        finally:
            gauge.dec()
            total, duration = self._answers(path, status)
            total.inc()
            duration.observe(time.perf_counter() - scope[BEGAN])
            self.last_request.set_to_current_time()

    def _gauge(self, path: str) -> Gauge:
        if path not in self.gauges:
            self.gauges[path] = self.in_progress.labels(path, *self.service)
        return self.gauges[path]

    def _answers(self, path: str, status: int) -> tuple[Counter, Histogram]:
        if (path, status) not in self.answers:
            labels = (path, *self.service, status)
            self.answers[path, status] = self.total.labels(*labels), self.duration.labels(*labels)
        return self.answers[path, status]
