"""The request log: who was answered what by which model, written half a second behind.

A request only appends what is known of it to a list, and each sixteenth makes rows of them in a
buffer; a thread hands the buffer to the system twice a second, so that a kill costs at most what
came after that. Lines go into a journal, for nothing can be appended to Parquet and its library
takes 40 MB; a process of low priority turns journals that are through into Parquet and removes the
oldest (`parquet.py`).
"""

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from starlette.requests import Request

from serving.http.metrics import counter
from serving.http.request_id import BEGAN
from serving.inference.loaded_model import Model
from serving.request_log import records as rows
from serving.request_log.segment import SUFFIX, Journal

WRITE_SECONDS = 0.5
ROWS_AT_ONCE = 16  # one by one, between other work, they take three times as long
MAX_KEPT_BYTES = 1 << 16  # of what was sent: of more a row is made at once
MAX_BUFFER_BYTES = 8 << 20  # some seconds of what a worker answers at its fastest
MAX_JOURNAL_BYTES = 32 << 20
MAX_JOURNAL_SECONDS = 3600
ROOT = Path(__file__).resolve().parents[2]

log = logging.getLogger("bentoml.espalier")


class RequestLog:
    """The log of one worker.

    folder: where the journals and Parquet files of all workers are. megabytes: how many all of them
    may take together; 0 writes none. inputs: whether what was sent is kept too.
    """

    def __init__(self, folder: Path, megabytes: int, inputs: bool):
        self.folder = folder
        self.inputs = inputs
        self.max_bytes = megabytes << 20
        self._max_journal_bytes = min(MAX_JOURNAL_BYTES, self.max_bytes // 8)
        self._buffer, self._rows, self._dropped = bytearray(), 0, 0
        self._facts: list[tuple] = []  # of which no row has been made yet
        self._lock = threading.Lock()  # of these four
        self._journal: Journal | None = None
        self._sweeper: subprocess.Popen | None = None
        self._sweep_wanted = True  # what earlier workers left is seen to first
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        if self.max_bytes == 0:
            return
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left; the next start turns it into Parquet."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def record(
        self,
        request: Request,
        model: Model,
        task: str,
        things: list | np.ndarray,
        outcome: list[dict] | Exception,
    ) -> None:
        """Keep a row of what was answered; never waits and never raises.

        things: what `Model.answers` was given.
        outcome: the answers, one for each, or what was raised instead.
        """
        if self._thread is None:
            return
        seconds = time.perf_counter() - request.scope[BEGAN]
        with self._lock:
            self._facts.append((time.time_ns(), seconds, request, model, task, things, outcome))
        if len(self._facts) >= ROWS_AT_ONCE or _bytes(things) > MAX_KEPT_BYTES:
            self._compose()

    def _compose(self) -> None:
        """Make rows of the facts that have gathered."""
        with self._lock:
            gathered, self._facts = self._facts, []
        for facts in gathered:
            try:
                line = rows.line(*facts, self.inputs)
            except Exception:  # whatever it was, the client gets its answer
                log.exception("A row of the request log could not be made.")
                line = None
            with self._lock:
                if line is None or len(self._buffer) + len(line) > MAX_BUFFER_BYTES:
                    self._dropped += 1
                else:
                    self._buffer += line
                    self._rows += 1

    def _run(self) -> None:
        written = counter("espalier_request_log_rows")
        lost = counter("espalier_request_log_dropped")
        last = False
        while not last:
            last = self._stop.wait(WRITE_SECONDS)
            try:
                rows_written, rows_lost = self._write()
                written.inc(rows_written)
                lost.inc(rows_lost)
                self._sweep()
            except Exception:  # whatever it was, the next round may go well
                log.exception("The request log could not be kept.")

    def _write(self) -> tuple[int, int]:
        """Write what has gathered; returns how many rows were written, and how many lost."""
        self._compose()
        with self._lock:
            buffer, self._buffer = self._buffer, bytearray()
            rows, dropped = self._rows, self._dropped
            self._rows = self._dropped = 0
        try:
            if buffer:
                self._append(buffer)
            self._rotate()
        except OSError as error:
            if not self._failing:
                log.error("Requests are answered, and not logged: %s", error)
            self._failing = True
            return 0, dropped + rows
        self._failing = self._failing and not rows
        return rows, dropped

    def _append(self, lines: bytes) -> None:
        if self._journal and self._journal.gone():
            self._journal.close()
            self._journal = None
        if self._journal is None:
            self._journal = Journal(self.folder)
        self._journal.append(lines)

    def _rotate(self) -> None:
        """Close a journal that is large or old, and have it turned into Parquet."""
        if self._journal and (
            self._journal.size >= self._max_journal_bytes
            or time.monotonic() - self._journal.began >= MAX_JOURNAL_SECONDS
        ):
            self._journal.close()
            self._journal = None
            self._sweep_wanted = True

    def _sweep(self) -> None:
        """Start the process that sees to closed journals, unless it runs already."""
        if self._sweeper and self._sweeper.poll() is None:
            return
        self._sweeper = None
        wanted, self._sweep_wanted = self._sweep_wanted, False
        # Not at the end of a service: its folder may be gone in a moment.
        if wanted and not self._stop.is_set() and any(self.folder.glob(f"*{SUFFIX}")):
            self._sweeper = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "serving.request_log.parquet",
                    self.folder,
                    str(self.max_bytes),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
            )


def _bytes(things) -> int:
    """About how much memory a request's input takes; nothing where it is not what it should be."""
    if isinstance(things, np.ndarray):
        return things.nbytes
    try:
        return sum(map(len, things))
    except TypeError:
        return 0
