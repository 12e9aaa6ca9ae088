"""Many processes at one store: a first start, an experiment, versions of one model."""

import os
import subprocess
import sys
from pathlib import Path

import postgres
import pytest

from pipelines import registry, tracking

pytestmark = pytest.mark.slow

PROCESSES, VERSIONS = 16, 50

# Imports MLflow, says so, waits for its line, and does its work.
BEGIN = """
import sys
import mlflow
from pipelines import registry, tracking
print("ready", flush=True)
runs = sys.stdin.readline().split()
"""
REGISTER = """
for run in runs:
    record = tracking.Record(run, "cnn", 0, "quick", run, "d", "m", "majority class", {}, {})
    print(registry.register("image", "digits", record).version)
"""
EXPERIMENT = """
print(tracking.experiment("image", "digits"))
"""


def told(work: str, lines: list[str], places: list[dict[str, str]]) -> list[list[str]]:
    """What processes say that do `work` at once, each with its line and environment; no error."""
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
    for process, line in zip(processes, lines, strict=True):
        process.stdin.write(line + "\n")
        process.stdin.flush()
    ended = [process.communicate() for process in processes]
    assert [errors for _, errors in ended] == [""] * len(processes)
    return [said.split() for said, _ in ended]


@pytest.fixture
def store(database, request, monkeypatch):
    """An empty MLflow store of the same kind as the state database."""
    if database == "postgresql":
        server = request.getfixturevalue("postgresql")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.empty_database(server))


def test_versions_made_at_once_are_dense_and_unique(store):
    client, experiment = tracking.connect(), tracking.experiment("image", "digits")
    runs = [client.create_run(experiment).info.run_id for _ in range(PROCESSES * VERSIONS)]
    lines = [" ".join(runs[first::PROCESSES]) for first in range(PROCESSES)]
    numbers = [int(number) for said in told(REGISTER, lines, [{}] * PROCESSES) for number in said]
    assert sorted(numbers) == list(range(1, PROCESSES * VERSIONS + 1))
    versions = registry.versions("image", "digits")
    assert [int(version.version) for version in versions] == sorted(numbers)
    assert {version.run_id for version in versions} == set(runs)


def test_one_run_that_is_registered_by_many_at_once_has_one_version(store):
    run = tracking.connect().create_run(tracking.experiment("image", "digits")).info.run_id
    assert told(REGISTER, [run] * 4, [{}] * 4) == [["1"]] * 4


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_machines_that_start_at_once_make_one_store(postgresql, database, tmp_path, monkeypatch):
    """Each has its own home and its own temporary folder, where MLflow's own lock lies."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.empty_database(postgresql))
    places = [{"ESPALIER_HOME": str(tmp_path / n), "TMPDIR": str(tmp_path / n)} for n in "abcd"]
    for place in places:
        Path(place["TMPDIR"]).mkdir()
    assert len({*map(tuple, told(EXPERIMENT, [""] * 4, places))} - {("0",)}) == 1
