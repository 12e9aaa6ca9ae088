"""Which hosts the service answers for.

A web page can rebind its own name to 127.0.0.1 and let the browser of a visitor ask a service on
loopback. The browser then sends the name of the page in `Host`, which no service knows.
"""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import Problem, send_problem

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# A name, an IPv4 address or an IPv6 address in brackets, and a port.
HOST = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class HostCheck:
    """ASGI middleware that rejects a request for a host that the service does not know.

    Args:
        app: The application behind it.
        hosts: Names and addresses that are known beside those of loopback; without a port.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]):
        self.app = app
        self.hosts = {host.lower().encode("ascii") for host in (*LOOPBACK, *hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(scope["headers"]) if scope["type"] == "http" else None
        if problem is None:
            await self.app(scope, receive, send)
        else:
            await send_problem(problem, scope, receive, send)

    def _problem(self, headers: list[tuple[bytes, bytes]]) -> Problem | None:
        values = [value for name, value in headers if name == b"host"]
        match = HOST.fullmatch(values[0]) if len(values) == 1 else None
        if match is None:
            message = "The request needs exactly one Host header: a name or an address, and a port."
            return Problem(400, "invalid_host", message)
        if match[1].lower() in self.hosts:
            return None
        message = (
            f"This service does not answer for the host {match[1].decode('ascii')}. It answers for "
            f"{', '.join(LOOPBACK)} and the hosts that ESPALIER_HOSTS names, comma separated."
        )
        return Problem(400, "unknown_host", message)
