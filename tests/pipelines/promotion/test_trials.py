"""A challenger on trial: on record first, then the alias, the tag and the pointer beside the
champion's; each end of a trial takes them away."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import entries
import keys_of
import pytest
import watched
from candidates import RULES, candidate, evaluation, hits
from recorded import DIGITS, HASH

from pipelines.commands import promote, status
from pipelines.commands.promote import RollbackRefused
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.lineage import records
from pipelines.locks import lock
from pipelines.monitoring import feedback, watch
from pipelines.monitoring import trial as judge
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
from pipelines.promotion.decision import Terms
from pipelines.release import publish
from pipelines.runtime import environment, keys
from pipelines.runtime.settings import UsageError

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
VERSION = DatasetVersion(TASK, DATASET, HASH)


@pytest.fixture
def fitted(tmp_path):
    """Record a finished fit; each number has an artifact of its own, a higher one more hits."""
    return lambda number: candidate(
        tmp_path, hits(0.9 + number / 100), seed=number, dataset=DATASET
    )


def decided(record, terms: Terms | None = None, passed: bool = True) -> ledger.Entry:
    """Enter the fit and put on record what became of it."""
    version = decision.enter(VERSION, record, RULES)
    champion = contender.current_champion(TASK, DATASET)
    return decision.decide(evaluation(version, champion, passed), terms=terms)


@pytest.fixture
def tried(home, fitted) -> tracking.Record:
    """The first fit is champion, the second on trial: its record."""
    decided(fitted(0))
    second = fitted(1)
    decided(second, Terms(10, 3))
    return second


def on_trial() -> str | None:
    """Who is on trial, by all that says so: the ledger, the registry and the pointer agree."""
    trial = ledger.trial(ledger.entries(MODEL))
    number, share = (trial.to_version, trial.evidence["share"]) if trial else (None, None)
    pointer = publish.challenger(TASK)
    until = trial and ledger.limit(trial).isoformat()
    told = pointer and (pointer.champion, pointer.version, pointer.share, pointer.until)
    assert told == (trial and (trial.from_version, number, share, until))
    versions = registry.versions(TASK, DATASET)
    tagged = [(v.version, v.trial) for v in versions if v.trial is not None]
    assert tagged == ([(number, share)] if trial else [])
    terms = [json.loads(version.terms) for version in versions if version.terms]
    assert terms == ([{"champion": trial.from_version, "until": until}] if trial else [])
    assert trial is None or registry.aliases(MODEL)[registry.CHALLENGER] == number
    assert trial is not None or registry.CHALLENGER not in registry.aliases(MODEL)
    assert reconcile.is_reconciled(TASK, DATASET)
    return number


def champion() -> str:
    version = registry.champion(TASK, DATASET)
    assert publish.names(publish.read(TASK), version)
    return version.version


def end(action: str) -> ledger.Entry:
    made = ledger.entries(MODEL)
    trial, head = ledger.trial(made), ledger.head(made)
    return decision.end_trial(TASK, DATASET, trial, head, action, "so", {"wrong": 3})


def test_who_is_on_trial_stands_beside_the_champion_that_goes_on(tried):
    assert (champion(), on_trial()) == ("1", "2")
    entry = ledger.entries(MODEL)[-1]
    assert (entry.action, entry.from_version, entry.to_version) == ("canary", "1", "2")
    assert (entry.evidence["share"], entry.evidence["days"]) == (10, 3)
    assert entry.evidence["checks"][0]["name"] == "naive"
    assert publish.intact(f"{TASK}{publish.CHALLENGER}")
    [serving] = [one for one in status.status().serving if one.path == "/v1/image"]
    assert serving.version == "1"
    assert serving.trial == f"v2, canary since {entry.at}"
    assert [one.version for one in records.intervals(ledger.entries(MODEL))] == ["1"]
    assert registry.version(MODEL, "2").state == "ready"


def test_a_shadow_that_the_gate_refuses_is_not_tried(home, fitted):
    decided(fitted(0))
    assert decided(fitted(1), Terms(), passed=False).action == "refusal"
    assert (champion(), publish.challenger(TASK)) == ("1", None)


@pytest.mark.slow
def test_the_command_puts_on_trial_what_passes_the_gate(home, tmp_path, monkeypatch):
    monkeypatch.setattr(promote.data, "present", lambda task, dataset: DIGITS)
    first, best = (
        candidate(tmp_path, hits(share), seed=number) for number, share in enumerate((0.85, 0.95))
    )
    with pytest.raises(UsageError, match="no champion to try one beside"):
        promote.promote(TASK, "digits", first.run_id, terms=Terms())
    promote.promote(TASK, "digits", first.run_id)
    dry = promote.promote(TASK, "digits", best.run_id, dry_run=True, terms=Terms())
    assert promote.sentence(dry).startswith("cnn v2 would be on trial (shadow): ")
    outcome = promote.promote(TASK, "digits", best.run_id, terms=Terms(5, 2))
    assert (outcome.trial, outcome.promoted, outcome.accepted) == ("canary", False, True)
    assert promote.sentence(outcome).startswith("cnn v2 is on trial (canary): ")
    assert outcome.champion.version == registry.champion(TASK, "digits").version == "1"
    evidence = ledger.entries("espalier-image-digits")[-1].evidence
    right = [hits(share) for share in (0.85, 0.95)]
    differ = int((right[0] != right[1]).sum())  # both wrong: the same class
    assert evidence["differing"] == {"differ": differ, "rows": 1000}
    assert (evidence["share"], evidence["days"]) == (5, 2)


def test_one_that_is_promoted_after_its_trial_serves_with_the_evidence_of_both(tried):
    entry = end("promotion")
    assert (champion(), on_trial()) == ("2", None)
    assert entry.evidence["trial"] == {"wrong": 3}
    assert entry.evidence["checks"][0]["name"] == "naive"
    assert entry.run_id == tried.run_id
    assert [one.version for one in records.intervals(ledger.entries(MODEL))] == ["1", "2"]


def test_the_test_rows_of_a_trial_were_looked_at_once(home):
    looked = {"checks": [{"name": "champion", "passed": True, "evidence": "", "p": 0.01}]}
    entries.append(MODEL, "shadow", "2", evidence=looked | {"share": 0, "days": 7})
    entries.append(MODEL, "promotion", "2", evidence=looked | {"trial": {}})
    assert history.decisions_by(None, ledger.entries(MODEL), HASH) == 1


def test_a_damaged_one_is_taken_back_though_its_trial_went_well(tried):
    graph = verification.artifact_folder(tried.run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    entry = end("promotion")
    assert entry.action == "withdrawal"
    assert "must not serve" in entry.reason
    assert (champion(), on_trial()) == ("1", None)


def test_what_is_said_of_a_damaged_one_is_what_became_of_it(tried, monkeypatch):
    judged = watch.trial.judge
    monkeypatch.setattr(watch.trial, "judge", lambda *of: replace(judged(*of), verdict="promote"))
    graph = verification.artifact_folder(tried.run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    seen = watch.conclude(TASK, DATASET)
    assert (seen.verdict, "must not serve" in seen.reason) == ("withdraw", True)


def test_the_card_of_a_promotion_that_was_killed_is_kept_by_who_finishes_it(tried):
    entries.append(MODEL, "promotion", "2", from_version="1")
    watch.conclude(TASK, DATASET)
    digest = registry.champion(TASK, DATASET).manifest_sha256
    assert registry.version(MODEL, "2").manifest_sha256 == digest
    assert (publish.cards() / f"{digest}.html").exists()


def test_one_that_is_taken_back_does_not_come_back_by_itself(tried):
    end("withdrawal")
    assert (champion(), on_trial()) == ("1", None)
    check = evaluate.not_withdrawn(registry.version(MODEL, "2"))
    assert not check.passed
    assert "taken back" in check.evidence
    assert evaluate.not_withdrawn(registry.version(MODEL, "2"), named=True).passed
    decided(tried, Terms())
    assert on_trial() == "2"
    assert evaluate.not_withdrawn(registry.version(MODEL, "2")).passed


def test_one_that_too_few_asked_may_try_again_by_itself(tried):
    began = ledger.trial(ledger.entries(MODEL))
    over = datetime.fromisoformat(began.at) + timedelta(days=3)
    moment = int(over.timestamp() * 1e6)
    asked = {"model": MODEL, "version": "2", "status": 200, "label": ["7"], "request_id": "r"}
    watched.write(environment.home(), "requests", asked | {"time": moment})
    few = judge.judge(TASK, DATASET, feedback.answers(feedback.stored(), [TASK]), over)
    assert judge.end(few).action == "withdrawal"
    assert on_trial() is None
    assert evaluate.not_withdrawn(registry.version(MODEL, "2")).passed


def test_a_person_takes_it_back(tried):
    outcome = promote.take_back(TASK, DATASET, "it is rude").to_dict()
    assert (outcome["from"], outcome["to"]) == ("2", "1")
    assert (champion(), on_trial()) == ("1", None)
    assert ledger.entries(MODEL)[-1].reason == "it is rude"
    with pytest.raises(RollbackRefused, match="no challenger on trial"):
        promote.take_back(TASK, DATASET, "again")


def test_a_person_takes_it_back_beside_a_damaged_champion(tried):
    graph = verification.artifact_folder(registry.champion(TASK, DATASET).run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    assert promote.take_back(TASK, DATASET, "it is rude").to == "1"


@pytest.mark.parametrize(
    "comes",
    [
        watch.conclude,
        lambda task, dataset: promote.take_back(task, dataset, "again"),
        lambda task, dataset: approval.answer(task, dataset, None, "Ada"),
    ],
)
def test_what_was_killed_before_it_was_made_true_is_finished_by_who_comes_next(tried, comes):
    entries.append(MODEL, "withdrawal", "2", from_version="1")
    with suppress(RollbackRefused, UsageError):
        comes(TASK, DATASET)
    assert (champion(), on_trial()) == ("1", None)


def test_a_pointer_of_before_is_told_until_when(tried):
    file = publish.folder() / f"{TASK}{publish.CHALLENGER}.json"
    publish.write_whole(file, replace(publish.challenger(TASK), until=None).to_json())
    assert not reconcile.is_reconciled(TASK, DATASET)
    assert reconcile.catch_up(TASK, DATASET)
    assert on_trial() == "2"


def test_a_trial_that_another_monitor_has_just_ended_is_no_failure(tried, monkeypatch):
    judged = watch.trial.judge

    def late(*arguments):
        one = judged(*arguments)
        promote.take_back(TASK, DATASET, "first")
        return replace(one, verdict="withdraw")

    monkeypatch.setattr(watch.trial, "judge", late)
    assert watch.conclude(TASK, DATASET) is None


def test_a_promotion_and_a_rollback_end_the_trial(tried, fitted):
    decided(fitted(2))
    assert (champion(), on_trial()) == ("3", None)
    decided(tried, Terms())
    assert (champion(), on_trial()) == ("3", "2")
    promote.rollback(TASK, DATASET, "wrong")
    assert (champion(), on_trial()) == ("1", None)


def test_another_trial_takes_the_place_of_the_first(tried, fitted):
    decided(fitted(2), Terms(0))
    assert (champion(), on_trial()) == ("1", "3")


def test_a_refusal_leaves_the_trial_as_it_is(tried, fitted):
    decided(fitted(2), passed=False)
    assert (champion(), on_trial()) == ("1", "2")


class In4Days(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(days=4)


def test_a_retraining_leaves_to_the_trial_what_is_tried(tried, monkeypatch):
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: pytest.fail("it is tried already"))
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        reconcile.reconcile(TASK, DATASET)
        verdict = retraining.decide(VERSION, tracking.records(VERSION))
    assert verdict.name == "Kept"
    assert "version 2 is on trial" in verdict.text
    assert retraining.up_to_date(VERSION, tracking.records(VERSION))
    assert (champion(), on_trial()) == ("1", "2")
    monkeypatch.setattr(retraining, "datetime", In4Days)
    assert not retraining.up_to_date(VERSION, tracking.records(VERSION))  # its time is over


def test_a_trial_that_nobody_ends_holds_up_no_other(tried, fitted, monkeypatch):
    def passes(dataset, one, beside, head, rules):
        return evaluation(one.version, beside)

    monkeypatch.setattr(evaluate, "evaluate", passes)
    records = tracking.records(VERSION)
    monkeypatch.setattr(ledger, "datetime", In4Days)  # of three days, and one more
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        reconcile.reconcile(TASK, DATASET)
        verdict = retraining.decide(VERSION, records)
        assert (verdict.name, "has not ended that" in verdict.text) == ("Kept", True)
        assert retraining.decide(VERSION, [*records, fitted(2)]).name == "Promoted"


def test_too_few_requests_are_not_waited_for_again_on_the_same_data(tried, monkeypatch):
    made = ledger.entries(MODEL)
    few = {"shown": False}
    trial, head = ledger.trial(made), ledger.head(made)
    decision.end_trial(TASK, DATASET, trial, head, "withdrawal", "it answered 3 requests", few)
    monkeypatch.setattr(retraining.rules, "of", lambda task, dataset: RULES)
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: pytest.fail("it was tried"))
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        verdict = retraining.decide(VERSION, tracking.records(VERSION))
    assert (verdict.name, verdict.text) == (
        "Refused",
        "cnn was refused before: it answered 3 requests",
    )
    assert retraining.up_to_date(VERSION, tracking.records(VERSION))


@pytest.mark.parametrize(("asked", "kind", "share"), [("shadow", "shadow", 0), (10, "canary", 10)])
def test_what_passes_in_a_retraining_is_tried_where_the_gate_says_so(
    home, fitted, monkeypatch, asked, kind, share
):
    def night(*records: tracking.Record) -> str:
        with lock.hold(lock.of_dataset(TASK, DATASET)):
            reconcile.reconcile(TASK, DATASET)
            return retraining.decide(VERSION, list(records)).name

    def passes(dataset, one, beside, head, rules):
        return evaluation(one.version, beside)

    chosen = RULES.model_copy(update={"trial": asked, "trial_days": 3})
    monkeypatch.setattr(retraining.rules, "of", lambda task, dataset: chosen)
    monkeypatch.setattr(evaluate, "evaluate", passes)
    first, second, third = (fitted(number) for number in range(3))
    assert night(first) == "Promoted"  # there is nothing to try it beside
    assert night(first, second) == "On trial"
    assert (champion(), on_trial()) == ("1", "2")
    entry = ledger.entries(MODEL)[-1]
    assert (entry.action, entry.evidence["share"], entry.evidence["days"]) == (kind, share, 3)
    assert retraining.outcome(VERSION, 0, 3).trial == "2"
    assert night(first, second, third) == "Kept"  # it waits for the end of that trial
    assert (champion(), on_trial()) == ("1", "2")
    end("promotion")
    assert night(second, third) == "On trial"
    assert (champion(), on_trial()) == ("2", "3")


def test_nothing_is_decided_about_a_trial_that_ended_meanwhile(tried):
    made = ledger.entries(MODEL)
    trial, head = ledger.trial(made), ledger.head(made)
    promote.take_back(TASK, DATASET, "first")
    with pytest.raises(ledger.LedgerMovedError):
        decision.end_trial(TASK, DATASET, trial, head, "promotion", "second")
    assert (champion(), on_trial()) == ("1", None)


def test_a_challenger_whose_artifact_is_damaged_is_not_published(tried):
    publish.withdraw_challenger(TASK)
    graph = verification.artifact_folder(tried.run_id) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    reconcile.follow(TASK, DATASET)
    assert publish.challenger(TASK) is None
    assert champion() == "1"


def test_a_trial_ends_the_waiting_and_a_refusal_the_trial(tried, fitted):
    entries.append(MODEL, "awaiting", "3", from_version="1")
    evidence = {"share": 0, "days": 7, "differing": None}
    entries.append(MODEL, "shadow", "3", from_version="1", evidence=evidence)
    made = ledger.entries(MODEL)
    assert (ledger.awaiting(made), ledger.trial(made)) == (None, made[-1])
    entries.append(MODEL, "refusal", "3", from_version="1")
    assert ledger.trial(ledger.entries(MODEL)) is None


def test_who_is_on_trial_is_signed(home, fitted, tmp_path, monkeypatch):
    decided(fitted(0))
    monkeypatch.setenv(keys.SIGNING_KEY, str(keys_of.pair(tmp_path, "own")[0]))
    decided(fitted(1), Terms())
    assert publish.challenger(TASK).signature == registry.version(MODEL, "2").signature
    assert publish.challenger(TASK).signature is not None
    assert end("promotion").evidence["signature"] == registry.champion(TASK, DATASET).signature


def test_where_a_person_is_asked_a_trial_that_passed_waits(tried, monkeypatch):
    asking = RULES.model_copy(update={"approval": "required"})
    monkeypatch.setattr(decision.rules, "of", lambda task, dataset: asking)
    monkeypatch.setattr(approval.data, "present", lambda task, dataset: VERSION)
    assert end("promotion").action == "awaiting"
    assert (champion(), on_trial()) == ("1", None)
    asked = approval.waiting(TASK, DATASET)
    assert asked.version == "2"
    assert approval.answer(TASK, DATASET, "2", "Ada").action == "promotion"
    assert (champion(), approval.waiting(TASK, DATASET)) == ("2", None)
    assert ledger.verify(ledger.entries(MODEL)) is None
