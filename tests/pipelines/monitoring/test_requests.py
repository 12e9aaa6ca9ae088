"""The request log as columns: answered requests of one model, by time, whatever the files hold."""

import os
from datetime import UTC, datetime

import orjson
import pyarrow
import pyarrow.parquet
import pytest

from pipelines.monitoring import requests

NOW = 1_800_000_000_000_000
RECORD = {
    "time": NOW,
    "request_id": "a",
    "model": "espalier-image-digits",
    "version": "3",
    "status": 200,
    "label": ["7"],
    "probability": [0.5],
    "signals": {"entropy": 0.25, "margin": 1},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path))
    (tmp_path / "requests").mkdir()
    return tmp_path / "requests"


def lines(*changes: dict) -> bytes:
    return b"".join(orjson.dumps(RECORD | change) + b"\n" for change in changes)


def rows(*columns: str, since=None, signals=()) -> list[dict]:
    return requests.table("image", "digits", since, columns, signals).to_pylist()


def test_no_log_is_no_row(folder):
    assert rows("label") == []
    assert requests.table("image", "digits").column_names == ["time", "request_id", "version"]


def test_only_answers_of_the_model_come_by_time(folder):
    (folder / "2.jsonl").write_bytes(lines({"time": NOW - 5, "request_id": "first"}))
    others = {"status": 422}, {"status": None}, {"model": "espalier-image-digits2"}
    (folder / "1.jsonl").write_bytes(lines({}, *others))
    assert [row["request_id"] for row in rows("request_id")] == ["first", "a"]
    (row, _) = rows("label", "client", "label", signals=("entropy", "none"))
    signals = {"entropy": 0.25, "none": None}
    assert row == {"time": NOW - 5, "label": ["7"], "client": None, "signals": signals}


def test_torn_and_foreign_lines_cost_no_other_record(folder, monkeypatch):
    torn = b'{"time": 1, "requ\n[]\n\n5\n\xff\xfe\n{"time": 1,\n'
    many = [{"request_id": str(n)} for n in range(20)]
    (folder / "1.jsonl").write_bytes(lines(*many[:7]) + torn + lines(*many[7:]) + b'{"time": 1')
    assert {row["request_id"] for row in rows("request_id")} == {str(n) for n in range(20)}
    monkeypatch.setattr(requests, "PART_BYTES", 300)  # several parts, cut within lines
    assert {row["request_id"] for row in rows("request_id")} == {str(n) for n in range(20)}


def test_a_line_is_as_long_as_it_is(folder):
    (folder / "1.jsonl").write_bytes(lines({"input": "x" * (3 << 20)}, {}) + b"torn")
    assert len(rows("input")) == 2


def test_since_leaves_out_older_records_and_files(folder):
    since = datetime.fromtimestamp(NOW / 1e6, UTC)
    (folder / "1.jsonl").write_bytes(lines({"time": NOW - 1}, {}, {"time": NOW + 1}))
    os.utime(folder / "1.jsonl", (NOW / 1e6, NOW / 1e6))
    assert [row["time"] for row in rows(since=since)] == [NOW, NOW + 1]
    os.utime(folder / "1.jsonl", (NOW / 1e6 - 9, NOW / 1e6 - 9))
    assert rows(since=since) == []


def test_the_answer_of_a_challenger_is_a_struct(folder):
    challenger = {"model": "espalier-image-digits", "version": "4", "status": 200, "label": ["1"]}
    (folder / "1.jsonl").write_bytes(lines({"challenger": challenger}, {}))
    with_one, without = rows("challenger.version", "challenger.label", "challenger.error")
    assert with_one["challenger"] == {"version": "4", "label": ["1"], "error": None}
    assert without["challenger"] is None


def test_files_of_before_version_0_2_are_read(folder):
    stamp = datetime.fromtimestamp(NOW / 1e6, UTC)
    record = {key: value for key, value in RECORD.items() if key != "signals"}
    table = pyarrow.Table.from_pylist([record | {"time": stamp}])
    pyarrow.parquet.write_table(table, folder / "1.parquet")
    expected = {"time": NOW, "request_id": "a", "label": ["7"], "client": None, "signals": None}
    assert rows("request_id", "label", "client", signals=("entropy",)) == [expected]
