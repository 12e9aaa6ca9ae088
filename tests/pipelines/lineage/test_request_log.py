"""The request log is read as a stream: whole records of every version that wrote one."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import orjson
import pyarrow
import pyarrow.parquet
import pytest
from project import ROOT

from pipelines.lineage import request_log

RECORD = {"time": 1_800_000_000_000_000, "task": "image", "label": ["7"], "status": 200}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path))
    (tmp_path / "requests").mkdir()
    return tmp_path / "requests"


def lines(*request_ids: str, **changes) -> str:
    records = [RECORD | {"request_id": request_id} | changes for request_id in request_ids]
    return "".join(json.dumps(record) + "\n" for record in records)


def ids(request_id: str | None = None) -> list[str]:
    return [record["request_id"] for record in request_log.records(request_id)]


def test_no_folder_is_no_record(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "none"))
    assert list(request_log.records()) == []


def test_whole_records_come_in_the_order_of_the_files(folder):
    torn = '{"time": 1, "requ'
    (folder / "2.jsonl").write_bytes(b"\xff\xfe\n[]\n5\n" + lines("c").encode() + b'{"a": "\xc3')
    (folder / "1.jsonl").write_text(lines("a") + torn + "\n" + lines("b") + torn + "est_id")
    assert ids() == ["a", "b", "c"]
    assert ids("c") == ["c"]
    assert next(request_log.records()) == RECORD | {"request_id": "a"}


def test_an_id_within_another_field_is_not_the_id(folder):
    (folder / "1.jsonl").write_text(lines("a", error="b") + lines("b") + lines("bb"))
    assert ids("b") == ["b"]


def test_what_commit_896d5ab_left_is_read(folder):
    """A Parquet file, and the segment of the same name that a kill left beside it."""
    stamp = datetime(2026, 11, 21, 12, 0, 0, 250_000, UTC)
    rows = [
        {"time": stamp, "request_id": name, "route": None, "label": ["7"]} for name in ("a", "b")
    ]
    name = folder / "20261121T120000-000000-7"
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, name.with_suffix(".parquet"), compression="zstd")
    name.with_suffix(".jsonl").write_text(lines("a", "b"))
    name.with_suffix(".partial").write_bytes(b"PAR1")
    (folder / "20261121T130000-000000-7.jsonl").write_text(lines("c"))
    assert ids() == ["a", "b", "c"]
    time = "2026-11-21T12:00:00.250+00:00"
    assert request_log.find("b") == [{"time": time, "request_id": "b", "label": ["7"]}]


READ = """
import pathlib, time
from pipelines.lineage import request_log
start = time.process_time()
count = sum(1 for _ in request_log.records())
read = time.process_time() - start
start = time.process_time()
[record] = request_log.find("%032x" % 765_432)
found = time.process_time() - start
# Not ru_maxrss, in which a child begins with what its parent has.
status = pathlib.Path("/proc/self/status").read_text()
print(count, read, found, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


@pytest.mark.slow
def test_a_million_records_are_read_in_ten_seconds_and_a_gigabyte(folder):
    record = RECORD | {
        "route": "/v1/image",
        "model": "espalier-image-digits",
        "version": "12",
        "fingerprint": "f" * 64,
        "latency_ms": 0.5123,
        "inputs": 1,
        "width": 28,
        "height": 28,
        "bytes": 702,
        "probability": [0.9876543210123456],
        "familiar": [True],
        "familiarity": [0.123456789012345],
        "signals": {"entropy": 0.1234567, "margin": 0.7654321},
    }
    for number in range(20):
        with (folder / f"{number:02}.jsonl").open("wb") as segment:
            for n in range(number * 50_000, (number + 1) * 50_000):
                segment.write(orjson.dumps(record | {"request_id": f"{n:032x}"}) + b"\n")
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=ROOT, capture_output=True, text=True, check=True
    )
    count, read, found, megabytes = map(float, done.stdout.split())
    print(f"read {read:.1f} s, found one in {found:.1f} s, {megabytes:.0f} MB")
    assert count == 1_000_000
    assert read < 10
    assert found < 5
    assert megabytes < 1000
