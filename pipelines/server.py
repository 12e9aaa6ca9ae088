"""The Prefect server that a flow needs: the configured one, or one on loopback for this process."""

import atexit
import os
import sys
import time
from contextlib import ExitStack

from pipelines import environment, leash
from pipelines.service import free_port

START_SECONDS = 120


def start() -> None:
    """Have PREFECT_API_URL name a server; one started here ends with this process.

    Call it before Prefect is imported, since Prefect reads its settings then, and `wait` before the
    first flow: the server comes up in the background.
    """
    if os.environ.get("PREFECT_API_URL"):
        return
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-ui", "--no-scheduler", "--no-late-runs"]
    # At the very end, after Prefect's own threads have sent what they still hold: without a server
    # they would try for a minute.
    running = ExitStack()
    running.enter_context(leash.started(command, _log(), cwd=environment.ROOT))
    atexit.register(running.close)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"


def wait() -> None:
    """Return once the Prefect server answers; raises TimeoutError with what to look at."""
    import httpx

    url = os.environ["PREFECT_API_URL"]
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(
        f"the Prefect server at {url} did not answer within {START_SECONDS} s: look into {_log()}, "
        "or name another with PREFECT_API_URL"
    )


def _log():
    return environment.home() / "logs" / "prefect-server.log"
