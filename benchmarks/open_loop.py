"""Send requests at times that are fixed beforehand, and note when each was answered.

A driver that waits for an answer before it asks again asks less of a server that is slow, and never
sees how long others would have waited ("coordinated omission"). Here the next request is due
whatever became of the one before, and its latency counts from the time at which it was due: also
while it waits for a connection to be free.

One thread, one request at a time on each kept-alive connection, no library between: a client that
costs more than the server would measure itself.
"""

import gc
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

# What stands for a status where there is none.
REFUSED = 0  # no connection: nothing listens
CLOSED = -1  # the connection ended before a byte of the answer: the request may be sent again
TORN = -2  # it ended within the answer
UNANSWERED = -3  # there was no answer when the driver gave up

PATIENCE_SECONDS = 10  # for the last answers


class Outcome(NamedTuple):
    """What became of one request; times by time.monotonic."""

    due: float
    sent: float
    answered: float
    status: int
    version: str  # of the model that answered, where the answer names one


def request(path: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Return the bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def drive(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int = 64,
    going_on: Callable[[], bool] = lambda: True,
) -> list[Outcome]:
    """Send `requests` in turn, `rate` of them a second, and return what became of each.

    connections: how many; a request that is due waits while all of them are busy. One that the
    server ends is made again when it is needed.
    going_on: asked before each request; once it says no, nothing more is sent.
    """
    # The collector would stop the driver for as long as it looks at all these outcomes.
    gc.disable()
    try:
        return _Driver(port, requests, rate, connections).run(round(rate * seconds), going_on)
    finally:
        gc.enable()


class _Connection:
    """A connection, and the request that is on its way on it."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self.socket.fileno()
        self.due = self.sent = 0.0
        self.received = b""


class _Driver:
    def __init__(self, port: int, requests: Sequence[bytes], rate: float, connections: int):
        self.port = port
        self.requests = requests
        self.rate = rate
        self.most = connections
        self.free: deque[_Connection] = deque()
        self.busy: dict[int, _Connection] = {}
        self.outcomes: list[Outcome] = []
        self.poll = select.epoll()

    def run(self, count: int, going_on: Callable[[], bool]) -> list[Outcome]:
        self.free.extend(self._connected() for _ in range(self.most))
        start, number = time.monotonic(), 0
        while number < count and going_on():
            due = start + number / self.rate
            if (time.monotonic() >= due) and (self.free or len(self.busy) < self.most):
                self._send(self.requests[number % len(self.requests)], due)
                number += 1
            else:
                self._receive(due)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.busy and time.monotonic() < deadline:
            self._receive(deadline)
        for connection in list(self.busy.values()):
            self._end(connection, UNANSWERED)
        for connection in self.free:
            connection.socket.close()
        self.poll.close()
        return self.outcomes

    def _send(self, content: bytes, due: float) -> None:
        try:
            connection = self.free.popleft() if self.free else self._connected()
        except OSError:
            now = time.monotonic()
            self.outcomes.append(Outcome(due, now, now, REFUSED, ""))
            return
        connection.due, connection.sent = due, time.monotonic()
        self.busy[connection.number] = connection
        with suppress(OSError):  # of one that the server closed: reading will tell
            connection.socket.sendall(content)

    def _connected(self) -> _Connection:
        connection = _Connection(self.port)
        self.poll.register(connection.number, select.EPOLLIN)
        return connection

    def _receive(self, until: float) -> None:
        """Take what comes before the next request is due."""
        # epoll waits for whole milliseconds, select for microseconds.
        wait = max(0.0, until - time.monotonic()) if len(self.busy) < self.most else None
        if not select.select([self.poll], [], [], wait)[0]:
            return
        for number, _ in self.poll.poll(0):
            connection = self.busy.get(number)
            if connection is None:
                self._forget(next(one for one in self.free if one.number == number))
            else:
                self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            part = connection.socket.recv(1 << 16)
        except OSError:
            part = b""
        if not part:
            self._end(connection, TORN if connection.received else CLOSED)
            return
        connection.received += part
        head, found, body = connection.received.partition(b"\r\n\r\n")
        if found and len(body) >= int(_header(head, b"content-length")):
            self._answered(connection, head, body)

    def _answered(self, connection: _Connection, head: bytes, body: bytes) -> None:
        status, version = int(head[9:12]), body.partition(b'"version":"')[2].partition(b'"')[0]
        now = time.monotonic()
        outcome = Outcome(connection.due, connection.sent, now, status, version.decode())
        self.outcomes.append(outcome)
        del self.busy[connection.number]
        connection.received = b""
        self.free.append(connection)
        if _header(head, b"connection") == b"close":
            self._forget(connection)

    def _end(self, connection: _Connection, status: int) -> None:
        """Give up a connection on which a request was on its way."""
        now = time.monotonic()
        self.outcomes.append(Outcome(connection.due, connection.sent, now, status, ""))
        del self.busy[connection.number]
        self.free.append(connection)
        self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        self.free.remove(connection)
        self.poll.unregister(connection.number)
        connection.socket.close()


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0] or b"0"


def milliseconds(outcomes: Iterable[Outcome], percent: float, status: int = 200) -> float:
    """The latency that so many percent of the answers of this status do not exceed."""
    latencies = [one.answered - one.due for one in outcomes if one.status == status]
    return float(np.percentile(latencies, percent)) * 1000 if latencies else float("nan")


def statuses(outcomes: Iterable[Outcome]) -> dict[int, int]:
    """How often there was which status."""
    found: dict[int, int] = {}
    for outcome in outcomes:
        found[outcome.status] = found.get(outcome.status, 0) + 1
    return found
