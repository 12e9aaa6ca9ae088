"""The request log of a worker, written twice a second.

A request only appends to a list; every sixteenth one turns the list into lines of JSON in a buffer,
since a thread that did thousands at once would hold the interpreter for milliseconds. A thread
hands the buffer to the system twice a second: a killed worker loses what came after that, and what
waits for a challenger on trial (docs/monitoring.md).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from starlette.requests import Request

from serving.http.metrics import counter
from serving.http.request_id import BEGAN
from serving.inference.loaded_model import Model
from serving.request_log.labels import Labels
from serving.request_log.records import Inputs, Outcome, to_line
from serving.request_log.segment import DAY_SECONDS, Segments

WRITE_SECONDS = 0.5
LINES_AT_ONCE = 16  # made one by one, between other work, they take three times as long
MAX_PENDING_BYTES = 1 << 16  # of a request's inputs: with more its line is made at once
MAX_BUFFER_BYTES = 8 << 20  # some seconds of what a worker answers at its fastest
WRITTEN, DROPPED = "espalier_request_log_rows", "espalier_request_log_dropped"

log = logging.getLogger("bentoml.espalier")


class RequestLog:
    """The log of one worker.

    Args:
        folder: Where the segments of all workers are; those of labels are beside it.
        megabytes: Bound on the size of each folder; 0 switches the log off.
        inputs: Whether the inputs are kept too.
        days: Bound on the age of a record.
    """

    def __init__(self, folder: Path, megabytes: int, inputs: bool, days: int = 90):
        self.folder, self.inputs, self.enabled = folder, inputs, megabytes > 0
        self.labels = Labels(folder.with_name("labels"), megabytes, days)
        self._segments = Segments(folder, megabytes << 20, days * DAY_SECONDS)
        self._lock = threading.Lock()  # of the next three
        self._pending: list[Callable[[], bytes]] = []  # lines that are yet to be made
        self._buffer, self._lines = bytearray(), 0
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that writes."""
        if self.enabled:
            self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what is left and stop the thread."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def record(
        self,
        request: Request,
        model: Model,
        task: str,
        inputs: Inputs,
        outcome: Outcome,
        *,
        signals: Mapping[str, float] | None = None,
        challenger: tuple[Model, Outcome] | None = None,
        at: tuple[int, float] | None = None,
    ) -> None:
        """Log an answer; never waits and never raises.

        Args:
            request: The request, with its id and the time it came in its scope.
            model: The model that answered.
            task: image, sentiment or forecast.
            inputs: What `Model.predict` was given.
            outcome: The answers, one for each input, or the exception that was raised instead.
            signals: Numbers that were measured of the request, by their names.
            challenger: A second model and its outcome on the same inputs.
            at: When it was answered, where that was before now: in nanoseconds since 1970, and how
                many seconds after its head.
        """
        if self._thread is None:
            return
        now, seconds = at or (time.time_ns(), time.perf_counter() - request.scope[BEGAN])
        answer = partial(to_line, request, model, task, inputs, outcome, signals, challenger)
        line = partial(answer, now, seconds, self.inputs)
        with self._lock:
            self._pending.append(line)
            if len(self._pending) >= LINES_AT_ONCE or _size(inputs) > MAX_PENDING_BYTES:
                self._make_lines()

    def _make_lines(self) -> None:
        """Make the pending lines; the caller holds the lock."""
        pending, self._pending = self._pending, []
        for make in pending:
            try:
                line = make()
                if len(self._buffer) + len(line) > MAX_BUFFER_BYTES:
                    counter(DROPPED).inc()
                    continue
            except Exception:  # whatever it is, the client gets its answer
                log.exception("A record of the request log could not be made.")
                counter(DROPPED).inc()
                continue
            self._buffer += line
            self._lines += 1

    def _run(self) -> None:
        counter(DROPPED)  # on the metrics page from the start
        stopping = False
        while not stopping:
            stopping = self._stop.wait(WRITE_SECONDS)
            try:
                self._write()
            except Exception:  # whatever it is, the next turn may succeed
                log.exception("The request log could not be written.")
        self._segments.close()
        self.labels.close()

    def _write(self) -> None:
        with self._lock:
            self._make_lines()
            buffer, self._buffer = self._buffer, bytearray()
            lines, self._lines = self._lines, 0
        try:
            if buffer:
                self._segments.append(buffer)
                self._failing = False
        except OSError as error:
            if not self._failing:
                log.error("Requests are answered, and not logged: %s", error)
            self._failing = True
            counter(DROPPED).inc(lines)
        else:
            counter(WRITTEN).inc(lines)
            self._segments.rotate()
            self.labels.rotate()


def _size(inputs: Inputs) -> int:
    """About how many bytes of memory the inputs take; 0 where they are not what they should be."""
    try:
        return inputs.nbytes if isinstance(inputs, np.ndarray) else sum(map(len, inputs))
    except TypeError:
        return 0
