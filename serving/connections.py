"""What one connection may hold, and for how long, before and after a request is ours to answer.

Uvicorn by itself takes a head without an end, any number of requests ahead of their answers, waits
for a head as long as it takes, and for a reader who never reads. All that is bounded here; a body
has its own bounds (bodies.py).
"""

import asyncio
from uuid import uuid4

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_CONNECTIONS = 2048
MAX_HEAD_BYTES = 1 << 16
MAX_HEADERS = 128
MAX_AHEAD = 16  # requests on one connection that came before their turn
CHUNK_BYTES = 32  # at most what a chunk of a body takes besides its data
# For a request's whole head, from the connection's beginning or its last answer on, and for taking
# what is waiting to be read. Uvicorn closes an idle connection after 5 s.
PATIENCE_SECONDS = 15
LOOK_SECONDS = 2.5


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ws_protocol_class = None  # no path here speaks WebSocket
        self.spare_bytes = MAX_HEAD_BYTES  # that may yet come besides the bodies
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
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.spare_bytes -= len(data)
        super().data_received(data)
        if self.spare_bytes < 0 and not self.transport.is_closing():
            self._refuse(431, "head_too_large", "The head of the request is too large.")

    def on_headers_complete(self) -> None:
        # What is raised here stops the parser, and is answered with 400.
        if len(self.headers) > MAX_HEADERS or len(self.pipeline) >= MAX_AHEAD:
            raise ValueError("There are too many headers, or too many requests ahead.")
        super().on_headers_complete()
        self.headers = []  # a trailer must not become a header

    def on_body(self, body: bytes) -> None:
        self.spare_bytes += len(body) + CHUNK_BYTES
        super().on_body(body)

    def on_response_complete(self) -> None:
        self.spare_bytes = MAX_HEAD_BYTES
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.full_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.full_since = None
        super().resume_writing()

    def send_400_response(self, message: str) -> None:
        self._refuse(400, "bad_request", "This is not a request of HTTP that can be read.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer in our form what never becomes a request, and close the connection."""
        request_id = uuid4().hex
        content = orjson.dumps(
            {"error": {"code": code, "message": message}, "request_id": request_id}
        )
        head = (
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            f"X-Request-ID: {request_id}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode("ascii") + content)
        self.transport.close()

    def _look(self) -> None:
        """End a connection that is stuck; a closed one may be stuck too, with what nobody reads."""
        idle = self.cycle is None or self.cycle.response_complete
        since = self.idle_since if idle else self.full_since
        if since is not None and self.loop.time() - since > PATIENCE_SECONDS:
            self.transport.abort()
        else:
            self.look = self.loop.call_later(LOOK_SECONDS, self._look)
