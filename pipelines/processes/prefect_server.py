"""The Prefect server that a flow needs: the configured one, or one on loopback for this process."""

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock

from pipelines.processes import child_process
from pipelines.processes.service import free_port
from pipelines.runtime import environment

START_SECONDS = 120


@contextmanager
def starting() -> Iterator[None]:
    """Have PREFECT_API_URL name a server, which answers at the end of the block.

    A configured one must answer at once. One that is started here comes up during the block and
    ends with this process. Enter it before Prefect is imported, since Prefect reads its settings
    then.
    Raises RuntimeError, or TimeoutError, with what to look at.
    """
    if os.environ.get(environment.PREFECT):
        environment.check_server(environment.PREFECT)
        yield
        return
    home = Path(os.environ["PREFECT_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    # Servers make and migrate their database as they start: of two at once, one fails.
    with FileLock(home / "espalier.lock", timeout=START_SECONDS):
        process = _start()
        yield
        _wait(process)


def _start() -> subprocess.Popen:
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-ui", "--no-scheduler", "--no-late-runs"]
    # At the very end, after Prefect's own threads have sent what they still hold: without a server
    # they would try for a minute.
    running = ExitStack()
    process = running.enter_context(child_process.started(command, _log(), cwd=environment.ROOT))
    atexit.register(running.close)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    return process


def _wait(process: subprocess.Popen) -> None:
    """Return once the server that was started here answers."""
    deadline = time.monotonic() + START_SECONDS
    while environment.unanswered(environment.PREFECT):
        if process.poll() is not None:
            raise RuntimeError(f"the Prefect server ended as it started: look into {_log()}")
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"the Prefect server did not answer within {START_SECONDS} s: look into {_log()}"
            )
        time.sleep(0.1)


def _log() -> Path:
    return environment.home() / "logs" / "prefect-server.log"
