"""Two promotions of one task at the same time: one wins, the other names it and exits 75."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from candidates import candidate, hits
from forked import command, started

from data import versions
from pipelines.experiments import registry, tracking
from pipelines.locks import lock
from pipelines.promotion import ledger, reconcile
from pipelines.release import publish

pytestmark = pytest.mark.slow

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
ROUNDS = 6


def promote(name: str, log: Path, locked: bool) -> None:
    """The command, with its output in `log`; locked: whether it holds the locks that save work."""
    if not locked:
        hold = lock.hold
        lock.hold = lambda name, *wait: (
            nullcontext() if name in (TASK, f"{MODEL}@champion") else hold(name, *wait)
        )
    command(log, log, "promote", "--task", TASK, name, "--force", "--reason", "its turn")


@pytest.fixture
def fits(database, tmp_path) -> list[tracking.Record]:
    present = versions.dataset_hash(DATASET)
    return [
        candidate(tmp_path, hits(0.9), seed=number, dataset=DATASET, dataset_hash=present)
        for number in range(4)
    ]


def promoted_at_once(home, folder, names: list[str], locked: bool):
    """The processes that promote one fit each, after their end, and what they printed."""
    logs = [folder / f"{side}.log" for side in range(len(names))]
    processes = [started(home, promote, *one, locked) for one in zip(names, logs, strict=True)]
    for process in processes:
        process.join(120)
    return processes, [log.read_text() for log in logs]


def test_one_wins_and_the_other_says_who(home, tmp_path, fits):
    for turn in range(ROUNDS):
        names = [fits[turn % 2 * 2 + side].run_id for side in (0, 1)]
        both, printed = promoted_at_once(home, tmp_path, names, locked=True)
        codes = [process.exitcode for process in both]
        assert sorted(codes) == [0, 75], printed
        lost = codes.index(75)
        assert f"is being run by process {both[1 - lost].pid} on " in printed[lost]
        champion = registry.champion(TASK, DATASET)
        assert champion.run_id == names[1 - lost]
        assert publish.names(publish.read(TASK), champion)
    entries = ledger.entries(MODEL)
    assert [entry.action for entry in entries] == ["promotion"] + ["force"] * (ROUNDS - 1)
    assert ledger.verify(entries, champion.head) is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_a_lock_each_promotion_is_recorded_or_refused(home, tmp_path, fits):
    """The ledger's head alone keeps them apart; a version of one may be removed by the other."""
    recorded = 0
    for turn in range(3):
        names = [fits[turn % 2 * 2 + side].run_id for side in (0, 1)]
        both, printed = promoted_at_once(home, tmp_path, names, locked=False)
        codes = [process.exitcode for process in both]
        assert set(codes) <= {0, 1, 75}, printed
        recorded += codes.count(0)
        entries = ledger.entries(MODEL)
        assert len(entries) == recorded
        champion = reconcile.reconcile(TASK, DATASET)
        assert registry.champion(TASK, DATASET) is not None or recorded == 0
        if champion is not None:  # its version may have been removed in the last moment
            assert champion.version.version == ledger.champions(entries)[-1].to_version
            assert ledger.verify(entries, registry.champion(TASK, DATASET).head) is None
            assert publish.names(publish.read(TASK), champion.version)
