"""Type every command of the documentation into a fresh clone, page by page: `make test-docs`.

It takes the time of a whole run and of the fits that the pages show: half an hour on two cores.
"""

import csv
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from documents import Block, blocks, files
from project import ROOT, answers, copied, until, variables

pytestmark = pytest.mark.docs

# What does not end by itself, and where it answers.
SERVERS = {
    "espalier up": "http://127.0.0.1:5000/health",
    "espalier serve": "http://127.0.0.1:3000/readyz",
    "make serve": "http://127.0.0.1:3000/readyz",
    "bentoml serve espalier": "http://127.0.0.1:3000/readyz",
    "prefect server start": "http://127.0.0.1:4200/api/health",
    "prefect worker start": None,
    "mlflow ui": "http://127.0.0.1:5000/health",
}
# Hosts that only a reader has, drivers and packages of gigabytes, and what other targets are for.
LEFT_OUT = (
    "user:password@host",
    "mlflow:5000",
    "ESPALIER_FOLLOW",
    "EXTRA=",
)
LEFT_OUT += ("serving.service:Espalier", "make test", "make check", "make run", "make lock")
LEFT_OUT += ("make setup", "KERAS_BACKEND=jax")  # .venv is that of this checkout
TUTORIAL = "docs/tutorial.md"
CLUSTER = "docs/cluster.md"  # of several machines: tests/deploy/test_cluster.py starts its parts
# A refusal of the gate, and a rollback where no champion came before, are answers too.
REFUSED = 3


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """A clone in which `make run` has made three champions, and a reader's own data lies."""
    folder = _checkout(tmp_path_factory.mktemp("reader"))
    here = variables(PYTHONPATH=str(folder))  # before the checkout that .venv was made for
    subprocess.run([ROOT / ".venv/bin/espalier", "run"], cwd=folder, env=here, check=True)
    _own_data(folder)
    for path, text in files("docs/own-architecture.md").items():
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def shell(clone) -> Iterator["Shell"]:
    shell = Shell(clone)
    yield shell
    shell.stop()


class Shell:
    """One terminal after another, which share the variables that were exported."""

    def __init__(self, folder):
        self.folder = folder
        path = f"{folder}/.venv/bin:{os.environ['PATH']}"
        self.environment = variables(PATH=path, PYTHONPATH=str(folder))
        self.servers: list[subprocess.Popen] = []

    def type(self, command: str) -> str:
        """Run a command to its end, or until it serves; return what it printed."""
        if any(part in command for part in LEFT_OUT):
            return ""
        for server, address in SERVERS.items():
            if command.startswith(server):
                self._serve(command, address)
                return ""
        if command.startswith("export "):
            command += "; env -0"
        done = self._run(command)
        assert done.returncode in (0, REFUSED), f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("export "):
            pairs = (pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair)
            self.environment = dict(pairs)
        return done.stdout

    def stop(self) -> None:
        """End the servers, the last one first: workers before the server they ask."""
        for process in reversed(self.servers):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)

    def _run(self, command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def _serve(self, command: str, address: str | None) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.servers.append(process)

        def ready() -> bool:
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            return address is None or answers(address)

        until(ready, f"an answer of {command} at {address}")


@pytest.mark.parametrize("page", sorted({block.page for block in blocks()} - {TUTORIAL, CLUSTER}))
def test_a_page_can_be_typed(page, shell):
    for block in _of(page):
        for command in block.commands:
            shell.type(command)


def test_the_tutorial_needs_nothing_before_it(tmp_path):
    shell = Shell(_checkout(tmp_path))
    try:
        printed = [shell.type(command) for block in _of(TUTORIAL) for command in block.commands]
    finally:
        shell.stop()
    assert any(answer.startswith('{"label":"7",') for answer in printed)
    assert subprocess.check_output(["git", "status", "--short", "-uno"], cwd=shell.folder) == b""


def _checkout(folder):
    """A clone below the folder, with the environment of this checkout."""
    clone = copied(folder / "espalier")
    (clone / ".venv").symlink_to(ROOT / ".venv")
    return clone


def _of(page: str) -> list[Block]:
    # What removes the state comes last on its page, and is not for a clone that others share.
    return [b for b in blocks() if b.page == page and not b.commands[0].startswith("rm -rf")]


def _own_data(folder) -> None:
    """Lay down the two files of docs/own-data.md."""
    (folder / "inbox").mkdir()
    draw = random.Random(0)
    words = {"good": ["fine", "warm", "quick"], "bad": ["slow", "cold", "broken"]}
    common = [f"word{number}" for number in range(200)]
    rows = [
        (" ".join(draw.choices(common, k=8) + draw.choices(words[mood], k=2)), mood)
        for mood in words
        for _ in range(400)
    ]
    with (folder / "inbox/tickets.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("body", "mood"), *rows])
    start = datetime(2024, 1, 1)
    hours = [(start + timedelta(hours=n), 50 + n % 24 + draw.gauss(0, 1)) for n in range(6000)]
    with (folder / "inbox/load.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("when", "mw"), *hours])
