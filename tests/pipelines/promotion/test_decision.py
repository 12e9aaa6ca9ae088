"""A decision goes on record first, and the registry, the pointer and the head's tag follow it."""

import shutil
from datetime import UTC, datetime

import entries
import pytest
from candidates import candidate, evaluation, hits
from recorded import HASH

from models.artifact import artifact
from pipelines.commands import promote, run
from pipelines.commands.promote import RollbackRefused
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.locks import lock
from pipelines.monitoring import watch
from pipelines.processes import events
from pipelines.promotion import contender, decision, ledger, reconcile, retraining
from pipelines.promotion import evaluation as evaluate
from pipelines.release import bento, publish
from pipelines.reports import comparison, page
from pipelines.runtime.settings import UsageError

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served


@pytest.fixture
def fitted(tmp_path):
    """Record a finished fit; each number has an artifact of its own."""
    return lambda number: candidate(tmp_path, hits(0.9), seed=number, dataset=DATASET)


def decided(record, passed: bool = True, force: str | None = None) -> ledger.Entry:
    """Register the fit and put on record what became of it."""
    version = registry.register(TASK, DATASET, record)
    champion = contender.current_champion(TASK, DATASET)
    return decision.decide(evaluation(version, champion, passed), force)


def promoted(record) -> registry.Version:
    """Make the fit champion, all the way."""
    decided(record)
    return registry.champion(TASK, DATASET)


def followed() -> registry.Version | None:
    champion = reconcile.follow(TASK, DATASET)
    return champion and champion.version


def actions() -> list[tuple]:
    return [(e.action, e.from_version, e.to_version) for e in ledger.entries(MODEL)]


def test_a_promotion_ends_in_the_ledger_the_registry_and_the_pointer(home, fitted):
    record = fitted(0)
    champion = promoted(record)
    assert (champion.version, champion.state, champion.run_id) == ("1", "ready", record.run_id)
    assert publish.names(publish.read(TASK), champion)
    assert publish.intact(TASK)
    [entry] = ledger.entries(MODEL)
    assert (entry.action, entry.from_version, entry.to_version) == ("promotion", None, "1")
    assert (entry.run_id, entry.fingerprint) == (record.run_id, record.fingerprint)
    assert entry.evidence["checks"][0] == {"name": "naive", "passed": True, "evidence": "it is"}
    assert registry.champion(TASK, DATASET).head == (1, entry.hash)
    assert reconcile.is_reconciled(TASK, DATASET)


def test_a_refusal_leaves_the_champion_and_moves_the_ledgers_head(home, fitted):
    first = promoted(fitted(0))
    entry = decided(fitted(1), passed=False)
    assert followed().version == first.version
    assert [v.state for v in registry.versions(TASK, DATASET)] == ["ready", "refused"]
    assert actions() == [("promotion", None, "1"), ("refusal", "1", "2")]
    assert "it is not" in entry.reason
    assert registry.champion(TASK, DATASET).head == (2, entry.hash)


def test_each_decision_is_an_event_once_it_is_true(home, fitted, monkeypatch):
    told = []

    def emit(kind, task, dataset, text, page, once):
        [entry] = [one for one in ledger.entries(MODEL) if one.hash == once]
        told.append((kind, text, registry.champion(task, dataset).version))
        return entry.run_id in page

    monkeypatch.setattr(events, "emit", emit)
    decided(fitted(0))
    decided(fitted(1), passed=False)
    decided(fitted(2), passed=False, force="a person said so")
    promote.rollback(TASK, DATASET, "complaints")
    assert told == [
        ("promotion", "version 1 promoted: it is", "1"),
        ("refusal", "version 2 refused: naive: it is not", "1"),
        ("force", "version 3 promoted by force: a person said so", "3"),
        ("rollback", "version 1 champion again: complaints", "1"),
    ]


def test_what_nobody_could_send_is_sent_by_who_comes_next(home, fitted, monkeypatch):
    sent, answers = [], [True]
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(events, "emit", lambda *event: sent.append(event[-1]) or answers[-1])
    decided(fitted(0))
    answers.append(False)  # the server is away
    decided(fitted(1), passed=False)
    decided(fitted(2), passed=False)
    first, second, third = (entry.hash for entry in ledger.entries(MODEL))
    assert sent == [first, second, second]
    answers.append(True)
    watch.conclude(TASK, DATASET)
    watch.conclude(TASK, DATASET)
    assert sent == [first, second, second, second, third]
    fourth = entries.append(MODEL, "withdrawal", "3")  # by a command that was killed
    decided(fitted(3), passed=False)
    assert sent[5:] == [fourth.hash, ledger.entries(MODEL)[-1].hash]


def test_a_server_that_does_not_answer_keeps_no_decision_from_being_made(
    home, fitted, monkeypatch, capsys
):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert promoted(fitted(0)).version == "1"
    assert "espalier.promotion was not sent: the Prefect server" in capsys.readouterr().err


def test_mlflows_pages_say_what_was_decided_and_why(home, fitted):
    promoted(fitted(0))
    decided(fitted(1), passed=False)
    pages = tracking.connect().search_model_versions(f"name = '{MODEL}'")
    assert [page.description.split(":")[0] for page in sorted(pages, key=lambda v: v.version)] == [
        "**Version 1 promoted**",
        "**Version 2 refused**",
    ]
    dataset = DatasetVersion(TASK, DATASET, HASH)
    with tracking.parent(dataset, "quick", "retrain") as parent:
        retraining.report(dataset, parent)
    data = tracking.connect().get_run(parent).data
    assert data.metrics == {"validation_accuracy": 0.9, "test_accuracy": 0.9}
    assert data.tags["espalier.decision"] == "refusal"
    note = data.tags["mlflow.note.content"]
    assert note.startswith("**Version 2 refused**")
    assert "- ✗ naive: it is not" in note
    assert "- ★ cnn: accuracy 0.9000 on validation, 0.9000 on test" in note


def test_the_leaderboard_and_its_page_name_registered_versions(home, fitted, tmp_path):
    promoted(fitted(0))
    decided(candidate(tmp_path, hits(0.8), seed=1, arch="ann", dataset=DATASET), passed=False)
    candidate(tmp_path, hits(0.7), seed=2, arch="lstm", dataset=DATASET)
    board = comparison.compare(DatasetVersion(TASK, DATASET, HASH))
    assert {row["arch"]: row["version"] for row in board["rows"]} == {
        "cnn": "1",
        "ann": "2",
        "lstm": None,
    }
    shown = page.render(board, {}, {}, datetime.now(UTC))
    for name in ("★ v1 cnn", "v2 ann", "lstm"):
        assert f'<th scope="row">{name}</th>' in shown


def test_force_makes_a_refused_version_champion_unless_a_service_would_not_take_it_in(home, fitted):
    record = fitted(0)
    version = registry.register(TASK, DATASET, record)
    spoilt = evaluation(version, None, golden=False)
    assert decision.decide(spoilt, "I insist").action == "refusal"
    assert followed() is None
    entry = decided(record, passed=False, force="nothing else is there")
    assert (entry.action, entry.reason) == ("force", "nothing else is there")
    champion = registry.champion(TASK, DATASET)
    assert (champion.version, champion.state) == ("1", "ready")


@pytest.mark.parametrize("undone", ["alias", "pointer", "torn pointer", "head", "state"])
def test_what_a_kill_left_undone_is_done_by_the_next_run(home, fitted, undone):
    promoted(fitted(0))
    champion = promoted(fitted(1))
    client = tracking.connect()
    match undone:
        case "alias":
            client.set_registered_model_alias(MODEL, "champion", "1")
        case "pointer":
            publish.publish(TASK, registry.version(MODEL, "1"))
        case "torn pointer":
            (publish.folder() / f"{TASK}.json").write_bytes(b'{"name": "\xff')
        case "head":
            client.delete_model_version_tag(MODEL, "2", registry.HEAD)
        case "state":
            client.set_model_version_tag(MODEL, "2", registry.STATE, "pending")
    assert not reconcile.is_reconciled(TASK, DATASET)
    assert reconcile.reconcile(TASK, DATASET).version == champion
    assert publish.names(publish.read(TASK), champion)
    assert reconcile.is_reconciled(TASK, DATASET)


def test_a_bento_carries_what_was_published_when_it_was_begun(home, fitted, tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    first, published = promoted(fitted(0)), bento.published(TASK)
    promoted(fitted(1))
    bento.fill(tmp_path / "bentos" / "espalier" / "abc" / "src", published)
    (tmp_path / "bentos" / "espalier" / "latest").write_text("abc")
    champions = bento.champions("espalier:abc")
    pointer = publish.read_file(champions / f"{TASK}.json")
    assert publish.names(pointer, first)
    artifact.check(champions / pointer.artifact, pointer.manifest_sha256)
    assert bento.current() is None
    publish.publish(TASK, first)
    assert bento.current() == "espalier:abc"


def test_a_pending_version_that_nothing_was_decided_about_is_removed(home, fitted):
    promoted(fitted(0))
    registry.register(TASK, DATASET, fitted(1))
    assert not reconcile.is_reconciled(TASK, DATASET)
    reconcile.reconcile(TASK, DATASET)
    assert [v.version for v in registry.versions(TASK, DATASET)] == ["1"]


def test_a_champion_from_before_the_ledger_is_its_first_entry(home, fitted):
    version = registry.register(TASK, DATASET, fitted(0))
    registry.ready(version, "")
    registry.set_champion(version)
    assert reconcile.reconcile(TASK, DATASET).version.version == "1"
    assert actions() == [("promotion", None, "1")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM ledger WHERE position = 2", "the end was cut"),
        ("UPDATE ledger SET to_version = '1' WHERE position = 2", "entry 2 was changed"),
    ],
)
def test_nothing_follows_a_ledger_that_is_not_what_was_written(home, fitted, change, told):
    promoted(fitted(0))
    promoted(fitted(1))
    entries.rewritten(change)
    with pytest.raises(reconcile.BrokenLedgerError, match=told):
        reconcile.reconcile(TASK, DATASET)
    assert registry.champion(TASK, DATASET).version == "2"


def test_a_version_that_another_run_removed_is_not_decided_about(home, fitted):
    version = registry.register(TASK, DATASET, fitted(0))
    evaluated = evaluation(version, None)
    registry.remove(version)
    with pytest.raises(ledger.LedgerMovedError, match="removed version 1"):
        decision.decide(evaluated)
    assert ledger.entries(MODEL) == []


def test_who_was_asleep_while_another_decided_writes_what_the_ledger_says_now(
    home, fitted, monkeypatch
):
    """Without any lock: a decision comes between what it read and what it writes."""
    first, second = fitted(0), fitted(1)
    promoted(first)
    set_champion, asleep = registry.set_champion, [True]

    def late(version, head):
        if asleep:
            asleep.clear()
            registry.register(TASK, DATASET, second)
            entries.append(MODEL, "promotion", "2", from_version="1")
        set_champion(version, head)

    monkeypatch.setattr(registry, "set_champion", late)
    assert followed().version == "2"
    assert registry.champion(TASK, DATASET).version == "2"
    assert publish.names(publish.read(TASK), registry.champion(TASK, DATASET))


def back(reason: str = "it answers slowly") -> tuple[str, str]:
    outcome = promote.rollback(TASK, DATASET, reason).to_dict()
    return outcome["from"], outcome["to"]


def test_rollback_walks_back_one_champion_at_a_time(home, fitted):
    for number in range(3):
        promoted(fitted(number))
    with lock.hold(lock.of_dataset(TASK, DATASET)):  # a retraining, which it does not wait for
        assert back() == ("3", "2")
    assert back() == ("2", "1")
    assert registry.champion(TASK, DATASET).version == "1"
    assert publish.names(publish.read(TASK), registry.champion(TASK, DATASET))
    with pytest.raises(RollbackRefused, match="no champion before"):
        back()
    assert actions()[3:] == [("rollback", "3", "2"), ("rollback", "2", "1")]
    promoted(fitted(3))
    assert back() == ("4", "1")


def withdrawn(record, named: bool = False) -> bool:
    """Whether the gate says that the fit was rolled back from."""
    return not evaluate.not_withdrawn(registry.preview(TASK, DATASET, record), named).passed


def test_a_recipe_that_was_rolled_back_from_waits_until_a_person_lifts_it(home, fitted, tmp_path):
    first, second = fitted(0), fitted(1)
    promoted(first)
    promoted(second)
    back()
    (tmp_path / "again").mkdir()
    grown = {"dataset": DATASET, "dataset_hash": "f" * 32 + ".dir"}  # a row more
    again = candidate(tmp_path / "again", hits(0.9), seed=1, **grown)
    (tmp_path / "other").mkdir()
    other = candidate(tmp_path / "other", hits(0.9), seed=1, epochs=2, **grown)
    assert [withdrawn(one) for one in (first, second, again, other)] == [False, True, True, False]
    assert not withdrawn(again, named=True)
    assert withdrawn(again)
    decided(again)
    assert not withdrawn(again)
    assert not withdrawn(second)


def test_nothing_is_decided_beside_a_champion_that_was_rolled_back_meanwhile(home, fitted):
    promoted(fitted(0))
    promoted(fitted(1))
    version = registry.register(TASK, DATASET, fitted(2))
    evaluated = evaluation(version, contender.current_champion(TASK, DATASET))
    back()
    with pytest.raises(ledger.LedgerMovedError, match="after entry 2"):
        decision.decide(evaluated)
    assert registry.champion(TASK, DATASET).version == "1"
    assert actions()[-1] == ("rollback", "2", "1")


def damage(record) -> None:
    graph = verification.artifact_folder(record.run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize(
    "spoil", [damage, lambda record: shutil.rmtree(verification.artifact_folder(record.run_id))]
)
def test_rollback_refuses_a_spoilt_artifact_and_says_so_in_the_ledger(home, fitted, spoil):
    first, _ = promoted(fitted(0)), promoted(fitted(1))
    spoil(first)
    with pytest.raises(RollbackRefused, match=r"must not serve: .*artifact"):
        back()
    assert registry.champion(TASK, DATASET).version == "2"
    assert actions()[-1] == ("refusal", "2", "1")
    assert registry.versions(TASK, DATASET)[0].state == "ready"


def test_a_damaged_artifact_is_not_tried(home, fitted, monkeypatch):
    record = fitted(0)
    damage(record)
    monkeypatch.setattr("data.versions.dataset_hash", lambda dataset: HASH)
    with pytest.raises(artifact.ArtifactError, match=r"model\.onnx"):
        promote.promote(TASK, DATASET, record.run_id)
    assert actions() == []


def test_rules_that_are_none_are_told_before_anything_is_trained(home, monkeypatch):
    monkeypatch.setattr("pipelines.runtime.settings.gate", lambda task: {"all": {"alpha": 0.05}})
    monkeypatch.setattr(run, "finished", lambda tasks, profile: pytest.fail("it went on"))
    with pytest.raises(UsageError, match=rf"gate\.{TASK} in params\.yaml lacks"):
        run.run({TASK: DATASET}, "quick")


@pytest.mark.parametrize("asked", ["7", "0", "f" * 64, "no such run"])
def test_a_candidate_that_is_not_there_is_named(home, asked):
    with pytest.raises(UsageError, match=asked):
        promote.promote(TASK, DATASET, asked)
