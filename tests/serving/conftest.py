"""Real servers with small artifacts that are made here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import tiny
import tritonclient.http as triton
from server_process import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One ready service with a champion for each task, for tests that change nothing."""
    home = tmp_path_factory.mktemp("home")
    for task in tiny.REQUESTS:
        tiny.publish(home, task)
    with serving(tmp_path_factory.mktemp("server"), home) as running:
        running.wait(running.ready)
        yield running


@pytest.fixture(scope="session")
def client(server) -> httpx.Client:
    return server.client


@pytest.fixture(scope="module")
def public(server):
    """The public client, as its documentation has it."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


@pytest.fixture(scope="module")
def fresh_server(tmp_path_factory) -> Iterator[Callable[..., Server]]:
    """A function that starts a server of the test's own: `fresh_server(home, **environment)`."""
    running = []

    def start(home: Path, **environment: str) -> Server:
        running.append(Server(tmp_path_factory.mktemp("server"), home, **environment))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def own_server(fresh_server, tmp_path_factory) -> Server:
    """A ready service of the module's own with a champion for each task, for tests that change
    what it serves or read what it writes."""
    home = tmp_path_factory.mktemp("home")
    for task in tiny.REQUESTS:
        tiny.publish(home, task)
    running = fresh_server(home)
    running.wait(running.ready)
    return running
