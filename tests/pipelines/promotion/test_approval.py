"""A candidate that passed waits in the ledger for a person, and the champion stays."""

from dataclasses import replace
from datetime import datetime, timedelta

import keys_of
import pytest
from candidates import RULES, candidate, evaluation, hits
from recorded import DIGITS, HASH

from pipelines.commands import promote, run, status, trace
from pipelines.experiments import dataset as data
from pipelines.experiments import registry, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import rules
from pipelines.gate.checks import Check
from pipelines.locks import lock
from pipelines.promotion import (
    approval,
    contender,
    decision,
    history,
    ledger,
    reconcile,
    retraining,
)
from pipelines.promotion import evaluation as evaluate
from pipelines.promotion.approval import ApprovalRefused
from pipelines.release import publish
from pipelines.runtime import keys
from pipelines.runtime.settings import UsageError

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
VERSION = DatasetVersion(TASK, DATASET, HASH)
ASKING = RULES.model_copy(update={"approval": "required"})


@pytest.fixture
def fitted(tmp_path):
    """Record a finished fit; each number has an artifact of its own."""
    return lambda number, share: candidate(tmp_path, hits(share), seed=number, dataset=DATASET)


@pytest.fixture
def asking(home, monkeypatch):
    """The gate asks a person; a service is started by none of its checks, which pass."""
    monkeypatch.setattr("data.versions.dataset_hash", lambda dataset: HASH)
    monkeypatch.setattr(rules, "of", lambda task, dataset: ASKING)
    monkeypatch.setattr(evaluate, "evaluate", checked)
    return home


def checked(dataset, one, champion, head, given, **options) -> evaluate.Evaluation:
    """What the checks come to: a slow test below has real ones."""
    beside = Check("champion", True, "better", {"p": 0.001, "difference": 0.1})
    checks = [Check("naive", True, "better"), Check("golden", True, "8 requests"), beside]
    return evaluate.Evaluation(one, champion, head, dataset, given, checks, [1, 2])


def failing(*arguments, **options) -> evaluate.Evaluation:
    return replace(checked(*arguments), checks=[Check("champion", False, "worse", {"p": 0.5})])


def decided(*records) -> retraining.Verdict:
    """What a retraining does with its fits."""
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        reconcile.reconcile(TASK, DATASET)
        return retraining.decide(VERSION, list(records))


def yes(version: str | None = None) -> promote.Promotion:
    return promote.approve(TASK, DATASET, version, "Ada")


def actions() -> list[tuple]:
    return [(e.action, e.from_version, e.to_version) for e in ledger.entries(MODEL)]


def champion() -> str | None:
    version = registry.champion(TASK, DATASET)
    return version and version.version


def states() -> list[str]:
    return [version.state for version in registry.versions(TASK, DATASET)]


@pytest.fixture
def later(monkeypatch):
    """Let eight days pass, for who answers."""

    class Later(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + timedelta(days=8)

    return lambda: monkeypatch.setattr(approval, "datetime", Later)


def test_what_passed_waits_without_a_lock_and_a_yes_makes_it_champion(asking, fitted):
    first, second = fitted(0, 0.8), fitted(1, 0.9)
    assert decided(first).name == "Awaiting"
    assert (champion(), publish.read(TASK)) == (None, None)
    assert yes().promoted
    verdict = decided(first, second)
    assert verdict.name == "Awaiting"
    assert "version 2 waits for a yes until 20" in verdict.text
    assert "`espalier approve image 2 --dataset mnist_5k --as NAME`" in verdict.text
    assert (champion(), states()) == ("1", ["ready", "awaiting"])
    assert publish.names(publish.read(TASK), registry.champion(TASK, DATASET))

    with lock.hold(
        lock.of_dataset(TASK, DATASET)
    ):  # another retraining, which it does not wait for
        outcome = yes("2")
    assert (outcome.promoted, outcome.champion.version) == (True, "2")
    assert (champion(), states()) == ("2", ["ready", "ready"])
    assert publish.names(publish.read(TASK), registry.champion(TASK, DATASET))
    waited, answer = ledger.entries(MODEL)[-2:]
    assert answer.evidence["checks"][:-1] == waited.evidence["checks"]
    assert answer.evidence["checks"][-1]["by"] == "Ada"
    assert ledger.verify(ledger.entries(MODEL), registry.champion(TASK, DATASET).head) is None
    assert reconcile.is_reconciled(TASK, DATASET)
    assert promote.rollback(TASK, DATASET, "slow").to == "1"
    assert actions() == [
        ("awaiting", None, "1"), ("promotion", None, "1"),
        ("awaiting", "1", "2"), ("promotion", "1", "2"), ("rollback", "2", "1"),
    ]  # fmt: skip


def test_a_question_and_its_answer_are_one_decision_by_the_test_rows(asking, fitted):
    decided(fitted(0, 0.8))
    for rows in ([1, 2], None):
        assert history.decisions_by(rows, ledger.entries(MODEL), HASH) == 1
    yes()
    for rows in ([1, 2], None):
        assert history.decisions_by(rows, ledger.entries(MODEL), HASH) == 1
    assert history.anchor(ledger.entries(MODEL), "1") == "1"


def test_a_no_keeps_the_champion_and_is_not_asked_again(asking, fitted):
    first, second, third = fitted(0, 0.8), fitted(1, 0.95), fitted(2, 0.9)
    decided(first)
    yes()
    decided(first, second)
    outcome = promote.approve(TASK, DATASET, "2", "Ada", no="too early")
    assert (outcome.promoted, outcome.champion.version) == (False, "1")
    assert outcome.reason == "approval: Ada said no: too early"
    assert (champion(), states()) == ("1", ["ready", "refused"])
    # It was asked after the test rows, of which nobody else gets a look.
    assert decided(first, second, third).name == "Refused"
    assert retraining.up_to_date(VERSION, [first, second, third])
    assert actions()[2:] == [("awaiting", "1", "2"), ("refusal", "1", "2")]
    with pytest.raises(UsageError, match="nothing of espalier-image-mnist_5k waits"):
        yes()


def test_a_second_run_asks_nothing_anew_and_a_better_one_takes_the_place(asking, fitted):
    first, second, third = fitted(0, 0.8), fitted(1, 0.9), fitted(2, 0.95)
    decided(first)
    yes()
    decided(first, second)
    assert retraining.up_to_date(VERSION, [first, second])
    assert decided(first, second).name == "Awaiting"
    assert promote.promote(TASK, DATASET, "2").awaiting.version == "2"
    assert len(actions()) == 3
    verdict = decided(first, second, third)
    assert verdict.text.endswith("it takes the place of version 2, which waited")
    assert states() == ["ready", "refused", "awaiting"]
    with pytest.raises(UsageError, match=r"version 2 of .* does not wait .*: version 3 does"):
        yes("2")
    assert yes("3").promoted


def test_no_answer_in_time_is_a_no_and_a_person_may_ask_again(asking, fitted, later):
    first, second = fitted(0, 0.8), fitted(1, 0.9)
    decided(first)
    yes()
    decided(first, second)
    later()
    assert approval.waiting(TASK, DATASET) is None
    assert not retraining.up_to_date(VERSION, [first, second])
    assert decided(first, second).name == "Refused"
    assert "approval: nobody said yes by 20" in ledger.entries(MODEL)[-1].reason
    assert (champion(), states()) == ("1", ["ready", "refused"])
    assert retraining.up_to_date(VERSION, [first, second])
    assert promote.promote(TASK, DATASET, "2").awaiting
    again = "nobody said yes: `espalier promote --task image --dataset mnist_5k 2` puts it"
    with pytest.raises(ApprovalRefused, match=again):
        yes()
    assert actions()[2:] == [("awaiting", "1", "2"), ("refusal", "1", "2")] * 2


def test_what_came_later_is_harmless_unless_it_changed_the_champion(asking, fitted, monkeypatch):
    first, second, third = fitted(0, 0.8), fitted(1, 0.9), fitted(2, 0.9)
    decided(first)
    yes()
    decided(first, second)

    def other(passed: bool, force: str | None = None) -> None:
        version = registry.register(TASK, DATASET, third)
        standing = contender.current_champion(TASK, DATASET)
        decision.decide(evaluation(version, standing, passed), force)

    other(passed=False)
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: pytest.fail("it judged again"))
    assert yes().promoted
    monkeypatch.setattr(evaluate, "evaluate", checked)
    decided(first, second, fitted(3, 0.95))
    other(passed=False, force="a person insists")
    assert (champion(), approval.waiting(TASK, DATASET).version) == ("3", "4")
    monkeypatch.setattr(evaluate, "evaluate", failing)
    outcome = yes("4")
    assert (outcome.promoted, outcome.reason) == (False, "champion: worse")
    assert (champion(), actions()[-1]) == ("3", ("refusal", "3", "4"))


@pytest.mark.parametrize("change", ["data", "rules"])
@pytest.mark.parametrize("judge", [checked, failing])
def test_other_data_and_other_rules_are_said_and_judged(
    asking, fitted, monkeypatch, capsys, change, judge
):
    decided(fitted(0, 0.8))
    if change == "data":
        monkeypatch.setattr("data.versions.dataset_hash", lambda dataset: "f" * 32 + ".dir")
    else:
        stricter = ASKING.model_copy(update={"alpha": 0.01, "approval_days": 1})
        monkeypatch.setattr(rules, "of", lambda task, dataset: stricter)
    monkeypatch.setattr(evaluate, "evaluate", judge)
    assert yes().promoted == (judge is checked)
    said = {
        "data": "the data is ffffffff, and was 01234567",
        "rules": "alpha of the gate is 0.01, and was 0.05",
    }
    lines = [line for line in capsys.readouterr().out.splitlines() if "changed" in line]
    assert [line.split("  ")[-1] for line in lines] == [said[change]]
    answer = ledger.entries(MODEL)[-1]
    assert "repeats" not in answer.evidence
    assert answer.evidence["checks"][-1]["name"] == "approval"
    assert champion() == ("1" if judge is checked else None)


def test_a_decision_that_comes_between_ends_an_approval(asking, fitted, monkeypatch):
    first, second = fitted(0, 0.8), fitted(1, 0.9)
    decided(first)
    yes()
    decided(first, second)
    present = data.present

    def late(task, dataset):
        monkeypatch.setattr(data, "present", present)
        promote.approve(TASK, DATASET, "2", "Bob", no="a slice fell")
        return present(task, dataset)

    monkeypatch.setattr(data, "present", late)
    with pytest.raises(ledger.LedgerMovedError, match="run it again"):
        yes()
    assert actions()[-1] == ("refusal", "1", "2")


def test_a_damaged_artifact_is_not_approved(asking, fitted):
    record = fitted(0, 0.8)
    decided(record)
    graph = verification.artifact_folder(record.run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    with pytest.raises(ApprovalRefused, match=r"must not serve: .*model\.onnx"):
        yes()
    assert (champion(), len(actions())) == (None, 1)


def test_it_is_signed_where_it_is_approved(asking, fitted, monkeypatch, tmp_path):
    private, public = keys_of.pair(tmp_path, "own")
    monkeypatch.setenv(keys.TRUST, str(public))  # the machine that fits has no key
    assert decided(fitted(0, 0.8)).name == "Awaiting"
    assert registry.version(MODEL, "1").signature is None
    monkeypatch.setenv(keys.SIGNING_KEY, str(private))
    assert yes().promoted
    signed = registry.champion(TASK, DATASET)
    assert keys.are_trusted(signed.signature, signed.manifest_sha256)
    assert ledger.entries(MODEL)[-1].evidence["signature"] == signed.signature


def test_who_insists_asks_nobody(asking, fitted, monkeypatch):
    record = fitted(0, 0.8)
    decided(record)
    outcome = promote.promote(TASK, DATASET, record.run_id, force="the shop opens at nine")
    assert (outcome.promoted, outcome.forced) == (True, True)
    assert approval.waiting(TASK, DATASET) is None
    assert actions() == [("awaiting", None, "1"), ("force", None, "1")]


def test_who_is_to_be_tried_waits_no_more(asking, fitted):
    first, second = fitted(0, 0.8), fitted(1, 0.9)
    decided(first)
    yes()
    decided(first, second)
    assert approval.waiting(TASK, DATASET).version == "2"
    assert promote.promote(TASK, DATASET, "2", terms=decision.Terms()).trial == "shadow"
    assert approval.waiting(TASK, DATASET) is None
    assert ledger.trial(ledger.entries(MODEL)).to_version == "2"


def test_a_refusal_of_before_the_rule_was_there_is_not_asked_again(asking, fitted, monkeypatch):
    """Its entry holds the rules as they were written then."""
    record = fitted(0, 0.8)
    monkeypatch.setattr(evaluate, "evaluate", failing)
    decided(record)
    refusal = ledger.entries(MODEL)[-1]
    assert refusal.evidence["rules"] == {
        "alpha": 0.05, "floor": 0.5, "margin": 0.01, "cheaper": 0.2, "unseen": 100,
        "slice": 0.05, "latency_ms": 50, "memory_mb": 500, "size_mb": 100,
    }  # fmt: skip
    monkeypatch.setattr(rules, "of", lambda task, dataset: RULES)
    assert retraining.up_to_date(VERSION, [record])


def test_run_status_and_trace_say_that_it_waits(asking, fitted):
    first, second = fitted(0, 0.8), fitted(1, 0.9)
    decided(first)
    outcome = retraining.outcome(VERSION, 1, 0)
    assert (outcome.champion, run._code(outcome)) == (None, run.REFUSED)
    assert "version 1 waits for a yes" in run.refusals({TASK: outcome})
    yes()
    decided(first, second)
    outcome = retraining.outcome(VERSION, 1, 0)
    assert (outcome.champion.version, outcome.awaiting.version) == ("1", "2")
    assert run._code(outcome) == run.DONE
    assert [one.version for one in status.status().awaiting] == ["2"]
    traced = trace.trace(f"{MODEL}/2")
    [version] = traced.versions
    assert (version.state, version.reigns) == ("awaiting", [])
    [book] = traced.ledgers
    assert (book.champion, book.broken, book.remark) == ("1", None, "")
    assert [one.version for one in book.reigns] == ["1"]


@pytest.mark.slow
def test_a_real_gate_judges_again_beside_another_champion(home, tmp_path, monkeypatch):
    asks = rules.of("image", "digits").model_copy(update={"approval": "required"})
    monkeypatch.setattr(rules, "of", lambda task, dataset: asks)
    monkeypatch.setattr(promote.data, "present", lambda task, dataset: DIGITS)
    first, good, best, even = (
        candidate(tmp_path, hits(share), seed=number)
        for number, share in enumerate((0.8, 0.9, 0.97, 0.9))
    )
    promote.promote("image", "digits", first.run_id)
    assert promote.approve("image", "digits", "1", "Ada").promoted
    assert promote.promote("image", "digits", good.run_id).awaiting.version == "2"
    assert promote.promote("image", "digits", best.run_id, force="it is asked for").forced
    outcome = promote.approve("image", "digits", "2", "Ada")
    assert not outcome.promoted
    assert "worse than the champion cnn v3" in outcome.reason
    promote.rollback("image", "digits", "complaints")
    assert promote.promote("image", "digits", even.run_id).awaiting.version == "4"
    assert promote.approve("image", "digits", None, "Ada").champion.version == "4"
