"""The service in a process of its own, and the workers that answer for it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from pipelines.processes import child_process, service
from pipelines.runtime import environment

START_SECONDS = 60


class Served:
    """A service that runs with its state in `home`."""

    def __init__(self, home: Path, process: subprocess.Popen, port: int):
        self.home, self.process, self.port = home, process, port
        self.url = f"http://127.0.0.1:{port}"

    def workers(self) -> list[psutil.Process]:
        return workers_of(self.process.pid)


@contextmanager
def served(home: Path, **variables: str) -> Iterator[Served]:
    """Serve what is published in `home`, for the time of the block; ready when it begins."""
    port = service.free_port()
    own = {"ESPALIER_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
    log = environment.home() / "logs" / "bench-served.log"
    command, env = service.command(service.CHECKOUT, port), os.environ | own | variables
    with child_process.started(command, log, cwd=environment.ROOT, env=env) as process:
        running = Served(home, process, port)
        until(lambda: is_ready(running.url), START_SECONDS)
        yield running


def workers_of(server: int) -> list[psutil.Process]:
    """The processes that answer, by the one that `bentoml serve` was started in."""
    children = psutil.Process(server).children(recursive=True)
    return [one for one in children if "_bentoml_impl.worker.service" in one.cmdline()]


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until `condition` holds; returns how long that took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise SystemExit(f"The service was not ready within {seconds} s.")
        time.sleep(0.01)
    return time.monotonic() - start
