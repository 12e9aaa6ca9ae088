"""The gate's settings: a refusal names the one that lets the dataset pass, and bad rows go."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from raw_rows import SERIES, pictures, put, readings, texts

from data import declared, prepare, report, stored, validate
from data.errors import GateRefused

FILE = {"kind": "csv", "path": "rows.csv"}
ENTRIES = {
    "image": (pictures, {"task": "image", "kind": "folder", "path": "pets"}),
    "sentiment": (texts, FILE | {"task": "sentiment", "columns": {"text": "t", "label": "l"}}),
    "forecast": (readings, FILE | SERIES | {"columns": {"time": "t", "value": "v"}}),
}
SPLIT = {"train": 0.6, "validation": 0.2, "test": 0.2}


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


def rare(columns):
    columns["label"][: 2 * 139 : 2] = "good"


def few(columns):
    columns["label"][: 2 * 145 : 2] = "good"


def repeated(columns):
    columns["text"][:27] = "nice"
    columns["label"][:27] = "good"


def contradicting(columns):
    columns["text"][10:20] = columns["text"][:10]
    columns["label"][10:20] = columns["label"][1:11]


def shifted(rows, seconds):
    def corrupt(columns):
        columns["time"][rows] += np.timedelta64(seconds, "s")

    return corrupt


def flat(columns):
    columns["series"][:200], columns["value"][:200] = "b", 5.0


def emoji(columns):
    columns["text"][:5] = ["😀" * count for count in range(8, 13)]
    columns["text"][:5] += "😡👎🎉"


@pytest.mark.parametrize(
    ("task", "corrupt", "setting"),
    [
        ("image", put("image", 7, 40), "blank"),
        ("sentiment", rare, "class_share"),
        ("sentiment", few, "class_rows"),
        ("sentiment", repeated, "doubles"),
        ("sentiment", contradicting, "contradictions"),
        ("sentiment", emoji, "few_letters"),
        ("sentiment", put("text", slice(4), ["ab" * n for n in range(6, 10)]), "repetitive"),
        ("sentiment", put("text", slice(40), [f"caf\ufffd nr {n}" for n in range(40)]), "broken"),
        ("forecast", shifted(slice(90, 110, 2), 300), "repeated_times"),
        ("forecast", shifted(slice(0, 160, 2), 100), "off_grid"),
        ("forecast", flat, "flat"),
    ],
)
def test_a_refusal_names_the_setting_that_lets_the_dataset_pass(task, corrupt, setting, passed):
    make, entry = ENTRIES[task]
    raw, expected = make(), {}
    corrupt(raw.splits["rows"])
    for _ in range(3):  # of two rules that are not met each names its own
        try:
            passed(raw, entry | {"expect": expected})
            break
        except GateRefused as refusal:
            named = re.findall(r"`expect: ({.*?})` in its entry allows it", str(refusal))
            expected |= {key: value for one in named for key, value in yaml.safe_load(one).items()}
    else:
        pytest.fail(f"{expected} does not let it pass")
    assert setting in expected


@pytest.mark.parametrize(
    ("task", "column", "value"),
    [
        ("image", "image", 40),
        ("sentiment", "text", None),
        ("sentiment", "text", " "),
        ("sentiment", "text", "word " * 50_000),
        ("sentiment", "label", None),
        ("sentiment", "label", "mixed"),
        ("forecast", "value", np.nan),
        ("forecast", "value", np.inf),
        ("forecast", "time", np.datetime64("NaT", "ns")),
        ("forecast", "series", ""),
    ],
)
def test_bad_rows_are_set_aside_listed_and_noted(task, column, value, passed):
    make, entry = ENTRIES[task]
    raw = make()
    put(column, [3, 9], value)(raw.splits["rows"])
    with pytest.raises(GateRefused, match="`on_bad_rows: drop` in its entry sets such rows aside"):
        passed(raw, entry)
    gone, notes = passed(raw, entry | {"on_bad_rows": "drop"})
    listed = pd.read_csv("data/reports/mine/set_aside.csv")
    assert set(listed["id"]) == {3, 9}
    assert task == "forecast" or gone == {3, 9}
    assert any("2 bad rows set aside, data/reports/mine/set_aside.csv" in note for note in notes)
    if task == "sentiment":
        assert listed["line"].tolist() == [5, 11]
    put(column, slice(0, 100, 3), value)(raw.splits["rows"])
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
