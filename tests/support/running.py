"""A worker's server that runs in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from serving.http.connections import LAST
from serving.http.server import Server


async def no_content(scope, receive, send) -> None:
    """An ASGI app that answers 204 to everything."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def running(app) -> AsyncIterator[tuple[Server, tuple]]:
    """The server of an ASGI app, and its address; at the end it is told to end, and has."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    server = Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server._serve([listening]))  # `serve` would take the signals
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server, address
    finally:
        server.should_exit = True
        await serving


async def ending(server: Server) -> None:
    """Return as soon as it has begun to end."""
    server.should_exit = True
    while LAST not in server.server_state.default_headers:
        await asyncio.sleep(0)
