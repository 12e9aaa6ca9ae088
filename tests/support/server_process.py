"""A real service: `bentoml serve` on a loopback port, with the artifacts of a test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from pipelines.processes.service import free_port

ROOT = Path(__file__).parents[2]


class Server:
    """A running service: its client, its process, and what it wrote."""

    def __init__(self, folder: Path, home: Path, port: int | None = None, **environment: str):
        self.home = home
        self.port = port or free_port()
        self.log = folder / "server.log"
        command = ["-m", "bentoml", "serve", "serving.service:Espalier", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=os.environ
                | {"ESPALIER_HOME": str(home), "BENTOML_HOME": str(folder / "bentoml")}
                | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def wait(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Poll until `condition` holds; a server that cannot be reached yet does not hold it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"Not within {seconds} s.\n{self.log.read_text()}")

    def alive(self) -> bool:
        return self.client.get("/livez").status_code == 200

    def ready(self) -> bool:
        return self.client.get("/readyz").status_code == 200

    def serves(self, task: str, version: str) -> bool:
        models = self.client.get("/v1/models").json()["models"]
        return any((model["task"], model["version"]) == (task, version) for model in models)

    def refuses(self, task: str) -> str | None:
        """The reason why the newest published model of a task was refused."""
        refused = self.client.get("/v1/models").json()["refused"]
        return next((entry["reason"] for entry in refused if entry["task"] == task), None)

    def processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@contextmanager
def serving(folder: Path, home: Path, **environment: str) -> Iterator[Server]:
    """Start a server and end it; `wait` for what you need."""
    server = Server(folder, home, **environment)
    try:
        yield server
    finally:
        server.stop()
