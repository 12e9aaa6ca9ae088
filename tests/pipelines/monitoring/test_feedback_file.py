"""Labels that arrive as a file: matched, counted, told apart, and taken once."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import watched
from logged import logged_records
from project import ROOT
from watched import answered, write

from pipelines.monitoring import feedback_file
from pipelines.monitoring.feedback_file import take
from pipelines.runtime.settings import UsageError


def csv(home: Path, text: str) -> Path:
    file = home / "labels.csv"
    file.write_text(text, encoding="utf-8")
    return file


def kept(home: Path) -> list[dict]:
    records = logged_records(home / "labels") if (home / "labels").exists() else []
    return [{name: value for name, value in one.items() if name != "time"} for one in records]


def test_each_row_is_counted_once_under_what_became_of_it(home):
    watched.champion(home / "made")
    write(home, "requests", *(answered(n) for n in range(4)), answered(4, ["cat", "dog"]))
    file = csv(
        home,
        "request_id,label,index\n"
        "r0,cat,\n"
        "r1,dog,0\n"
        "r0,dog,\n"  # replaces line 2
        "r4,cat,\n"  # of two inputs
        "r4,dog,1\n"
        "r2,bird,\n"
        "r9,cat,\n"
        "r 3,cat,\n"
        "r3,,\n"
        "r3,cat,x\n"
        "r3,cat\n",
    )
    taken = take(file)
    assert (taken.rows, taken.matched, taken.new) == (11, 3, 3)
    assert (taken.doubled, taken.unknown, taken.invalid, taken.foreign) == (1, 1, 5, 1)
    assert taken.examples["doubled"] == ["line 2: line 4 replaces it"]
    assert taken.examples["unknown"] == ["line 8: no such request is in the log"]
    assert taken.examples["foreign"] == ["line 7: the model does not know this label"]
    assert taken.examples["invalid"][0] == "line 9: 'r 3' is no request id"
    assert kept(home) == [
        {"request_id": "r1", "index": 0, "label": "dog"},
        {"request_id": "r0", "label": "dog"},
        {"request_id": "r4", "index": 1, "label": "dog"},
    ]


def test_taking_a_file_again_changes_nothing(home):
    watched.champion(home / "made")
    write(home, "requests", answered(0), answered(1))
    file = csv(home, "request_id,label\nr0,cat\nr1,dog\n")
    assert (take(file).new, take(file).new, take(file).matched) == (2, 0, 2)
    csv(home, "request_id,label\nr0,dog\nr1,dog\n")
    assert take(file).new == 1
    assert len(kept(home)) == 3


def test_values_of_forecasts(home):
    forecast = {"model": "espalier-forecast-glucose", "forecast": [1.0, 2.0], "label": None}
    write(home, "requests", answered(0) | forecast, answered(1))
    rows = 'r0,"[1.5, null]"\nr1,"[1]"\nr2,"[]"\nr2,"[true]"\nr2,5\nr2,"[1e999]"\n'
    taken = take(csv(home, "request_id,values\n" + rows))
    assert (taken.matched, taken.invalid, taken.unknown) == (1, 5, 0)
    assert kept(home) == [{"request_id": "r0", "values": [1.5, None]}]


def test_a_task_narrows_whose_requests_are_meant(home):
    write(home, "requests", answered(0))
    file = csv(home, "request_id,label\nr0,cat\n")
    assert take(file, "sentiment").unknown == 1
    assert take(file, "image").matched == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"request_id,lable\nr0,cat\n", "the columns request_id, lable"),
        (b"", "request_id,label,index"),
        (b"request_id,label\nr0,\xff\n", "CSV in UTF-8"),
        (b'request_id,label\nr0,"cat\n', "CSV in UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused(home, text, words):
    (home / "labels.csv").write_bytes(text)
    with pytest.raises(UsageError, match=words):
        take(home / "labels.csv")


def test_a_full_disk_leaves_no_half_of_it(home, monkeypatch):
    write(home, "requests", answered(0))
    file = csv(home, "request_id,label\nr0,cat\n")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feedback_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        take(file)
    assert kept(home) == []


def test_the_command_says_it_as_json_and_fails_where_nothing_matches(home):
    write(home, "requests", answered(0))
    file = csv(home, "request_id,label\nr0,cat\n")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pipelines.cli", "feedback", str(file), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = run("--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new"] == 1
    csv(home, "request_id,label\nr9,cat\n")
    refused = run()
    assert refused.returncode == 1
    assert "no row belongs to an answer" in refused.stderr
    assert "line 2: no such request is in the log" in refused.stdout
