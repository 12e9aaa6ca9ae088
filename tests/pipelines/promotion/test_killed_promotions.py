"""Killed after any write of a registration or promotion, the champion still resolves to a version
that is whole, and the next run finishes: what is champion then is signed."""

import itertools
import os
import shutil
import signal
from pathlib import Path

import keys_of
import postgres
import pytest
from candidates import RULES, candidate, hits
from forked import move, started
from killing import kill_after
from mlflow import MlflowClient
from recorded import HASH

from data import versions
from models.artifact import artifact
from pipelines.commands import promote
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import rules
from pipelines.gate.checks import Check
from pipelines.locks import lock, state
from pipelines.promotion import approval, evaluation, ledger, reconcile, retraining
from pipelines.release import publish
from pipelines.runtime import keys

pytestmark = pytest.mark.slow

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
VERSION = DatasetVersion(TASK, DATASET, HASH)
# What writes to the registry, the store of runs, the ledger and the publication.
WRITES = (
    (MlflowClient, "create_registered_model"),
    (MlflowClient, "create_model_version"),
    (MlflowClient, "delete_model_version"),
    (MlflowClient, "set_model_version_tag"),
    (MlflowClient, "set_registered_model_alias"),
    (MlflowClient, "create_run"),
    (MlflowClient, "log_artifact"),
    (MlflowClient, "set_tag"),
    (MlflowClient, "set_terminated"),
    (ledger, "append"),
    (Path, "replace"),
)
# On PostgreSQL after those alone that the ledger orders: the others are the same.
ORDERED = WRITES[4:5] + WRITES[-2:]


def checked(dataset, candidate, champion, head, rules) -> evaluation.Evaluation:
    """What the checks come to, without a service: `tests/test_killed_runs.py` has a real one."""
    checks = [Check("naive", True, "better"), Check("golden", True, "8 golden requests")]
    return evaluation.Evaluation(candidate, champion, head, dataset, rules, checks)


def retrain(killed_after: int | None) -> None:
    """What a retraining does once its fits are done."""
    evaluation.evaluate = checked
    if killed_after is not None:
        kill_after(killed_after, ORDERED if state.folder() is None else WRITES)
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        reconcile.reconcile(TASK, DATASET)
        with tracking.parent(VERSION, "quick", "retrain"):
            retraining.decide(VERSION, tracking.records(VERSION))


def ask(killed_after: int | None) -> None:
    """What a retraining does where a person is asked, and the yes."""
    rules.of = lambda task, dataset: RULES.model_copy(update={"approval": "required"})
    versions.dataset_hash = lambda dataset: HASH
    retrain(killed_after)
    if approval.waiting(TASK, DATASET):
        promote.approve(TASK, DATASET, None, "Ada")


def ended(home: Path, killed_after: int | None = None, step=retrain) -> int:
    """The exit code of a step in a process of its own."""
    process = started(home, step, killed_after)
    process.join(300)
    return process.exitcode


def require_a_whole_champion() -> registry.Version | None:
    """The champion, whose artifact and published copy are what was registered."""
    champion = registry.champion(TASK, DATASET)
    if champion is not None:
        artifact.check(verification.artifact_folder(champion.run_id), champion.manifest_sha256)
    pointer = publish.read(TASK)
    if pointer is not None:
        artifact.check(publish.folder() / pointer.artifact, pointer.manifest_sha256)
    return champion


# Without a champion only the first writes are others: the registered model is made.
@pytest.mark.parametrize(
    ("database", "before", "most"),
    [
        ("sqlite", "no champion", 4),
        ("sqlite", "a champion", None),
        ("postgresql", "a champion", None),
    ],
    indirect=["database"],
)
def test_killed_after_each_write(home, database, tmp_path, monkeypatch, before, most):
    monkeypatch.setenv(keys.SIGNING_KEY, str(keys_of.pair(tmp_path, "own")[0]))
    if before == "a champion":
        candidate(tmp_path, hits(0.7), seed=0, dataset=DATASET)
        assert ended(home) == 0
    versions, url = len(registry.versions(TASK, DATASET)), os.environ.get(state.VARIABLE)
    better = candidate(tmp_path, hits(0.9), seed=1, dataset=DATASET)
    for writes in itertools.count(1) if most is None else range(1, most + 1):
        # The databases are copied; the runs' artifacts stay where they are.
        copy = tmp_path / f"killed-{writes}"
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("mlartifacts"))
        if database == "postgresql":
            monkeypatch.setenv(state.VARIABLE, postgres.copy_of(url))
        code = ended(copy, writes)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        move(copy, os.environ.get(state.VARIABLE))
        standing = require_a_whole_champion()
        assert (standing is None) <= (before == "no champion")
        assert ended(copy) == 0
        champion = require_a_whole_champion()
        assert champion.run_id == better.run_id
        assert champion.signature is not None
        assert publish.names(publish.read(TASK), champion)
        assert [v.state for v in registry.versions(TASK, DATASET)] == ["ready"] * (versions + 1)
        entries = ledger.entries(MODEL)
        assert ledger.verify(entries, champion.head) is None
        assert [entry.action for entry in entries] == ["promotion"] * (versions + 1)
        experiment = tracking.experiment(TASK, DATASET)
        assert {run.info.status for run in tracking.connect().search_runs([experiment])} <= {
            "FINISHED",
            "KILLED",
        }
    least = {"postgresql": 4, "sqlite": 8 if most is None else 3}[database]
    assert writes > least, "there are more writes to be killed after"


def test_killed_after_each_write_of_a_question_and_its_answer(home, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.SIGNING_KEY, str(keys_of.pair(tmp_path, "own")[0]))
    first = candidate(tmp_path, hits(0.7), seed=0, dataset=DATASET)
    assert ended(home) == 0
    better = candidate(tmp_path, hits(0.9), seed=1, dataset=DATASET)
    waited = 0
    for writes in itertools.count(1):
        copy = tmp_path / f"killed-{writes}"
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("mlartifacts"))
        code = ended(copy, writes, ask)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        move(copy, None)
        actions = [entry.action for entry in ledger.entries(MODEL)]
        answered = actions == ["promotion", "awaiting", "promotion"]
        assert require_a_whole_champion().run_id in {first.run_id, answered and better.run_id}
        waited += actions[-1] == "awaiting"
        assert ended(copy, None, ask) == 0
        champion = require_a_whole_champion()
        assert (champion.run_id, champion.signature is None) == (better.run_id, False)
        assert publish.names(publish.read(TASK), champion)
        assert [v.state for v in registry.versions(TASK, DATASET)] == ["ready", "ready"]
        entries = ledger.entries(MODEL)
        assert ledger.verify(entries, champion.head) is None
        assert [entry.action for entry in entries] == ["promotion", "awaiting", "promotion"]
    assert waited > 2, "there are more writes to be killed after"
