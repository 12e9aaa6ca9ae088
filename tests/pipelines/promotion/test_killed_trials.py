"""Killed after any write while a trial begins or ends, the champion serves, and the next command
makes true what is on record: nothing is doubled."""

import itertools
import shutil
import signal
from pathlib import Path

import pytest
from candidates import RULES, candidate, evaluation, hits
from forked import move, started
from killing import kill_after
from mlflow import MlflowClient
from recorded import HASH

from models.artifact import artifact
from pipelines.experiments import registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.locks import lock
from pipelines.promotion import contender, decision, ledger, reconcile
from pipelines.promotion.decision import Terms
from pipelines.release import publish

pytestmark = pytest.mark.slow

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
VERSION = DatasetVersion(TASK, DATASET, HASH)
WRITES = (
    (MlflowClient, "create_model_version"),
    (MlflowClient, "delete_model_version"),
    (MlflowClient, "set_model_version_tag"),
    (MlflowClient, "delete_model_version_tag"),
    (MlflowClient, "set_registered_model_alias"),
    (MlflowClient, "delete_registered_model_alias"),
    (ledger, "append"),
    (Path, "replace"),
    (Path, "unlink"),
)


def begin(seed: int, terms: Terms | None, killed_after: int | None) -> None:
    """What `espalier promote` does once the gate has said yes, unless it was done."""
    if killed_after is not None:
        kill_after(killed_after, WRITES)
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        reconcile.reconcile(TASK, DATASET)
        record = next(one for one in tracking.records(VERSION) if one.seed == seed)
        trial = ledger.trial(ledger.entries(MODEL))
        if trial is None or trial.run_id != record.run_id:
            version = decision.enter(VERSION, record, RULES)
            champion = contender.current_champion(TASK, DATASET)
            decision.decide(evaluation(version, champion), terms=terms)


def end(action: str, killed_after: int | None) -> None:
    """What the monitor does with a verdict, unless it was done."""
    if killed_after is not None:
        kill_after(killed_after, WRITES)
    reconcile.follow(TASK, DATASET)
    made = ledger.entries(MODEL)
    if trial := ledger.trial(made):
        decision.end_trial(TASK, DATASET, trial, ledger.head(made), action, "so", {})


def ended(home: Path, step, *arguments) -> int:
    process = started(home, step, *arguments)
    process.join(300)
    return process.exitcode


def state_of(home: Path) -> tuple:
    """Who is champion, who is on trial by the pointer, and what is on record."""
    move(home)
    champion, pointer = registry.champion(TASK, DATASET), publish.challenger(TASK)
    assert publish.intact(TASK)
    if pointer:
        artifact.check(publish.folder() / pointer.artifact, pointer.manifest_sha256)
    made = ledger.entries(MODEL)
    assert ledger.verify(made, champion.head) is None
    return champion.version, pointer and pointer.version, [entry.action for entry in made]


@pytest.mark.parametrize("step", ["begin", "promotion", "withdrawal"])
def test_killed_after_each_write(home, tmp_path, step):
    for seed in (0, 1):
        candidate(tmp_path, hits(0.9), seed=seed, dataset=DATASET)
    assert ended(home, begin, 0, None, None) == 0
    if step != "begin":
        assert ended(home, begin, 1, Terms(), None) == 0
    run = (begin, 1, Terms()) if step == "begin" else (end, step)
    expected = {
        "begin": ("1", "2", ["promotion", "shadow"]),
        "promotion": ("2", None, ["promotion", "shadow", "promotion"]),
        "withdrawal": ("1", None, ["promotion", "shadow", "withdrawal"]),
    }[step]
    for writes in itertools.count(1):
        copy = tmp_path / f"killed-{writes}"
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("mlartifacts"))
        code = ended(copy, *run, writes)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        champion, pointer, _ = state_of(copy)
        assert champion in ("1", expected[0])
        assert pointer in (None, "2"), "nobody is tried who is not on record"
        assert ended(copy, *run, None) == 0
        # Killed before it was on record, the version was removed: the next one has another number.
        after = state_of(copy)
        assert (after[0], after[2]) == (expected[0], expected[2])
        trial = ledger.trial(ledger.entries(MODEL))
        assert after[1] == (trial and trial.to_version)
    assert state_of(copy) == expected
    assert writes > {"begin": 5, "promotion": 5, "withdrawal": 3}[step]
