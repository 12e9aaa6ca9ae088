"""validation.html: what people look for in it, escaped, loading nothing, bounded, repeatable."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import raw_rows
from browsing import complaints, needs_chromium
from raw_rows import SPLIT, put

from data import declared, report, stored, validate
from data.errors import GateRefused
from data.validation_page import drawings

ENTRIES = {
    task: (make, entry | {"about": "Rows of <b>mine</b>."})
    for task, (make, entry) in raw_rows.ENTRIES.items()
}


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judge rows; the page, as it is and as a person reads it."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("t,l")
    os.utime("rows.csv", (1_700_000_000, 1_700_000_000))

    def page_of(raw: stored.Dataset, entry: dict) -> tuple[str, str]:
        params = {"datasets": {"mine": entry}, "split": {"classes": SPLIT, "series": SPLIT}}
        Path("params.yaml").write_text(json.dumps(params))
        raw.facts["task"] = entry["task"]
        folders = [stored.RAW / "mine", report.REPORTS / "mine"]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        stored.write(folders[0], raw)
        try:
            validate.validate("mine", folders[1])
        finally:
            html = (folders[1] / "validation.html").read_text()
            page_of.last = html, text_of(html)
        return page_of.last

    return page_of


def text_of(html: str) -> str:
    """It is well-formed XML as well."""
    root = ElementTree.fromstring(html[html.index("<html") :])
    root.find("head").clear()
    return " ".join(" ".join(root.itertext()).split())


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("image", ["Yes.", "pictures", "Rows of each class", "all 120"]),
        (
            "sentiment",
            [
                *("texts 300", "Rows of <b>mine</b>.", "source last changed 2023-11-14 22:13 UTC"),
                *("words of a text: ", "no text is empty", "all 300; length "),
            ],
        ),
        ("forecast", ["readings 600", "over time: 600 readings, ", "values: ", "all 600; value "]),
    ],
)
def test_the_page_says_what_people_look_for(task, wanted, judged):
    make, entry = ENTRIES[task]
    html, text = judged(make(), entry)
    assert not re.search(r"https?:|href=|<script|@import|url\(|src=\"(?!data:)", html)
    for words in [*wanted, stored.hash_of(stored.RAW / "mine"), "what was observed"]:
        assert words in text, words
    assert html.count("<img ") == (drawings.STRIP if task == "image" else 0)
    assert html.count("<svg ") == {"image": 0, "sentiment": 1, "forecast": 2}[task]
    assert judged(make(), entry)[0] == html  # it is an out of a DVC stage
    assert len(html) < 60_000


def test_rows_set_aside_and_a_refusal_are_told(judged):
    make, entry = ENTRIES["sentiment"]
    raw = make()
    put("text", [3, 4], ["", None])(raw.splits["rows"])
    put("text", 5, "<script>alert(1)</script> and more words")(raw.splits["rows"])
    with pytest.raises(GateRefused):
        judged(raw, entry)
    html, text = judged.last
    assert "No, it is refused." in text
    assert "not so for 1 of 300 (0.33%)" in text
    html, text = judged(raw, entry | {"on_bad_rows": "drop"})
    assert "texts 298 left" in text
    assert "set aside 2" in text
    assert "id rule" in text
    assert "3 no text is empty" in text
    assert "4 each row has a text" in text
    assert "<script>" not in html


@pytest.mark.slow
@needs_chromium
def test_a_browser_finds_nothing_wrong(judged):
    for task, (make, entry) in ENTRIES.items():
        raw = make()
        put("label" if task != "forecast" else "series", 3, "")(raw.splits["rows"])
        judged(raw, entry | {"on_bad_rows": "drop"})
        assert complaints(report.REPORTS.absolute() / "mine" / "validation.html") == []


def test_drawings_are_bounded_and_of_anything():
    rng = np.random.default_rng(0)
    many = pd.DataFrame({"value": rng.lognormal(0, 2, 300_000)})
    many["time"] = [f"2026-01-01 {second:09}" for second in range(len(many))]
    caption, svg = drawings.over_time("over time", many)
    assert caption.startswith("over time: 300,000 readings")
    assert len(svg) < 20_000
    caption, svg = drawings.histogram("values", many["value"])
    assert "the highest 1%, up to " in caption
    assert len(svg) < 4_000
    for values in ([], [7], [5.0, 5.0], [-1e300, 1e300]):
        ElementTree.fromstring(drawings.histogram("values", pd.Series(values))[1] or "<svg/>")


@pytest.mark.parametrize("about", ["", "a" * 301, 7])
def test_about_is_one_or_two_sentences(about, tmp_path):
    entry = ENTRIES["image"][1] | {"about": about}
    (tmp_path / "params.yaml").write_text(json.dumps({"datasets": {"mine": entry}}))
    with pytest.raises(declared.DataError, match=r"datasets.mine.about in params.yaml is"):
        declared.entry("mine", tmp_path)
