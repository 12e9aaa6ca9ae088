"""Servers that are away for a while: a person is told in seconds, and no wait is without end."""

import contextvars
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

from pipelines.runtime import console, environment

RETRY_SECONDS = 1  # between two tries
WAIT_SECONDS = 1200  # for one answer: longer than most outages, shorter than a night
LOOK_SECONDS = 2  # between two looks at a server that is watched

# Where MLflow's pages for models begin; without the end it opens those for language models.
PAGE = "#/experiments?workflowType=machine_learning"
LOCAL_SERVER = "http://127.0.0.1:5000"  # of `mlflow ui`, for a store that is a file

Answer = TypeVar("Answer")


def is_served() -> bool:
    """Whether MLflow is a server, and no store of this machine."""
    return os.environ[environment.MLFLOW].startswith("http")


def page_of(run_id: str) -> str:
    """The address of a run's page: MLflow's server, or the one that `espalier up` starts here."""
    server = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
    if server.scheme not in ("http", "https"):
        return f"{LOCAL_SERVER}/#/runs/{run_id}"
    host = server.netloc.rpartition("@")[2]  # without user and password
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/#/runs/{run_id}"


def awaited(ask: Callable[[], Answer], wanted: str) -> Answer:
    """What `ask` returns, which is tried again while MLflow's server, or what lies behind it, is
    away.

    Args:
        ask: may be repeated; raises what MLflow's client does.
        wanted: what the server is to do, in words that follow "to".

    Raises:
        environment.ServerError: it was away for WAIT_SECONDS.
    """
    if not is_served():
        return ask()
    start, url = time.monotonic(), os.environ[environment.MLFLOW]
    text = f"for {url} to {wanted}; until {WAIT_SECONDS // 60} minutes are over"
    with console.announced(text):
        while True:
            try:
                return ask()
            except Exception as error:
                if not is_away(error):
                    raise
                if time.monotonic() > start + WAIT_SECONDS:
                    raise environment.ServerError(
                        f"{url} did not {wanted}, within {WAIT_SECONDS // 60} minutes: it, or what "
                        f"keeps its artifacts, cannot be reached ({error})"
                    ) from error
            time.sleep(RETRY_SECONDS)


def is_away(error: Exception) -> bool:
    """Whether a request failed by the network or by a fault of the server, and not by what it asked
    for."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= 500
    return isinstance(error, environment.ServerError)


@cache
def watch(variable: str) -> None:
    """Have it said from now on when the server that a variable names stops answering, and when it
    answers again: the tools' own clients wait in silence."""
    if os.environ.get(variable, "").startswith("http"):
        look = contextvars.copy_context().run
        threading.Thread(target=look, args=(_watch, variable), daemon=True).start()


def _watch(variable: str) -> None:
    server, since = f"{environment.SERVERS[variable]} {os.environ[variable]}", 0.0
    while True:
        time.sleep(LOOK_SECONDS)
        problem = environment.unanswered(variable)
        if problem and not since:
            since = time.monotonic()
            console.line("waiting", f"the {server} does not answer ({problem})")
        elif since and not problem:
            console.line("answers", f"the {server}, again", time.monotonic() - since)
            since = 0.0
