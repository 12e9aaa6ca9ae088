"""A real MLflow server with a store and a folder of artifacts of its own."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from project import ROOT, answers, begun, until


@contextmanager
def running(folder: Path, port: int) -> Iterator[tuple[str, Callable[[], list[psutil.Process]]]]:
    """The URL of a server whose state is in the folder, and what finds its living processes.

    What lives at the end of the block is killed.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url = f"http://127.0.0.1:{port}"
    with begun(ROOT, *command, log=folder / "log", **quiet) as (_, alive):
        until(lambda: answers(f"{url}/health"), "an MLflow server")
        yield url, alive
