"""The gate's settings: a refusal names the one that lets the dataset pass, and bad rows go."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from raw_rows import ENTRIES, SPLIT, put, readings, texts

from data import declared, prepare, report, stored, validate
from data.errors import GateRefused


@pytest.fixture
def passed(tmp_path, monkeypatch):
    """Judge rows and prepare them: the ids that are in no split, and the notes."""
    monkeypatch.chdir(tmp_path)

    def through(raw: stored.Dataset, entry: dict) -> tuple[set[int], list[str]]:
        params = {"datasets": {"mine": entry}, "split": {"classes": SPLIT, "series": SPLIT}}
        Path("params.yaml").write_text(json.dumps(params))
        raw.facts["task"] = entry["task"]
        folders = [stored.RAW / "mine", report.REPORTS / "mine", Path("prepared/mine")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        stored.write(folders[0], raw)
        validate.validate("mine", folders[1])
        prepare.prepare("mine", folders[2])
        splits = stored.read(folders[2]).splits.values()
        kept = {one for split in splits for one in split.get("id", [])}
        return set(raw.splits["rows"]["id"]) - kept, json.loads(
            Path("data/notes/mine.json").read_text()
        )

    return through


def spoiled_texts(columns):
    columns["label"][: 2 * 146 : 2] = "good"  # 4 of 300 are left to the other class
    columns["text"][40:67], columns["label"][40:67] = "nice", "good"
    columns["text"][80:85] = columns["text"][295:300]
    columns["label"][80:85] = ["bad" if row % 2 else "good" for row in range(295, 300)]
    columns["text"][100:105] = ["😀" * count + "😡👎🎉" for count in range(8, 13)]
    columns["text"][110:114] = ["ab" * count for count in range(6, 10)]
    columns["text"][120:160] = [f"caf\ufffd nr {number}" for number in range(40)]


def spoiled_readings(columns):
    columns["series"][:100], columns["value"][:100] = "b", 5.0
    columns["time"][200:240:2] += np.timedelta64(300, "s")
    columns["time"][300:460:2] += np.timedelta64(100, "s")
    columns["time"] += (np.arange(600) // 17) * np.timedelta64(3600, "s")


@pytest.mark.parametrize(
    ("task", "corrupt", "settings"),
    [
        ("image", put("image", 7, 40), {"blank"}),
        (
            "sentiment",
            spoiled_texts,
            {"class_rows", "class_share", "doubles", "contradictions", "few_letters", "repetitive"}
            | {"broken"},
        ),
        ("forecast", spoiled_readings, {"repeated_times", "off_grid", "holes", "flat"}),
    ],
)
def test_a_refusal_names_the_settings_that_let_the_dataset_pass(task, corrupt, settings, passed):
    make, entry = ENTRIES[task]
    raw = make()
    corrupt(raw.splits["rows"])
    with pytest.raises(GateRefused) as refusal:
        passed(raw, entry)
    named = re.findall(r"`expect: ({.*?})` in its entry allows it", str(refusal.value))
    expected = {key: value for one in named for key, value in yaml.safe_load(one).items()}
    assert expected.keys() == settings
    passed(raw, entry | {"expect": expected})


@pytest.mark.parametrize(
    ("task", "bad"),
    [
        ("image", [("image", 40)]),
        (
            "sentiment",
            [
                *(("text", text) for text in (None, " ", "word " * 50_000)),
                *(("label", label) for label in (None, "mixed")),
            ],
        ),
        (
            "forecast",
            [
                *(("value", value) for value in (np.nan, np.inf)),
                ("time", np.datetime64("NaT", "ns")),
                ("series", ""),
            ],
        ),
    ],
)
def test_bad_rows_are_set_aside_listed_and_noted(task, bad, passed):
    make, entry = ENTRIES[task]
    raw = make()
    for row, (column, value) in enumerate(bad, start=3):
        put(column, row, value)(raw.splits["rows"])
    rows = {3 + row for row in range(len(bad))}
    with pytest.raises(GateRefused, match="`on_bad_rows: drop` in its entry sets such rows aside"):
        passed(raw, entry)
    gone, notes = passed(raw, entry | {"on_bad_rows": "drop"})
    listed = pd.read_csv("data/reports/mine/set_aside.csv")
    assert set(listed["id"]) == rows
    assert task == "forecast" or gone == rows
    assert sum("bad rows set aside, data/reports/mine/set_aside.csv" in note for note in notes) > 0
    assert "line" not in listed or listed["line"].tolist() == [row + 2 for row in listed["id"]]
    put(bad[0][0], slice(20, 120, 2), bad[0][1])(raw.splits["rows"])
    with pytest.raises(GateRefused, match=r"`expect: \{dropped: 0\.\d+\}` in its entry allows it"):
        passed(raw, entry | {"on_bad_rows": "drop"})


def test_rows_that_are_set_aside_leave_the_dataset_that_never_had_them(passed):
    _, entry = ENTRIES["sentiment"]
    clean, soiled = texts(), texts(302)
    soiled.splits["rows"]["text"][300:] = None
    hashes = set()
    for raw in (clean, soiled):
        passed(raw, entry | {"on_bad_rows": "drop"})
        hashes.add(stored.hash_of(Path("prepared/mine")))
    assert len(hashes) == 1


def test_a_class_of_few_rows_is_left_out_by_listing_the_others(passed):
    _, entry = ENTRIES["sentiment"]
    raw = texts()
    put("label", [7, 9], "mixed")(raw.splits["rows"])
    raw.facts["labels"] = ["bad", "good", "mixed"]
    with pytest.raises(GateRefused, match="list the other classes as `labels:` with `on_bad_rows"):
        passed(raw, entry)
    raw.facts["labels"] = ["bad", "good"]  # as data/sources/ takes them from the entry
    gone, _ = passed(raw, entry | {"labels": raw.facts["labels"], "on_bad_rows": "drop"})
    assert gone == {7, 9}


@pytest.mark.parametrize(
    ("task", "expect", "message"),
    [
        ("image", {"doubels": 0.1}, r"unknown key 'doubels' \(did you mean 'doubles'\?\)"),
        ("image", {"flat": 0.1}, "unknown key 'flat'"),
        ("forecast", {"holes": 2}, "expect.holes in params.yaml is 2: input should be less than"),
        ("sentiment", {"rows": 0}, "expect.rows in params.yaml is 0: input should be greater than"),
    ],
)
def test_a_setting_that_is_none_is_refused(task, expect, message, tmp_path):
    (tmp_path / "params.yaml").write_text(
        json.dumps({"datasets": {"mine": ENTRIES[task][1] | {"expect": expect}}})
    )
    with pytest.raises(declared.DataError, match=message):
        declared.entry("mine", tmp_path)


def test_newest_rows_first_are_sorted(passed):
    raw = readings()
    columns = {name: column[::-1] for name, column in raw.splits["rows"].items()}
    columns["id"] = np.arange(600)
    _, notes = passed(stored.Dataset(raw.facts, {"rows": columns}), ENTRIES["forecast"][1])
    assert notes == ["rows are sorted by time: not so for 599 of 600 readings; prepare sorts them"]
    assert (
        np.diff(stored.read(Path("prepared/mine")).splits["train"]["time"]).astype(int) > 0
    ).all()
