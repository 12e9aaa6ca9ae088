"""A challenger on trial beside the champion: who is asked, off the request's path, within bounds.

A shadow is asked what the champion was asked, after the answer, by one thread that uses at most a
share of a core. That thread shares the interpreter with whoever is answered, so it waits for a
moment in which nobody is, for a quarter of a second at most. Where both models read alike, it reads
a request's only input again just where both are timed, or for a guard that reads otherwise.
A canary answers a share of the requests itself. One that fails where the champion answers, or takes
ten times its time, is taken out of this worker at once; the request log says so to the monitor
(pipelines/monitoring/trial.py), which ends the trial everywhere.
"""

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from starlette.requests import Request

from serving.http.admission import InFlight
from serving.http.errors import Problem, problem_of
from serving.http.metrics import counter
from serving.http.request_id import BEGAN
from serving.inference.loaded_model import Model

CORE_SHARE = 0.25  # of one core, at most, on average
MAX_WAITING, MAX_WAITING_BYTES = 32, 8 << 20  # of requests whose challenger is yet to be asked
WAIT_SECONDS = 0.5  # for how long at most: they are on no disk meanwhile
GAP_SECONDS = 0.0005  # between two looks for a moment in which nobody is answered
BUSY_SECONDS = 0.25  # of waiting for such a moment, after which it is asked nonetheless
TIMES_SLOWER = 10
TIMED, TIMED_EACH = 10, 16  # on how many requests both are timed first, then on each sixteenth
OVER = "its trial has reached its limit of time, and nobody has ended it"
DROPPED, TAKEN_OUT = "espalier_challenger_dropped", "espalier_challenger_taken_out"

log = logging.getLogger("bentoml.espalier")


@dataclass(eq=False)
class Challenger:
    """A challenger in this worker.

    champion: who is challenged. out: why it is asked no more, once it is not. asked: requests so
    far. seconds: of computing, its own and the champion's on the same inputs, on `timed` of them.
    """

    model: Model
    champion: Model
    out: str | None = None
    asked: int = 0
    timed: int = 0
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])
    alike: bool = field(init=False)  # whether both make the same tensor of an input

    def __post_init__(self) -> None:
        self.alike = self.model.reads_as(self.champion)

    @property
    def share(self) -> int:
        """The percentage of requests that it answers; 0: it shadows."""
        return self.model.pointer.share or 0

    @property
    def ended(self) -> str | None:
        """Why it is asked no more: by this worker, or since its time is over."""
        until = self.model.pointer.until
        over = self.out is None and until is not None and datetime.now(UTC) >= until
        return OVER if over else self.out

    @property
    def shadows(self) -> bool:
        """Whether it is asked what the champion was asked."""
        return self.share == 0 and self.ended is None

    def answers(self, key: str) -> bool:
        """Whether it answers the requests with this key: the same in every worker and host."""
        if self.share == 0 or self.ended is not None:
            return False
        salted = f"{self.model.pointer.version} {key}".encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(salted, digest_size=8).digest()
        return int.from_bytes(digest) % 100 < self.share

    def take_out(self, reason: str, error: Exception | None = None) -> None:
        """Ask it no more in this worker."""
        if self.out is None:
            self.out = reason
            counter(TAKEN_OUT).inc()
            named = f"{self.model.pointer.name} version {self.model.pointer.version}"
            message = "The challenger %s is asked no more by this worker: %s"
            log.error(message, named, reason, exc_info=error)

    def failed(self, error: Exception) -> None:
        """Take it out for what it raised where the champion answers."""
        code = problem_of(error).code
        self.take_out(f"it failed where the champion answers: {code}", error)

    def is_due(self) -> bool:
        """Count a request; whether both are to be timed on it."""
        self.asked += 1
        return self.timed < TIMED or self.asked % TIMED_EACH == 0

    def predict(self, model: Model, one: "Answered") -> list[dict]:
        """Have one of the two answer what the other has; what that has read is not read again."""
        return model.predict(one.inputs, tensor=one.tensor if self.alike else None, **one.options)

    def compare(self, one: "Answered") -> Exception | None:
        """Time both on the same inputs; returns what is wrong where the challenger fails or is too
        slow. Where the champion fails, nothing is known of the challenger.
        """
        try:
            theirs = _seconds(partial(self.predict, self.champion, one))
            if self.alike and one.tensor is not None:  # to read the inputs is part of an answer
                reads: Any = self.champion.inputs
                theirs += (read := _seconds(partial(reads.to_tensor, one.inputs)))
            else:
                read = 0.0
        except Exception:
            return None
        try:
            ours = read + _seconds(partial(self.predict, self.model, one))
        except Exception as error:
            self.failed(error)
            return error
        self.seconds = [self.seconds[0] + ours, self.seconds[1] + theirs]
        self.timed += 1
        ours, theirs = self.seconds
        if self.timed < TIMED or ours <= TIMES_SLOWER * theirs:
            return None
        ratio = ours / max(theirs, 1e-9)
        self.take_out(f"it takes {ratio:.0f} times as long as the champion")
        message = f"The challenger takes {ratio:.0f} times as long as the champion."
        return Problem(503, "too_slow", message)


@dataclass(eq=False)
class Answered:
    """A request that was answered, for the record of it.

    signals: what was measured of its first input. tensor: what was read of its only one, without
    the batch that it was read in. at: when, in nanoseconds since 1970, and how many seconds after
    its head.
    """

    request: Request
    task: str
    inputs: list | np.ndarray
    answers: list[dict]
    options: dict[str, Any]
    signals: dict[str, float] | None
    tensor: np.ndarray | None
    at: tuple[int, float]

    def __post_init__(self) -> None:
        if self.tensor is not None and self.tensor.base is not None:
            self.tensor = self.tensor.copy()  # a view would keep the whole batch in memory

    @property
    def bytes(self) -> int:
        """About how many bytes of memory it takes while it waits."""
        return _size(self.inputs) + (0 if self.tensor is None else self.tensor.nbytes)


class Waiting(NamedTuple):
    """A request whose challenger is yet to be asked.

    ask: Asks it, and logs both answers. log: Logs the answer alone. size: In bytes. until: When it
    is asked no more, by time.monotonic.
    """

    ask: Callable[[], None]
    log: Callable[[], None]
    size: int
    until: float


class Trials:
    """The thread of this worker that asks challengers.

    Args:
        record: That of the request log, which gets every request, be its challenger asked or not.
        in_flight: The requests that are being answered.
    """

    def __init__(self, record: Callable[..., None], in_flight: InFlight):
        self._record, self._in_flight = record, in_flight
        self._waiting: queue.Queue[Waiting | None] = queue.Queue()
        self._bytes = 0  # of the inputs that wait; changed by the event loop, and by the thread
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def shadow(self, challenger: Challenger, one: Answered) -> None:
        """Have the challenger asked what the champion answered, unless too many requests wait."""
        self._put(partial(self._ask, challenger, one), one, challenger.champion)

    def answered(self, challenger: Challenger, one: Answered) -> None:
        """Log what the challenger answered itself; now and then both are timed before."""
        if challenger.is_due():
            self._put(partial(self._time, challenger, one), one, challenger.model)
        else:
            self._log(one, challenger.model)

    def stop(self) -> None:
        """Log what waits, asking nobody any more, and end the thread."""
        self._ending.set()
        if self._thread:
            self._waiting.put(None)
            self._thread.join()

    def _put(self, ask: Callable[[], None], one: Answered, model: Model) -> None:
        """Have one asked, or log at once what `model` answered."""
        alone = partial(self._log, one, model)
        waiting = Waiting(ask, alone, one.bytes, time.monotonic() + WAIT_SECONDS)
        with self._lock:
            full = self._bytes + waiting.size > MAX_WAITING_BYTES
            full = full or self._waiting.qsize() >= MAX_WAITING or self._ending.is_set()
            self._bytes += 0 if full else waiting.size
        if full:
            counter(DROPPED).inc()
            return alone()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="trials", daemon=True)
            self._thread.start()
        return self._waiting.put(waiting)

    def _run(self) -> None:
        rested = 0.0  # when the rest after the last one ends, by time.monotonic
        while (waiting := self._waiting.get()) is not None:
            start = time.thread_time()
            try:
                if self._may_begin(rested, waiting.until):
                    waiting.ask()
                    rest = (time.thread_time() - start) * (1 / CORE_SHARE - 1)
                    rested = time.monotonic() + rest
                else:
                    counter(DROPPED).inc()
                    waiting.log()
            except Exception:  # whatever it is, the next one may succeed
                log.exception("A challenger could not be asked.")
            with self._lock:
                self._bytes -= waiting.size

    def _may_begin(self, rested: float, until: float) -> bool:
        """Wait for a moment in which nobody is answered, once the thread has rested; at most
        BUSY_SECONDS, or until the rest ends.

        Returns:
            Whether it came in time.
        """
        began = time.monotonic()
        while not self._ending.is_set():
            now = time.monotonic()
            if now >= rested and (now >= began + BUSY_SECONDS or self._in_flight.count == 0):
                return True
            if now >= until:
                return False
            self._ending.wait(max(GAP_SECONDS, min(rested, until) - now))
        return False

    def _ask(self, challenger: Challenger, one: Answered) -> None:
        """Ask a shadow, and log both answers."""
        if challenger.out is not None:
            return self._log(one, challenger.champion)
        outcome: list[dict] | Exception
        try:
            outcome = challenger.predict(challenger.model, one)
        except Exception as error:
            challenger.failed(error)
            outcome = error
        else:
            if challenger.is_due():
                outcome = challenger.compare(one) or outcome
        return self._log(one, challenger.champion, (challenger.model, outcome))

    def _time(self, challenger: Challenger, one: Answered) -> None:
        """Ask the champion what a canary has answered, time both, and log both answers.

        Where the champion fails, the canary's answer is logged alone.
        """
        if challenger.out is not None:
            return self._log(one, challenger.model)
        try:
            outcome = challenger.predict(challenger.champion, one)
        except Exception:
            return self._log(one, challenger.model)
        second: tuple[Model, Any] = challenger.champion, outcome
        if problem := challenger.compare(one):
            second = challenger.model, problem
        return self._log(one, challenger.model, second)

    def _log(self, one: Answered, model: Model, second: tuple[Model, Any] | None = None) -> None:
        self._record(
            one.request,
            model,
            one.task,
            one.inputs,
            one.answers,
            signals=one.signals,
            challenger=second,
            at=one.at,
        )


def now(request: Request) -> tuple[int, float]:
    """The time of an answer, as `Answered` has it."""
    return time.time_ns(), time.perf_counter() - request.scope[BEGAN]


def _seconds(compute: Callable[[], Any]) -> float:
    """Return how long something takes that was done before.

    The time is this thread's own, whatever else the machine does, and that of a second turn:
    nobody gains by what is remembered of the inputs, or loses by a cold cache.
    """
    compute()
    start = time.thread_time()
    compute()
    return time.thread_time() - start


def _size(inputs: list | np.ndarray) -> int:
    """About how many bytes of memory inputs that were answered take, at most."""
    if isinstance(inputs, np.ndarray):
        return inputs.nbytes
    each: dict[type, int] = {str: 4, list: 32}  # a character, and a number with its place in a list
    return sum(each.get(type(one), 1) * len(one) for one in inputs)
