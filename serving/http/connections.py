"""What one connection may hold, and for how long, before and after a request is ours to answer;
and what is answered here: what never becomes a request, and one that comes in a crowd.

Uvicorn by itself takes a head without an end, any number of requests ahead of their answers, waits
for a head as long as it takes, and for a reader who never reads. All that is bounded here; a body
has its own bounds (bodies.py).
"""

import asyncio
import sys

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from serving.http import errors
from serving.http.request_id import Door, id_of

MAX_CONNECTIONS = 2048
MAX_HEAD_BYTES = 1 << 16
MAX_HEADERS = 128
MAX_AHEAD = 16  # requests on one connection that came before their turn
CHUNK_BYTES = 32  # at most what a chunk of a body takes besides its data
# For a request's whole head, from the connection's beginning or its last answer on, and for taking
# what is waiting to be read. Uvicorn closes an idle connection after 5 s.
PATIENCE_SECONDS = 15
LOOK_SECONDS = 2.5
LAST = (b"connection", b"close")  # a header of every answer while the service ends
RETRY = (b"retry-after", b"1")
# What never becomes a request: status, code, message.
UNREADABLE = (400, "bad_request", "This is not a request of HTTP that can be read.")
LARGE_HEAD = (431, "head_too_large", "The head of the request is too large.")
MANY_HEADERS = (431, "head_too_large", f"The request has more than {MAX_HEADERS} headers.")
MANY_AHEAD = (429, "too_many_ahead", f"Over {MAX_AHEAD} requests came ahead of their answers.")


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ws_protocol_class = None  # no path here speaks WebSocket
        self.door = self.config.app if isinstance(self.config.app, Door) else None
        self.spare_bytes = MAX_HEAD_BYTES  # that may yet come besides the bodies
        self.turned_away = 0  # of the requests that were read together
        self.unfit = UNREADABLE  # what to say of a request at which the parser stops
        self.refusal: tuple | None = None  # to be written behind the answers that are yet to come
        self.answering: RequestResponseCycle | None = None  # uvicorn's `cycle` was read last
        self.ended = False  # the client says no more
        self.idle_since = self.loop.time()  # or since it was answered last
        self.full_since: float | None = None  # since when the client does not read
        self.look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self.look = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, error: Exception | None) -> None:
        if self.look:
            self.look.cancel()
        if self.answering:
            self.answering.disconnected = True
            self.answering.message_event.set()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.refusal:
            return
        self.turned_away = 0
        self.spare_bytes -= len(data)
        self._read(data)
        if self.spare_bytes < 0 and not self.refusal and not self.transport.is_closing():
            self._refuse(*LARGE_HEAD)

    def eof_received(self) -> bool:
        """Say whether to stay: who has said everything may wait for the answers to that."""
        asked = self.answering
        # TLS knows no half of an end.
        if self.scheme == "https" or not asked or asked.response_complete or asked.more_body:
            return False
        if self.pipeline and self.cycle.more_body and not self.refusal:
            self.pipeline.popleft()  # the rest of it never comes
        self.ended = True
        return True

    def _read(self, data: bytes) -> None:
        self.data = data
        super().data_received(data)
        self.data = b""

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol once more, without its offer.

        Called while the parser's exception says where the request's head ends. Such requests are
        usual: Java's client offers HTTP/2 with each one.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode("ascii")
        rest = self.data[sys.exception().args[0] :]
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._read(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _offers_upgrade(self) -> bool:
        # The parser takes what follows such a head for the other protocol's, be it a body.
        return self.parser.should_upgrade()

    def on_headers_complete(self) -> None:
        # What is raised here stops the parser.
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("No tunnel is made here.")
        if self._offers_upgrade():
            return
        if len(self.headers) > MAX_HEADERS:
            self.unfit = MANY_HEADERS
            raise ValueError("There are too many headers.")
        if len(self.pipeline) + self.turned_away >= MAX_AHEAD:
            self.unfit = MANY_AHEAD
            raise ValueError("There are too many requests ahead.")
        super().on_headers_complete()
        self.headers = []  # a trailer must not become a header

    def on_message_complete(self) -> None:
        if not self._offers_upgrade():
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        self.spare_bytes += len(body) + CHUNK_BYTES
        super().on_body(body)

    def on_response_complete(self) -> None:
        self.spare_bytes = MAX_HEAD_BYTES
        self.idle_since = self.loop.time()
        was_last = not self.pipeline
        super().on_response_complete()
        if was_last and self.refusal:
            self._answer(*self.refusal, last=True)
        elif was_last and self.ended:
            self.transport.close()

    def pause_writing(self) -> None:
        self.full_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.full_since = None
        super().resume_writing()

    def send_400_response(self, message: str) -> None:
        self._refuse(*self.unfit)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app) -> None:
        """Called when a request's head has come and what was asked before it is answered."""
        self.answering = cycle
        asks = self.door and cycle.scope["method"] == "POST" and not self.flow.write_paused
        if asks and not self.door.crowd.take_in():
            self._turn_away(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _turn_away(self, cycle: RequestResponseCycle) -> None:
        """Answer 429 at once: a task and the layers of the app would take as long again."""
        path, request_id = cycle.scope["path"], id_of(cycle.scope["headers"])
        self.door.turned_away(path)
        self.turned_away += 1
        cycle.response_started = cycle.response_complete = True
        # Whoever was asked to wait for a 100 before the body may leave that out now.
        last = not cycle.keep_alive or cycle.waiting_for_100_continue
        message = "Too many requests are waiting; try again in a second."
        self._answer(429, errors.body(path, request_id, "busy", message), request_id, last)
        self.on_response_complete()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer what never becomes a request, in its turn, and close the connection."""
        request_id = id_of([])
        refusal = status, errors.body("", request_id, code, message), request_id
        asked = self.cycle is not None and not self.cycle.response_complete
        if self.pipeline or (asked and not self.cycle.more_body):
            self.refusal = refusal
            if self.cycle.more_body:  # this one's own body went wrong: it shall not be answered
                self.pipeline.popleft()
        else:
            self._answer(*refusal, last=True)

    def _answer(self, status: int, body: bytes, request_id: str, last: bool) -> None:
        """Write an answer that no app was asked for; last: on this connection, which is closed."""
        if self.transport.is_closing():  # and this came behind the request that was the last
            return
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode("ascii")),
        ]
        if status == 429:
            headers.append(RETRY)
        if last and LAST not in headers:
            headers.append(LAST)
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        if LAST in headers:
            self.transport.close()

    def _look(self) -> None:
        """End a connection that is stuck; a closed one may be stuck too, with what nobody reads."""
        idle = self.cycle is None or self.cycle.response_complete
        since = self.idle_since if idle else self.full_since
        if since is not None and self.loop.time() - since > PATIENCE_SECONDS:
            self.transport.abort()
        else:
            self.look = self.loop.call_later(LOOK_SECONDS, self._look)
