"""An event is sent once for each champion and cause, however often the monitor looks."""

import time
from dataclasses import replace

import entries
import pytest
from recorded import finished, fit

from pipelines.commands import monitor
from pipelines.experiments import registry
from pipelines.monitoring import live_score, watch
from pipelines.monitoring.drift.drift import Drift
from pipelines.monitoring.live_score import LiveScore
from pipelines.monitoring.retrain import Facts, Verdict
from pipelines.monitoring.watch import Signals
from pipelines.processes import events

NO_DRIFT = Drift("image", "digits", "2", unknown="no requests")
YES, NO = (Verdict(one, ["why"], None, Facts(champion="cnn v1")) for one in (True, False))


@pytest.fixture
def sent(home, tmp_path, monkeypatch):
    """What reaches the server: kind, text, and what it knows an event by. It has a champion."""
    crown(tmp_path, seed=0)
    reached: list[tuple] = []

    def emit(kind, task, dataset, text, page, once):
        reached.append((kind, text, once))
        return True

    monkeypatch.setattr(events, "emit", emit)
    return reached


def crown(folder, seed):
    """Make a new fit the champion."""
    record = finished(fit(seed=seed), folder / str(seed))
    registry.set_champion(registry.register("image", "digits", record))


def announce(seen=Signals(), verdict=NO):  # noqa: B008  it is frozen
    watch.announce("image", "digits", registry.champion("image", "digits"), seen, verdict)


def test_a_cause_is_told_once_for_each_champion(sent, tmp_path):
    for shift in ("0.2", "0.3"):  # the sentence has other numbers each hour
        announce(Signals(drifted=f"darker by {shift}", below="0.9 for 0.95"))
    assert [one[:2] for one in sent] == [("drift", "darker by 0.2"), ("live-score", "0.9 for 0.95")]
    crown(tmp_path, seed=1)
    announce(Signals(drifted="darker still"))
    assert sent[2][:2] == ("drift", "darker still")


def test_what_was_over_and_comes_again_is_told_again(sent):
    for drifted in ("darker", None, None, "darker", "darker"):
        announce(Signals(drifted=drifted))
    first, second = sent
    assert first[0] == second[0] == "drift"
    assert first[2] != second[2]  # else the server would take them for one


def test_a_retraining_is_asked_for_again_after_the_cooldown_alone(sent, monkeypatch):
    for verdict in (YES, YES, NO, YES):
        announce(verdict=verdict)
    assert [one[:2] for one in sent] == [("retrain", "yes: why")]
    later = time.time() + 6.1 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    announce(verdict=YES)
    announce(verdict=YES)
    assert [one[0] for one in sent] == ["retrain", "retrain"]


def test_what_no_server_took_is_told_the_next_time_under_the_same_name(sent, monkeypatch):
    take = events.emit
    monkeypatch.setattr(events, "emit", lambda *event: take(*event) and False)
    announce(Signals(drifted="darker"))
    monkeypatch.setattr(events, "emit", take)
    announce(Signals(drifted="darker"))
    assert len(sent) == 2
    assert sent[0] == sent[1]


def test_what_was_below_is_not_told_of_the_one_that_takes_its_place(sent, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "conclude", lambda *arguments: crown(tmp_path, seed=1))
    monkeypatch.setattr(watch, "judge", lambda *arguments: (NO_DRIFT, NO))
    live = LiveScore("image", "digits", "1", True, 9, 9, "accuracy", below="0.9 for 0.95")
    found = replace(live_score.monitored("image", "digits"), scores=[live])
    assert watch.act("image", "digits", found).failure is None
    assert not sent


def test_a_dataset_that_cannot_be_looked_at_says_so_beside_the_scores(sent):
    entries.append("espalier-image-digits")
    entries.rewritten("UPDATE ledger SET reason = 'another'")
    report = monitor.monitor("image", "digits", "9000d")
    assert len(report.found.scores) == 1
    [look] = report.looks
    assert "the ledger of espalier-image-digits is not what was written" in look.failure
    assert report.failure.startswith("digits: the ledger of")
    assert report.to_dict()["datasets"][0]["failure"] == look.failure
    assert watch.look("image", "digits").failure == look.failure


def test_before_the_first_champion_nothing_is_told(sent):
    watch.announce("image", "mnist", None, replace(Signals(), drifted="darker"), YES)
    assert not sent
