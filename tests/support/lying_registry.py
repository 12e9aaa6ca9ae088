"""A server that answers as MLflow's registry does, and lies as a test wants."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

METRICS = [{"key": "test_accuracy", "value": 0.9}, {"key": "fit_seconds", "value": 1}]


class Liar(ThreadingHTTPServer):
    """A server that answers as MLflow does, about one version; a test changes what it says."""

    def __init__(self, folder: Path, digest: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tags = {"espalier.state": "ready", "espalier.manifest_sha256": digest}
        # By name; a status instead of the bytes where a file is not to be had.
        self.files: dict[str, bytes | int] = {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        self.version = "1"
        self.no_champion = 0  # the status by which it says so
        self.elsewhere = None  # where it sends whoever asks
        self.run: int | dict = {"data": {"metrics": METRICS}}  # of the version, or why not
        self.asked: list[str | None] = []  # the Authorization of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Who asks may leave before it has read everything: where there is too much of it."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.headers["Authorization"])
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self.server.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere + self.path)
            self.end_headers()
        elif path.endswith("/alias") and self.server.no_champion:
            self.send_error(self.server.no_champion)
        elif path.endswith("/alias"):
            tags = [{"key": key, "value": value} for key, value in self.server.tags.items()]
            version = {"version": self.server.version, "run_id": "r", "tags": tags}
            self._say(json.dumps({"model_version": version}))
        elif path.endswith("/runs/get"):
            if isinstance(self.server.run, int):
                self.send_error(self.server.run)
            else:
                self._say(json.dumps({"run": self.server.run}))
        elif isinstance(file := self.server.files[asked["path"][0]], int):
            self.send_error(file)
        else:
            self._say(file)

    def _say(self, content: str | bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content.encode() if isinstance(content, str) else content)

    def log_message(self, *_):
        pass
