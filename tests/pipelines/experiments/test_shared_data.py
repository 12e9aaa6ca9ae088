"""Two checkouts with sources of their own and one state database: the newest rows count in both."""

import subprocess
import sys
from pathlib import Path

import postgres
import pytest
from checkouts import MINE, reviews, write_reviews
from project import copied, parameters, variables

from pipelines.locks import state

pytestmark = pytest.mark.slow

VERSION = """
from pipelines.experiments import dataset
from pipelines.runtime import environment
environment.apply()
version = dataset.version("sentiment", "mine")
dataset.push("mine")
print(version.facts["rows"]["train"], dataset.present("sentiment", "mine").hash)
"""
PRESENT = """
from pipelines.experiments import dataset
print(dataset.present("sentiment", "mine").hash)
"""


class Host:
    """A checkout with a home of its own, and with the state database and DVC remote of others."""

    def __init__(self, folder: Path, database: str, remote: Path):
        self.folder = copied(folder)
        self.variables = variables(PYTHONPATH=str(folder), **{state.VARIABLE: database})
        (folder / ".dvc" / "config.local").write_text(f"['remote \"local\"']\n    url = {remote}\n")
        with parameters(folder) as params:
            params["datasets"] = {"mine": MINE}
            params["serve"] = {"sentiment": "mine"}

    def source(self, rows: int) -> None:
        write_reviews(self.folder / MINE["path"], reviews(rows))

    def run(self, code: str) -> list[str]:
        """The last line that the code prints, in words, with what was said of the data before."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [*done.stdout.split("\n")[-2].split(), done.stdout]


@pytest.fixture
def hosts(tmp_path, postgresql) -> tuple[Host, Host]:
    shared = (postgres.empty_database(postgresql), tmp_path / "remote")
    return Host(tmp_path / "a", *shared), Host(tmp_path / "elsewhere" / "b", *shared)


def test_the_newest_rows_of_any_checkout_are_those_of_all(hosts):
    first, second = hosts
    first.source(120)
    before, first_hash, _ = first.run(VERSION)
    # The second has no source at all.
    rows, second_hash, text = second.run(VERSION)
    assert (rows, second_hash) == (before, first_hash)
    assert f":{first.folder} has had it since" in " ".join(text.split())
    # Its own source is older than what the first has now.
    second.source(120)
    first.source(140)
    newer, third_hash, _ = first.run(VERSION)
    assert int(newer) > int(before)
    assert second.run(PRESENT)[0] == third_hash  # before it has taken the rows itself
    assert second.run(VERSION)[:2] == [newer, third_hash]
    # A source that changes here is newer than what others noted, also where it goes back.
    first.source(120)
    rows, back, text = first.run(VERSION)
    assert (rows, back) == (before, first_hash)
    assert "has had it since" not in text
