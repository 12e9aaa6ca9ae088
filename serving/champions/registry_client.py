"""What an MLflow server says of its registered models, and their files, by its REST API.

The mlflow package takes 5 s and 154 MB of a process; an alias and some files take little.
"""

import base64
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

ALIAS = "champion"
API = "/api/2.0/mlflow"
WAIT_SECONDS = 5  # for the server to begin, or to go on
ANSWER_SECONDS, MAX_ANSWER_BYTES = 20, 1 << 22  # a run's page holds every metric
FILE_SECONDS = 600  # 1 GiB, the largest file of an artifact, at 2 MB a second
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Version:
    """A registered version; what a server that is not ours lacks is empty."""

    number: str
    run_id: str
    state: str  # `ready` once it may serve
    manifest_sha256: str


class Registry:
    """An MLflow server.

    uri: as MLFLOW_TRACKING_URI says it. Every method raises OSError, HTTPException, ValueError or
    LookupError where the server does not answer as one does.
    """

    def __init__(self, uri: str):
        server = urlsplit(uri)
        host = server.netloc.rpartition("@")[2]  # a password in it goes nowhere but into the header
        self.url = f"{server.scheme}://{host}{server.path.rstrip('/')}"
        self._headers = _authorization(server.username, server.password)
        self._opener = build_opener(_NoRedirects, _InTime)

    def champion(self, name: str) -> Version:
        """The version under the alias `champion`; raises LookupError where there is none."""
        try:
            asked = {"name": name, "alias": ALIAS}
            found = self._json(f"{API}/registered-models/alias", asked)["model_version"]
        except HTTPError as error:
            if error.code in (400, 404):
                raise LookupError(f"The registry names no {ALIAS} of {name}.") from error
            raise
        tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
        number = str(found["version"])
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise ValueError(f"A version's number is {number[:50]!r}.")
        return Version(
            number=number,
            run_id=found.get("run_id", ""),
            state=tags.get("espalier.state", ""),
            manifest_sha256=tags.get("espalier.manifest_sha256", ""),
        )

    def scores(self, version: Version) -> dict[str, float]:
        """What the version's fit scored on the test split."""
        run = self._json(f"{API}/runs/get", {"run_id": version.run_id})["run"]
        metrics = {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
        return {name: metrics[name] for name in sorted(metrics) if name.startswith("test_")}

    def file(self, name: str, version: Version, path: str, most: int) -> Iterator[bytes]:
        """The content of a file of the version's artifact, in pieces, and at most `most` bytes.

        The server fetches it from wherever its artifacts are.
        """
        asked = {"name": name, "version": version.number, "path": path}
        return self._get("/model-versions/get-artifact", asked, most, FILE_SECONDS)

    def _json(self, path: str, asked: dict[str, str]) -> dict:
        return json.loads(b"".join(self._get(path, asked, MAX_ANSWER_BYTES, ANSWER_SECONDS)))

    def _get(self, path: str, asked: dict[str, str], most: int, seconds: float) -> Iterator[bytes]:
        received = 0
        request = Request(f"{self.url}{path}?{urlencode(asked)}", headers=self._headers)
        with (
            _deadline(path, seconds) as request.deadline,
            self._opener.open(request, timeout=WAIT_SECONDS) as response,
        ):
            while piece := response.read1(CHUNK_BYTES):
                received += len(piece)
                if received > most:
                    raise ValueError(f"{path} answers more than {most} bytes.")
                yield piece


class _Deadline:
    """When a request ends, whatever the server says: a socket's timeout begins anew at each byte.

    seconds: from now on. held: what is to be closed when the request has ended.
    """

    def __init__(self, seconds: float, held: ExitStack):
        self._end, self._held = time.monotonic() + seconds, held

    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def end(self, connected: socket.socket) -> None:
        """Shut the connection down at the deadline, and whoever waits for it reads its end."""
        # Of our own: TLS and urllib each close the one that they are given.
        twin = self._held.enter_context(connected.dup())
        timer = threading.Timer(self._end - time.monotonic(), _shut_down, (twin,))
        timer.daemon = True
        timer.start()
        self._held.callback(timer.join)
        self._held.callback(timer.cancel)  # the last is called first


@contextmanager
def _deadline(path: str, seconds: float) -> Iterator[_Deadline]:
    """A deadline for the block; raises TimeoutError where it was over before the block was."""
    with ExitStack() as held:
        deadline = _Deadline(seconds, held)
        try:
            yield deadline
        except (OSError, HTTPException):
            if not deadline.is_over():
                raise
        if deadline.is_over():  # the error or the end that was read is perhaps our own doing
            raise TimeoutError(f"{path} takes longer than {seconds} s.")


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # the server was faster
        connection.shutdown(socket.SHUT_RDWR)


class _InTime(HTTPSHandler, HTTPHandler):
    """Has the deadline of a request end its connection, from before TLS or a proxy say a word."""

    def do_open(self, http_class: type[HTTPConnection], req: Request, **options) -> HTTPResponse:
        return super().do_open(partial(_connection, http_class, req.deadline), req, **options)


def _connection(
    http_class: type[HTTPConnection], deadline: _Deadline, host: str, **options
) -> HTTPConnection:
    connection = http_class(host, **options)

    def connect(*arguments) -> socket.socket:
        connected = socket.create_connection(*arguments)
        deadline.end(connected)
        return connected

    connection._create_connection = connect
    return connection


class _NoRedirects(HTTPRedirectHandler):
    """What we ask, with our password, is for this server alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _authorization(username: str | None, password: str | None) -> dict[str, str]:
    """The header of MLflow's clients: its own variables, or what the server's address says."""
    username = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(username or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(password or "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if username and password:
        both = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        return {"Authorization": f"Basic {both}"}
    return {"Authorization": f"Bearer {token}"} if token else {}
