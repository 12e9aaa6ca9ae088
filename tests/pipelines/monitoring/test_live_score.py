"""The live score of a champion: what was labelled, matched, and beside its promise."""

import json
from datetime import UTC, datetime

import pytest
import watched
from watched import HISTORY, HORIZON, MINUTE, START, answered, labelled, write

from pipelines.commands import monitor
from pipelines.monitoring import gauges, live_score

IMAGE, FORECAST = ("image", "digits"), ("forecast", "glucose")
INTERVAL = 5 * MINUTE


def score(since=None) -> live_score.LiveScore:
    (one,) = live_score.monitored(*IMAGE, since).scores
    return one


def test_nothing_is_known_of_a_champion_that_nobody_asked(home):
    assert live_score.monitored(*IMAGE).scores == []
    watched.champion(home / "made")
    one = score()
    assert (one.champion, one.requests, one.labelled, one.score, one.below) == (
        True,
        0,
        0,
        None,
        None,
    )
    assert one.promised.labelled == 200
    json.dumps(one.to_dict())


def test_labels_are_counted_once_and_the_last_one_counts(home):
    watched.champion(home / "made")
    write(home, "requests", *(answered(n) for n in range(20)))
    write(home, "labels", *(labelled(n) for n in range(10)))
    write(home, "labels", *(labelled(n) for n in range(10)))  # sent twice
    for number in (3, 5):  # corrections
        write(home, "labels", labelled(number, "dog", time=START + 999 * MINUTE))
    write(home, "labels", labelled(4, "dog", time=START))  # an older one, which comes late
    one = score()
    assert (one.requests, one.labelled, one.score.score) == (20, 10, 0.8)
    assert one.score.low < 0.8 < one.score.high
    assert sum(span.labelled for span in one.bins) == 10


def test_what_belongs_to_no_answer_is_counted_and_said(home):
    watched.champion(home / "made")
    write(home, "requests", answered(1), answered(2, ["cat", "dog"]), answered(3))
    write(home, "requests", answered(4, status=422), answered(5, model="espalier-image-x"))
    write(
        home,
        "labels",
        labelled(1),
        labelled(2, "dog"),  # several inputs, and no index
        labelled(2, "dog", index=1),
        labelled(2, "dog", index=2),
        labelled(3, "bird"),
        labelled(4),
        labelled(9),
        {"time": START, "request_id": "r1", "values": [1.0], "index": 7},
    )
    found = live_score.monitored(*IMAGE)
    assert found.labels == {
        "stored": 8,
        "matched": 3,
        "unknown": 2,
        "unusable": 3,
        "foreign": 1,
    }
    (one,) = found.scores
    assert (one.labelled, one.score.score, one.foreign) == (2, 1.0, 1)


def test_of_an_id_that_was_used_twice_the_newest_answer_counts(home):
    watched.champion(home / "made")
    write(home, "requests", answered(1, "dog"), answered(2, "cat", request_id="r1"))
    write(home, "labels", labelled(1, "cat"))
    assert score().score.score == 1.0


def test_slices_stand_beside_the_promise_of_their_label(home):
    watched.champion(home / "made")
    odd = {"client": "shop", "familiar": [False]}
    write(home, "requests", *(answered(n, "cat", **odd if n % 2 else {}) for n in range(12)))
    write(home, "labels", *(labelled(n, "cat" if n < 9 else "dog") for n in range(12)))
    slices = score().slices
    assert [(one.name, one.labelled, one.score) for one in slices["label"]] == [
        ("cat", 9, 1.0),
        ("dog", 3, 0.0),
    ]
    assert all(0.8 < one.promised < 1 for one in slices["label"])
    assert {one.name: one.labelled for one in slices["familiar"]} == {
        "familiar": 6,
        "unfamiliar": 6,
    }
    assert [(one.name, one.labelled) for one in slices["client"]] == [("shop", 6)]


def test_since_narrows_the_score_and_not_the_verdict(home):
    watched.champion(home / "made")
    write(home, "requests", *(answered(n) for n in range(300)))
    write(home, "labels", *(labelled(n, "cat" if n % 3 else "dog") for n in range(300)))
    since = datetime.fromtimestamp((START + 200 * MINUTE) / 1e6, UTC)
    one = score(since)
    assert (one.requests, one.score.labelled, one.labelled, one.counted) == (100, 100, 300, 300)
    assert one.evidence >= 100
    assert one.since == "2026-11-01T00:00:00+00:00"
    assert one.below.startswith("v1 of image digits is below its promise: since 2026-11-01")
    assert "33.3% mistakes in 300 labelled answers" in one.below
    found = live_score.monitored(*IMAGE)
    assert found.champion("image", "digits").below == one.below
    assert found.champion("image", "fashion") is None


def test_each_version_has_its_own(home):
    watched.champion(home / "made")
    watched.champion(home / "other", 0.5)
    write(home, "requests", answered(1), answered(2, version="2"), answered(3, version="7"))
    write(home, "labels", labelled(1), labelled(2, "dog"), labelled(3))
    found = live_score.monitored(*IMAGE).scores
    assert [(one.version, one.champion, one.score.score) for one in found] == [
        ("2", True, 0.0),
        ("7", False, 1.0),
        ("1", False, 1.0),
    ]
    assert found[1].promised is None  # of a version that no registry here knows
    assert found[1].below is None


def series(number: int, value: float, **changes) -> dict:
    """A forecast request of the series s, whose values are their own step."""
    last = START + number * INTERVAL
    return {
        "time": last + MINUTE,
        "request_id": f"f{number}",
        "task": "forecast",
        "model": "espalier-forecast-glucose",
        "version": "1",
        "status": 200,
        "inputs": 1,
        "horizon": HORIZON,
        "level": 0.9,
        "first": float(number - HISTORY + 1),
        "last": float(number),
        "forecast": [value] * HORIZON,
        "lower": [value - 2] * HORIZON,
        "upper": [value + 2] * HORIZON,
        "series": "s",
        "last_time": last,
        "interval": INTERVAL,
        "history": [float(n) for n in range(number - HISTORY + 1, number + 1)],
    } | changes


def test_the_history_of_later_requests_grades_earlier_forecasts(home):
    watched.forecaster(home / "made")
    # What came at the steps 11 to 14 are these numbers: the errors are 1.5, 0.5, 0.5 and 1.5.
    write(home, "requests", series(10, 12.5), series(14, 16.5), series(17, 0.0))
    (one,) = live_score.monitored(*FORECAST).scores
    # Of the second forecast the steps 15 to 17 came, errors 1.5, 0.5 and 0.5; persistence is off
    # by 1, 2 and 3 there, and by 1 to 4 before.
    assert (one.requests, one.labelled, one.counted, one.mistakes) == (3, 2, 2, 0)
    assert one.score.score == pytest.approx((1 + 2.5 / 3) / (2.5 + 2))
    assert (one.covered, one.level, one.promised_coverage) == (1.0, 0.9, 0.94)
    assert one.promised.score == pytest.approx(0.75 / 1.89, abs=0.1)


def test_what_another_client_sends_grades_no_forecast(home):
    watched.forecaster(home / "made")
    shop = [series(10, 12.5, client="shop"), series(14, 16.5, client="shop")]
    write(home, "requests", *shop, series(18, 0.0, client="rival", history=[0.0] * HISTORY))
    (one,) = live_score.monitored(*FORECAST).scores
    assert (one.requests, one.labelled) == (3, 1)
    assert one.score.score == pytest.approx(1 / 2.5)


def test_feedback_grades_a_forecast_without_a_series(home):
    watched.forecaster(home / "made")
    unnamed = series(10, 12.5, series=None, last_time=None, interval=None, history=None)
    write(home, "requests", unnamed)
    write(home, "labels", {"time": START, "request_id": "f10", "values": [12.5, None, 8.5, 18.5]})
    (one,) = live_score.monitored(*FORECAST).scores
    assert (one.labelled, one.covered) == (1, pytest.approx(1 / 3))
    assert one.score.score == pytest.approx((0 + 4 + 6) / (2.5 + 1.5 + 8.5))


def test_a_forecaster_that_loses_to_the_naive_one_is_reported(home):
    watched.forecaster(home / "made")
    write(home, "requests", *(series(n, -50.0) for n in range(0, 160, 2)))
    (one,) = live_score.monitored(*FORECAST).scores
    assert one.labelled == 79
    assert (one.counted, one.mistakes) == (40, 40)  # of two that share steps the first
    assert "100.0% forecasts no better than the naive one" in one.below


def test_what_is_found_is_written_for_the_services(home, monkeypatch):
    watched.champion(home / "made")
    write(home, "requests", answered(1))
    write(home, "labels", labelled(1))
    gauges.write("image", "digits", drift=2.5, score=0.1)
    report = monitor.monitor("image", "digits", "9000d")
    [live], [look] = report.found.scores, report.looks
    assert live.score.score == 1.0
    written = json.loads(gauges.file("image", "digits").read_text())
    assert (written["score"], written["labelled"]) == (1.0, 1)
    assert written["promise"] == live.promised.score
    assert written["drift"] is None  # its held-out rows are nowhere
    assert look.drift.unknown
