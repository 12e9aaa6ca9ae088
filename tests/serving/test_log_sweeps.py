"""From journals to Parquet, wherever it is killed."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from logged_rows import journal_rows, rows_that_count, stored_rows

from serving.request_log.parquet import sweep
from serving.request_log.schema import COLUMNS
from serving.request_log.segment import Journal

ROOT = Path(__file__).parents[2]
MUCH = 1 << 28  # bytes: the folder may keep them all


def sweeping(folder: Path) -> subprocess.Popen:
    """The process that a worker starts to sweep; the tests that need none call `sweep` itself."""
    command = [sys.executable, "-m", "serving.request_log.parquet", str(folder), str(MUCH)]
    return subprocess.Popen(command, cwd=ROOT)


def left(folder: Path, count: int, begin: int = 0, end: str = "\n") -> Path:
    """A journal that a worker left behind."""
    folder.mkdir(exist_ok=True)
    path = folder / f"20261121T1200{begin:02}-000000-7.jsonl"
    row = {"time": 1, "task": "image", "label": ["7"], "mean": 5, "unknown": "is left out"}
    lines = [json.dumps(row | {"request_id": f"{begin}-{number}"}) for number in range(count)]
    path.write_text("\n".join(lines) + end)
    return path


def test_a_journal_becomes_parquet_with_every_column(tmp_path):
    path = left(tmp_path, 3)
    sweep(tmp_path, MUCH)
    assert [one.name for one in tmp_path.iterdir()] == [path.with_suffix(".parquet").name]
    rows = stored_rows(tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["request_id"] for row in rows] == ["0-0", "0-1", "0-2"]
    assert rows[0]["time"] == datetime(1970, 1, 1, microsecond=1, tzinfo=UTC)
    assert (rows[0]["label"], rows[0]["mean"], rows[0]["status"]) == (["7"], 5.0, None)


def test_a_torn_line_is_dropped(tmp_path):
    path = left(tmp_path, 3, end='\n{"time": 1, "requ')
    path.write_bytes(path.read_bytes() + b'\n{"time": 2, "request_id": "after"}\n{"tim')
    sweep(tmp_path, MUCH)
    assert [row["request_id"] for row in stored_rows(tmp_path)][2:] == ["0-2", "after"]


def test_an_empty_journal_goes(tmp_path):
    (tmp_path / "a-1.jsonl").touch()
    sweep(tmp_path, MUCH)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_written_stays(tmp_path):
    journal = Journal(tmp_path)
    journal.append(b'{"request_id": "a"}\n')
    sweep(tmp_path, max_bytes=1)
    [path] = tmp_path.iterdir()
    journal.append(b'{"request_id": "b"}\n')
    journal.close()
    assert [row["request_id"] for row in journal_rows(tmp_path)] == ["a", "b"]
    sweep(tmp_path, MUCH)
    assert not path.exists()
    assert len(stored_rows(tmp_path)) == 2


def test_killed_before_the_journal_went_no_row_is_there_twice(tmp_path):
    path = left(tmp_path, 3)
    before = path.read_bytes()
    sweep(tmp_path, MUCH)
    path.write_bytes(before)
    assert len(rows_that_count(tmp_path)) == 3
    sweep(tmp_path, MUCH)
    assert not path.exists()
    assert len(stored_rows(tmp_path)) == 3


def test_killed_at_any_time_every_row_is_there_once(tmp_path):
    journals, rows = 2, 8000
    expected = {f"{n}-{number}" for n in range(journals) for number in range(rows)}
    for number in range(journals):
        left(tmp_path, rows, number)
    killed = 0
    for delay in (0.05, 0.3, 0.45, 0.6):
        child = sweeping(tmp_path)
        time.sleep(delay)
        killed += child.poll() is None
        child.kill()
        child.wait()
        found = [row["request_id"] for row in rows_that_count(tmp_path)]
        assert len(found) == len(expected)
        assert set(found) == expected
    assert killed
    sweep(tmp_path, MUCH)
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet"}
    assert {row["request_id"] for row in stored_rows(tmp_path)} == expected


def test_two_at_once_do_it_once(tmp_path):
    for number in range(6):
        left(tmp_path, 2000, number)
    both = [sweeping(tmp_path), sweeping(tmp_path)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet"}
    assert len(stored_rows(tmp_path)) == 12_000


def test_the_oldest_go_when_it_is_too_much(tmp_path):
    names = [left(tmp_path, 2000, number).stem for number in range(6)]
    sweep(tmp_path, MUCH)
    sizes = [(tmp_path / f"{name}.parquet").stat().st_size for name in names]
    sweep(tmp_path, max_bytes=sum(sizes[-3:]) + 10)
    assert sorted(path.stem for path in tmp_path.iterdir()) == names[-3:]
