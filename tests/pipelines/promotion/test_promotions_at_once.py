"""Two promotions of one task at the same time: one wins, the other names it and exits 75."""

import os
import sys
from pathlib import Path

import pytest
from candidates import candidate, hits
from forked import started

from data import versions
from pipelines import cli
from pipelines.experiments import registry
from pipelines.promotion import ledger
from pipelines.release import publish

pytestmark = pytest.mark.slow

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
ROUNDS = 20


def promote(asked: str, log: Path) -> None:
    """The command, with its output in `log`."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["espalier", "promote", "--task", TASK, asked, "--force", "--reason", "its turn"]
    cli.main()


def test_one_wins_and_the_other_says_who(home, tmp_path):
    present = versions.dataset_hash(DATASET)
    fits = [
        candidate(tmp_path, hits(0.9), seed=number, dataset=DATASET, dataset_hash=present)
        for number in range(4)
    ]
    for turn in range(ROUNDS):
        asked = [fits[turn % 2 * 2 + side].run_id for side in (0, 1)]
        logs = [tmp_path / f"{turn}-{side}.log" for side in (0, 1)]
        both = [started(home, promote, *one) for one in zip(asked, logs, strict=True)]
        for process in both:
            process.join(120)
        codes = [process.exitcode for process in both]
        said = [log.read_text() for log in logs]
        assert sorted(codes) == [0, 75], said
        lost = codes.index(75)
        assert f"is being run by process {both[1 - lost].pid} on " in said[lost]
        champion = registry.champion(TASK, DATASET)
        assert champion.run_id == asked[1 - lost]
        assert publish.names(publish.read(TASK), champion)
    entries = ledger.entries(MODEL)
    assert [entry.action for entry in entries] == ["promotion"] + ["force"] * (ROUNDS - 1)
    assert ledger.verify(entries, champion.head) is None
