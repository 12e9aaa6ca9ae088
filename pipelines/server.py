"""The Prefect server that a flow needs: the configured one, or one on loopback for this run."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines import environment, leash
from pipelines.service import free_port

START_SECONDS = 120


@contextmanager
def prefect() -> Iterator[None]:
    """Inside the block PREFECT_API_URL names a server; one started here ends with the block.

    It starts in the background: `wait` before the first flow. Enter it before Prefect is
    imported, since Prefect reads its settings then.
    """
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-ui", "--no-scheduler", "--no-late-runs"]
    log = environment.home() / "logs" / "prefect-server.log"
    with leash.started(command, log, cwd=environment.ROOT):
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        try:
            yield
        finally:
            del os.environ["PREFECT_API_URL"]


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
    log = environment.home() / "logs" / "prefect-server.log"
    raise TimeoutError(
        f"the Prefect server at {url} did not answer within {START_SECONDS} s: look into {log}, "
        "or name another with PREFECT_API_URL"
    )
