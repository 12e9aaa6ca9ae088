"""Our series on the /metrics page: what is counted of each request, and of models and the log.

Of requests they have the names and labels that BentoML gives its own routes, which are not asked.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.request_id import BEGAN

SERIES = {
    "espalier_request_log_rows": "Records of the request log that were written.",
    "espalier_request_log_dropped": "Records of the request log that were lost: it was full or "
    "could not be written.",
    "espalier_feedback_labels": "Labels of earlier requests that were accepted.",
    "espalier_model_swaps": "Models that were put in their place, a task's first one included.",
    "espalier_model_refusals": "Published models that were refused.",
    "espalier_challenger_dropped": "Requests that a challenger on trial was not asked: too many "
    "were waiting.",
    "espalier_challenger_taken_out": "Challengers that a worker asks no more: they failed, or took "
    "ten times the champion's time.",
}
# What `espalier monitor` last wrote of a dataset: a field of its file → the series.
MONITORED = {
    "score": ("espalier_live_score", "The champion's score on the requests that were labelled."),
    "promise": ("espalier_live_promise", "Its score on the test split, which the gate decided by."),
    "labelled": ("espalier_live_labelled", "How many of its answers were labelled."),
    "drift": ("espalier_drift", "Evidence that requests have drifted; 0 is none."),
}
METRICS_PATH = "/metrics"
FLUSH_SECONDS = 0.25
LABELS = ("endpoint", "service_name", "service_version", "runner_name")
ANSWER_LABELS = (*LABELS, "http_response_code")


@cache
def counter(name: str, *labels: str) -> Counter:
    """Return the counter of this name; `_total` is added to it on the page."""
    return Counter(name, SERIES[name], labels)


def show_monitored(folder: Path) -> None:
    """Bring the gauges to what `espalier monitor` has written: `<task>-<dataset>.json` each.

    A file that is damaged, or is just being removed, changes nothing.
    """
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            written: dict[str, Any] = orjson.loads(path.read_bytes())
            for field in MONITORED.keys() & written.keys():
                value = written[field]
                gauge = monitored_series()[field].labels(written["task"], written["dataset"])
                gauge.set(float("nan") if value is None else value)


@cache
def monitored_series() -> dict[str, Gauge]:
    """Return the gauges of `show_monitored`, by the field of its files."""
    return {
        field: Gauge(name, text, ("task", "dataset"), multiprocess_mode="mostrecent")
        for field, (name, text) in MONITORED.items()
    }


@cache
def _request_series() -> tuple[Counter, Histogram, Gauge]:
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
    )


class RequestMetrics:
    """ASGI middleware that counts requests by their canonical path, of which there are few.

    The series are changed a few times a second, and before each scrape: a change writes to a file
    that the workers share, and five changes cost a request more than some models do.

    Args:
        app: The application behind it.
        service: The values of the last three `LABELS`.
        monitored: See `show_monitored`.
    """

    def __init__(self, app: ASGIApp, service: tuple[str, str, str], monitored: Path):
        self.app = app
        self.service = service
        self.monitored = monitored
        self.total, self.duration, self.in_progress = _request_series()
        self.running: dict[str, int] = defaultdict(int)  # requests in progress, by path
        self.seconds: dict[tuple[str, int], list[float]] = defaultdict(list)  # since the last flush
        self.timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, status = scope["path"], 500  # of an exception that nobody answered yet

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.running[path] += 1
        if path == METRICS_PATH:
            self.flush()
            show_monitored(self.monitored)
        self._flush_soon()
        try:
            return await self.app(scope, receive, send_and_note)
        finally:
            self.running[path] -= 1
            self.seconds[path, status].append(time.perf_counter() - scope[BEGAN])
            self._flush_soon()

    def flush(self) -> None:
        """Bring the series up to date."""
        self.timer = None
        for path, count in self.running.items():
            self.in_progress.labels(path, *self.service).set(count)
        finished, self.seconds = self.seconds, defaultdict(list)
        for (path, status), seconds in finished.items():
            labels = (path, *self.service, status)
            self.total.labels(*labels).inc(len(seconds))
            observe = self.duration.labels(*labels).observe
            for value in seconds:
                observe(value)

    def _flush_soon(self) -> None:
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
