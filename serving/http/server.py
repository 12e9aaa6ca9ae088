"""The server of a worker: uvicorn's, which takes whoever has come, and ends gently."""

import asyncio
import logging
import socket
import time
import warnings

import uvicorn

from serving.http.connections import LAST, Connection

FEW = 8  # of the connections that wait, in a turn: the other workers shall have some too
FAREWELL_SECONDS = 0.5
RETRY_SECONDS = 1

log = logging.getLogger("bentoml.espalier")


def install() -> None:
    """Have this process serve by the server below: BentoML's worker asks uvicorn for its own."""
    uvicorn.Server = Server
    # Otherwise uvicorn composes a line for each request, which BentoML then throws away.
    logging.getLogger("uvicorn.access").propagate = False
    # Its warnings are of what clients sent: a stranger must not fill a disk with them.
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno != logging.WARNING)
    # So are Pillow's, with numbers from the picture: each would be a new line, and remembered.
    warnings.filterwarnings("ignore", module="PIL")


class Server(uvicorn.Server):
    """Accepts by itself: uvloop takes one connection in a turn of its loop.

    In a crowd a turn takes many milliseconds, and who came last would wait for seconds, unheard.
    Here as long as some are left twice as many are taken in the next turn.
    """

    async def startup(self, sockets: list[socket.socket]) -> None:
        await super().startup([])
        self.opening: set[asyncio.Task] = set()
        self.at_once = FEW
        for listening in sockets:
            listening.setblocking(False)
            listening.listen(self.config.backlog)
            self._listen(listening)

    async def shutdown(self, sockets: list[socket.socket]) -> None:
        """Take what has come and no more, then see every client off with an answer.

        A connection that is closed while a request is on its way on it loses that request. So the
        next answer on each says that it is the last, and only who asks nothing for half a second is
        left without one.
        """
        for listening in sockets:
            asyncio.get_running_loop().remove_reader(listening)
            self.at_once = self.config.backlog
            self._accept(listening)
            listening.close()
        self.server_state.default_headers.append(LAST)
        deadline = time.monotonic() + FAREWELL_SECONDS
        while (self.opening or self.server_state.connections) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await super().shutdown()

    def _listen(self, listening: socket.socket) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(self.at_once):
                connection, _ = listening.accept()
                task = loop.create_task(
                    loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)
                )
                self.opening.add(task)
                task.add_done_callback(self._opened)
            self.at_once *= 2
        except (BlockingIOError, ConnectionAbortedError):
            self.at_once = FEW
        except OSError as error:  # there are no descriptors left, most likely
            log.error("No connection can be accepted for a second: %s", error)
            loop.remove_reader(listening)
            loop.call_later(RETRY_SECONDS, self._listen, listening)

    def _opened(self, task: asyncio.Task) -> None:
        self.opening.discard(task)
        if not task.cancelled():
            task.exception()  # that of a TLS handshake is nothing to us

    def _protocol(self) -> asyncio.Protocol:
        return Connection(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
