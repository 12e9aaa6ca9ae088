"""Many processes at one store: a first start, an experiment, versions of one model."""

import os
import signal
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import postgres
import pytest
from forked import context, started
from project import until

from pipelines.experiments import registry, tracking
from pipelines.locks import state

pytestmark = pytest.mark.slow

PROCESSES, VERSIONS = 16, 15
STORES = ("MLFLOW_TRACKING_URI", state.VARIABLE)

# Imports MLflow, says so, waits for its line, and does its work.
BEGIN = """
import sys
import mlflow
from pipelines.experiments import tracking
print("ready", flush=True)
sys.stdin.readline()
"""
EXPERIMENT = """
print(tracking.experiment("image", "digits"))
"""


def told(work: str, places: list[dict[str, str]]) -> list[list[str]]:
    """What processes say that do `work` at once, each in its environment; no error."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BEGIN + work],
            env=os.environ | place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate() for process in processes]
    assert [errors for _, errors in ended] == [""] * len(processes)
    return [said.split() for said, _ in ended]


def register(runs: list[str], environment: dict[str, str], log: Path, together: Barrier) -> None:
    """Give each run a version, once all others are ready to; their numbers go to `log`."""
    os.environ |= environment
    together.wait(60)
    for run in runs:
        record = tracking.Record(run, "cnn", 0, "quick", run, "d", "m", "majority class", {}, {})
        with log.open("a") as file:
            print(registry.register("image", "digits", record).version, file=file)


def registered(lines: list[list[str]], home: Path, folder: Path) -> list[int]:
    """The versions that processes get which register at once, each its line of runs; no error."""
    variables = {name: os.environ[name] for name in STORES if name in os.environ}
    together, logs = context().Barrier(len(lines)), [folder / f"{n}" for n in range(len(lines))]
    processes = [
        started(home, register, line, variables, log, together)
        for line, log in zip(lines, logs, strict=True)
    ]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(lines)
    return [int(number) for log in logs for number in log.read_text().split()]


@pytest.fixture
def store(database, request, monkeypatch):
    """An empty MLflow store of the same kind as the state database."""
    if database == "postgresql":
        server = request.getfixturevalue("postgresql")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.empty_database(server))


def test_versions_made_at_once_are_dense_and_unique(store, home, tmp_path):
    client, experiment = tracking.connect(), tracking.experiment("image", "digits")
    runs = [client.create_run(experiment).info.run_id for _ in range(PROCESSES * VERSIONS)]
    lines = [runs[first::PROCESSES] for first in range(PROCESSES)]
    numbers = registered(lines, home, tmp_path)
    assert sorted(numbers) == list(range(1, PROCESSES * VERSIONS + 1))
    versions = registry.versions("image", "digits")
    assert [int(version.version) for version in versions] == sorted(numbers)
    assert {version.run_id for version in versions} == set(runs)


def test_one_run_that_is_registered_by_many_at_once_has_one_version(store, home, tmp_path):
    run = tracking.connect().create_run(tracking.experiment("image", "digits")).info.run_id
    assert registered([[run]] * 4, home, tmp_path) == [1] * 4


def make_experiment() -> None:
    tracking.experiment("image", "digits")


def test_a_store_that_was_being_made_by_a_killed_process_is_made_anew(tmp_path):
    home = tmp_path / "home"
    killed = started(home, make_experiment)
    until(lambda: any(file.stat().st_size for file in home.glob("mlflow.db*")), "a first table")
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    again = started(home, make_experiment)
    again.join()
    assert again.exitcode == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_machines_that_start_at_once_make_one_store(postgresql, database, tmp_path, monkeypatch):
    """Each has its own home and its own temporary folder, where MLflow's own lock lies."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.empty_database(postgresql))
    places = [{"ESPALIER_HOME": str(tmp_path / n), "TMPDIR": str(tmp_path / n)} for n in "abcd"]
    for place in places:
        Path(place["TMPDIR"]).mkdir()
    assert len({*map(tuple, told(EXPERIMENT, places))} - {("0",)}) == 1
