"""The rule: each cause alone, what holds it back, and when more rows are worth a retraining."""

import math
import re
import time
from dataclasses import replace

import entries
import numpy as np
import pytest
from recorded import DIGITS, FACTS, classified, finished, fit

from pipelines.experiments import dataset as data
from pipelines.experiments import registry, tracking
from pipelines.gate import spending
from pipelines.monitoring import retrain
from pipelines.monitoring.learning_curve import Outlook
from pipelines.monitoring.retrain import Facts
from pipelines.promotion import reconcile
from pipelines.runtime.sections import Retrain

RULE = Retrain(cooldown="6h", share=0.1, oldest="90d", rows=100)
HOUR, DAY = 3600, 86_400
# 438 rows more than 1,000 are enough, see the test.
OUTLOOK = Outlook("accuracy", error=0.1, exponent=0.5, provable=0.0199, alpha=0.05, spent=0.0)
QUIET = Facts(
    champion="cnn v3",
    age=DAY,
    since=DAY,
    took=600,
    rows=1000,
    train=0.64,
    learned=640,
    outlook=OUTLOOK,
)
MORE = {"changed": "64 training rows more than those of cnn v3", "gained": 64}


@pytest.mark.parametrize(
    ("facts", "retrains", "said"),
    [
        ({"champion": None}, False, "no: there is no champion yet; it waits for a first"),
        ({}, False, "no: cnn v3 stays: the data is that of the last retraining"),
        ({"drifted": "darker"}, False, "no: darker; cnn v3 stays: .* waits for labelled rows"),
        ({"changed": "the source has changed", "gained": None}, True, "yes: the source has"),
        ({**MORE}, False, "no: 64 training rows more .* it waits for 338 more rows"),
        ({"changed": "…", "gained": 640}, True, "yes: .*; a gain of 0.029 in accuracy is likely"),
        ({"labelled": 100}, False, "no: 100 labelled rows came back; .* waits for 338 more rows"),
        ({"labelled": 438}, True, "yes: 438 labelled rows came back; a gain of 0.017 in accuracy"),
        ({"labelled": 100, "drifted": "darker"}, True, "yes: darker; 100 labelled rows came back$"),
        ({"labelled": 100, "below": "0.9 for 0.95"}, True, "yes: 0.9 for 0.95; 100 labelled"),
        ({"labelled": 30, "below": "0.9"}, False, "; it waits for 70 more rows, since 100 are to"),
        ({"labelled": 1, "age": 95 * DAY}, True, "yes: .* has been champion for 95 days, more"),
        ({"age": 95 * DAY}, False, "no: cnn v3 stays"),
        ({"labelled": 1, "outlook": None}, True, "the fits on record do not tell what more rows"),
        ({"labelled": 438, "since": 2 * HOUR}, False, "waits for 4.0 h more: 6h lie between two"),
        ({"labelled": 438, "since": 8 * HOUR, "took": HOUR}, False, "2.0 h more: .* 10% of the"),
        ({"labelled": 438, "since": 11 * HOUR, "took": HOUR}, True, "yes"),
        ({"labelled": 90, "gained": 640, "fresh": 1}, False, "has stayed .* waits for 9 more rows"),
        ({"changed": "…", "gained": 640, "fresh": 99, "age": 95 * DAY}, False, "1 more rows"),
        ({"changed": "…", "gained": 640, "fresh": 100}, True, "yes: .*; a gain of 0.029"),
        ({"changed": "…", "gained": None, "since": HOUR}, False, "waits for 5.0 h more"),
        ({"changed": "…", "gained": 640, "trial": "4"}, False, "4 is on .* waits for the end of"),
    ],
)
def test_each_cause_alone(facts, retrains, said):
    verdict = retrain.weigh(replace(QUIET, **facts), RULE)
    assert verdict.retrain is retrains
    assert re.search(said, verdict.text), verdict.text
    assert verdict.to_dict()["text"] == verdict.text


def test_what_it_waits_for_would_be_worth_it():
    """By hand: 0.1 (1 - g^-½) ≥ 0.0199 g^-½ from g = 1.4376 on, 438 rows more than 1,000."""
    assert (OUTLOOK.gain(4), OUTLOOK.proof(4)) == pytest.approx((0.05, 0.00995))
    assert retrain.needed(QUIET, OUTLOOK) == 438
    assert not retrain.weigh(replace(QUIET, labelled=437), RULE).retrain
    assert retrain.weigh(replace(QUIET, labelled=438), RULE).retrain
    flat = replace(OUTLOOK, exponent=0.0)
    verdict = retrain.weigh(replace(QUIET, labelled=1, outlook=flat), RULE)
    assert (verdict.retrain, verdict.waits_for) == (False, None)
    assert "100 times the rows would not bring a gain that could be proven" in verdict.text


def test_decisions_by_the_same_rows_ask_for_more():
    """By hand: the levels of the first and the second decision are 0.0191 and 0.0068, whose normal
    quantiles are 2.343 and 2.708; by twice the rows the one before counts as half of one."""
    used = replace(OUTLOOK, spent=1.0)
    assert used.proof(1) == pytest.approx(0.0199 * 2.708 / 2.343, abs=2e-5)
    half = spending.level(0.05, 0.5)
    assert half == pytest.approx(0.0191 * 1.5**-1.5, rel=1e-2)
    assert OUTLOOK.proof(2) < used.proof(2) < used.proof(1) / math.sqrt(2)
    assert retrain.needed(QUIET, used) > 438


LABELS = ["a", "b", "c", "d"]


def recorded(folder):
    """A look, a full fit and the champion, a refit of it, on 256 training rows, in a retraining;
    and another architecture."""
    rate = {"rows_per_second": 128.0, "seconds_per_epoch": 2.0}
    with tracking.parent(DIGITS, "quick", "retrain") as parent:
        look = replace(fit(share=0.25), look=True)
        finished(look, folder / "look", parent, validation_accuracy=0.8, **rate)
        finished(fit(share=1.0), folder / "full", parent, validation_accuracy=0.9, **rate)
        other = {"rows": classified(0.9, LABELS, seed=1)}
        finished(fit("ann", share=1.0), folder / "ann", parent, validation_accuracy=0.7, **other)
        best = finished(
            fit(share=1.0, refit=True), folder / "refit", parent, rows=classified(0.9, LABELS)
        )
    version = registry.register("image", "digits", best)
    registry.set_champion(version)
    reconcile.reconcile("image", "digits")


@pytest.fixture
def present(home, tmp_path, monkeypatch):
    """Make a version of the data the present one; its champion has learned 256 training rows."""
    recorded(tmp_path)
    monkeypatch.setattr(data, "has_source", lambda dataset: False)

    def put(dataset_hash, train, **facts):
        rows = {"train": train, "validation": train // 4, "test": train // 4}
        version = replace(DIGITS, hash=dataset_hash, facts=FACTS | {"rows": rows} | facts)
        monkeypatch.setattr(data, "present", lambda task, dataset: version)

    return put


def gathered() -> Facts:
    champion = registry.champion("image", "digits")
    return retrain.gather("image", "digits", champion, None, None, 0)


def decided(drifted: str | None = None) -> retrain.Verdict:
    champion = registry.champion("image", "digits")
    return retrain.decide("image", "digits", champion, drifted=drifted)


def test_the_facts_are_those_of_registry_record_and_ledger(present):
    present(DIGITS.hash, 256)
    facts = gathered()
    assert (facts.champion, facts.changed, facts.gained) == ("cnn v1", None, 0)
    assert (facts.learned, facts.rows, facts.train) == (256, 384, 256 / 384)
    assert 0 < facts.age < 60
    assert 0 < facts.since < 60
    assert 0 < facts.took < facts.since
    outlook = facts.outlook
    assert (outlook.error, outlook.exponent) == pytest.approx((0.1, 0.5))
    # 400 test rows, of which one side alone has the rate of 2 × 0.9 × 0.1 right.
    level = spending.level(0.05, 0.0)
    assert outlook.provable == pytest.approx(2.343 * np.sqrt(0.18 / 400), rel=0.15)
    assert (level, outlook.spent) == (pytest.approx(0.0191, abs=1e-4), 0.0)


def test_fits_of_before_the_metric_was_another_give_no_outlook(present, monkeypatch):
    present(DIGITS.hash, 256)
    version = data.present("image", "digits")
    other = replace(version, facts=version.facts | {"metric": "macro_f1"})
    monkeypatch.setattr(data, "present", lambda task, dataset: other)
    assert gathered().outlook is None


def test_new_rows_are_counted_from_the_champion_s_data(present):
    present("1" * 32 + ".dir", 320)
    facts = gathered()
    assert (facts.changed, facts.gained) == ("64 training rows more than those of cnn v1", 64)
    assert facts.growth() == 1.25
    present("2" * 32 + ".dir", 256)  # as many rows, but others
    facts = gathered()
    assert (facts.changed, facts.gained) == ("the rows are others than those of cnn v1", None)


def test_a_request_that_is_only_tested_on_is_nothing_to_learn_from(present):
    present("1" * 32 + ".dir", 256, collected={"train": 0, "validation": 0, "test": 1})
    verdict = decided()
    assert (verdict.retrain, verdict.facts.gained) == (False, 0)
    present("2" * 32 + ".dir", 250, collected={"train": 0, "validation": 0, "test": 1})
    assert gathered().gained == 0  # old ones went


def test_what_a_retraining_has_seen_is_new_no_more(present):
    newer = replace(DIGITS, hash="1" * 32 + ".dir")
    present(newer.hash, 320)
    with tracking.parent(newer, "quick", "retrain"):
        pass
    assert gathered().changed is None
    verdict = decided(drifted="darker")
    assert not verdict.retrain
    assert "darker; cnn v1 stays: the data is that of the last retraining" in verdict.text


def test_rows_are_counted_anew_after_a_retraining_that_kept_the_champion(present, tmp_path):
    newer = replace(DIGITS, hash="1" * 32 + ".dir")
    present("2" * 32 + ".dir", 330)
    assert gathered().fresh is None
    with tracking.parent(newer, "quick", "retrain") as parent:
        planned = fit(share=1.0, dataset_hash=newer.hash)
        rate = {"rows_per_second": 160.0, "seconds_per_epoch": 2.0}
        finished(planned, tmp_path / "kept", parent, **rate)
    facts = gathered()
    assert (facts.gained, facts.fresh) == (74, 10)


def test_a_retraining_that_failed_has_seen_nothing_and_still_keeps_the_next_waiting(present):
    newer = replace(DIGITS, hash="1" * 32 + ".dir")
    present(newer.hash, 320)
    with pytest.raises(RuntimeError), tracking.parent(newer, "quick", "retrain"):
        raise RuntimeError("every fit failed")
    verdict = decided()
    assert verdict.facts.changed
    assert "6h lie between two retrainings" in verdict.waits_for
    assert verdict.facts.since < 60


def test_a_retraining_that_was_killed_is_gone_on_with_at_once(present):
    newer = replace(DIGITS, hash="1" * 32 + ".dir")
    present(newer.hash, 320)

    def began() -> int:
        """When the retraining began that the next one waits for, in tenths of a second."""
        return round((time.time() - gathered().since) * 10)

    def kill() -> None:
        with tracking.parent(newer, "quick", "retrain") as parent:
            pass
        tracking.connect().update_run(parent, status="RUNNING")  # as SIGKILL leaves it

    first = began()
    kill()
    assert began() > first
    tracking.mend(newer.task, newer.name)
    assert began() == pytest.approx(first, abs=1)
    kill()
    tracking.mend(newer.task, newer.name)
    assert began() > first + 1  # killed twice in turn, it may be at fault itself


def test_a_retraining_that_failed_after_its_decision_has_seen_the_data(present):
    def fail(data_hash: str, decided: bool) -> None:
        with tracking.parent(replace(DIGITS, hash=data_hash), "quick", "retrain"):
            if decided:
                entries.append("espalier-image-digits", "refusal", "2", dataset_hash=data_hash)
            raise RuntimeError("the page could not be written")

    for number, decided in ((1, True), (2, False)):
        data_hash = f"{number}" * 32 + ".dir"
        present(data_hash, 320)
        with pytest.raises(RuntimeError):
            fail(data_hash, decided)
        changed = gathered().changed
        assert (changed is None) == decided


def test_what_only_decided_anew_is_no_measure_of_a_retraining(present):
    present(DIGITS.hash, 256)
    before = gathered().took
    with tracking.parent(DIGITS, "quick", "retrain"):
        pass
    assert gathered().took == before


def test_there_is_nothing_to_watch_before_the_first_champion(home):
    verdict = decided(drifted="darker")
    assert (verdict.retrain, verdict.reasons) == (False, ["there is no champion yet"])
