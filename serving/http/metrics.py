"""Our series on the /metrics page: what is counted of each request, and of models and the log.

Of requests they have the names and labels that BentoML gives its own routes, which are not asked.
"""

import asyncio
import math
import time
from collections import defaultdict
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ConfigDict
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
    "were waiting, or it had waited too long.",
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
MAX_MONITORED_BYTES = 1 << 16  # of a file of the monitor
FLUSH_SECONDS = 0.25
LABELS = ("endpoint", "service_name", "service_version", "runner_name")
ANSWER_LABELS = (*LABELS, "http_response_code")


@cache
def counter(name: str, *labels: str) -> Counter:
    """Return the counter of this name; `_total` is added to it on the page."""
    return Counter(name, SERIES[name], labels)


@cache
def monitored_series() -> dict[str, Gauge]:
    """Return the gauges of `Monitored`, by the field of its files."""
    return {
        field: Gauge(name, text, ("task", "dataset"), multiprocess_mode="mostrecent")
        for field, (name, text) in MONITORED.items()
    }


class Written(BaseModel):
    """What `espalier monitor` wrote of a dataset; null: there is no such number."""

    model_config = ConfigDict(strict=True)

    task: str
    dataset: str
    score: float | None = None
    promise: float | None = None
    labelled: float | None = None
    drift: float | None = None


class Monitored:
    """The gauges of what `espalier monitor` has written: `<task>-<dataset>.json` each.

    Args:
        folder: Where its files are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._shown: dict[Path, Written] = {}

    def show(self) -> None:
        """Bring the gauges to the files; a damaged one changes nothing.

        Where a file is gone its gauges become NaN: those of several workers cannot be removed.
        """
        for path in {*self.folder.glob("*.json"), *self._shown}:
            with suppress(OSError, ValueError):
                if path.exists():
                    self._shown[path] = written = Written.model_validate_json(_read(path))
                else:
                    gone = dict.fromkeys(self._shown[path].model_fields_set & MONITORED.keys())
                    written = self._shown.pop(path).model_copy(update=gone)
                for field in MONITORED.keys() & written.model_fields_set:
                    value = getattr(written, field)
                    gauge = monitored_series()[field].labels(written.task, written.dataset)
                    gauge.set(math.nan if value is None else value)


def _read(path: Path) -> bytes:
    """Return the content of a file, as much as one of the monitor's may have."""
    if not path.is_file():
        raise ValueError(f"{path} is no file.")  # reading a pipe would wait for its writer
    with path.open("rb") as file:
        return file.read(MAX_MONITORED_BYTES)


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
        monitored: The folder of `Monitored`.
    """

    def __init__(self, app: ASGIApp, service: tuple[str, str, str], monitored: Path):
        self.app = app
        self.service = service
        self.monitored = Monitored(monitored)
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
        try:
            if path == METRICS_PATH:
                self.flush()
                self.monitored.show()
            self._flush_soon()
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
