"""The page of live scores: whole, offline, and what a stranger sent is text there."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.reports import monitor_page
from pipelines.runtime.settings import UsageError

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LABELS = {"stored": 1200, "matched": 1000, "unknown": 150, "unusable": 30, "foreign": 20}


def score(name: str = "all", **changes) -> dict:
    part = {"name": name, "labelled": 100, "score": 0.9, "low": 0.8, "high": 0.95}
    return part | {"promised": None} | changes


def live(**changes) -> dict:
    one = {
        "task": "image",
        "dataset": "digits",
        "version": "3",
        "champion": True,
        "requests": 4000,
        "labelled": 100,
        "metric": "accuracy",
        "score": score(),
        "promised": score("test", labelled=1000, score=0.98),
        "covered": None,
        "level": None,
        "promised_coverage": None,
        "counted": 100,
        "evidence": 1567.09,
        "below": "v3 of image digits is below its promise",
        "bins": [score(f"2026-11-0{day}T00:00:00+00:00") for day in range(1, 5)],
        "slices": {"label": [score("<b>&", promised=0.97)], "familiar": [], "client": []},
    }
    return one | changes


def look(**drift) -> dict:
    """A dataset with a trial, and drift."""
    alarm = {"says": "the brightness <went> up", "examples": ["r1", "r2"]}
    seen = {"unknown": None, "looked": 900, "evidence": 4321.0, "alarms": [alarm]} | drift
    tried = {"challenger": "4", "verdict": "continue", "reason": "120 requests so far"}
    return {"dataset": "digits", "drift": seen, "trial": tried, "retrain": {"text": "no: why"}}


def render(*scores: dict, looks: tuple[dict, ...] = ()) -> str:
    found = {"scores": list(scores), "labels": LABELS, "datasets": list(looks)}
    return monitor_page.render(found, "7d", NOW)


def test_everything_that_json_says_is_there():
    page = render(live())
    for text in ("below its promise", "★ image digits v3", "4,000", "0.9800", "1,567.1", "1,200"):
        assert text in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert page.count("<svg") == 2
    assert not re.search(r"https?://|<script|<link|url\(", page)


def test_drift_trials_and_whether_to_retrain_are_there():
    page = render(live(), looks=(look(), look(unknown="no rows")))
    for text in ("4,321.0", "brightness &lt;went&gt; up", "<code>r2</code>", "Version 4 on trial"):
        assert page.count(text) == (2 if text.startswith("Version") else 1)
    for text in ("no rows", "120 requests so far", "no: why"):
        assert text in page


def test_what_is_not_known_is_left_out():
    bare = live(score=None, promised=None, counted=0, below=None, bins=[], slices=None)
    page = render(bare, live(metric="relative_mae", covered=0.91, level=0.95, bins=[score()]))
    assert "not known" in page
    assert "held 91.0 % of what came" in page
    assert "No version has answered yet" in render()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    found = {"scores": [], "labels": LABELS, "datasets": []}
    with pytest.raises(UsageError, match="cannot be written"):
        monitor_page.write(found, "7d", tmp_path / "none" / "page.html")
    monitor_page.write(found, "7d", Path(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
