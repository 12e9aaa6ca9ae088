"""Segments: whole lines, bounded size and age, several writers in one folder."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from logged import logged_records
from project import ROOT, until

from serving.request_log.segment import DAY_SECONDS, Segments

MEGABYTE = 1 << 20
LINE = b'{"request_id": "a"}\n'


def segments(folder: Path, max_bytes: int = MEGABYTE, days: float = 90) -> Segments:
    return Segments(folder, max_bytes, days * DAY_SECONDS)


def sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(folder.iterdir())]


def test_a_full_segment_is_closed_and_another_begun(tmp_path):
    writer = segments(tmp_path)
    for _ in range(3):
        writer.append(LINE * 1000)
        writer.rotate()
    assert sizes(tmp_path) == [20_000] * 3
    assert len(logged_records(tmp_path)) == 3000


def test_an_old_segment_is_closed(tmp_path):
    writer = Segments(tmp_path, MEGABYTE, max_seconds=0.4)
    writer.append(LINE)
    time.sleep(0.1)
    writer.rotate()
    writer.append(LINE)
    assert len(sizes(tmp_path)) == 2


def test_the_folder_stays_within_its_size(tmp_path):
    """Three workers, and what a version of before left."""
    tmp_path.joinpath("20200101T000000-000000-1.parquet").write_bytes(bytes(200_000))
    tmp_path.joinpath("notes.txt").write_bytes(bytes(10))
    writers = [segments(tmp_path) for _ in range(3)]
    for number in range(300):
        writers[number % 3].append(b"%06d" % number + LINE * 500)
        writers[number % 3].rotate()
        assert sum(sizes(tmp_path)) <= MEGABYTE
    assert sum(sizes(tmp_path)) > MEGABYTE / 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl", ".txt"}
    newest = max(int(path.read_bytes()[:6]) for path in tmp_path.glob("*.jsonl"))
    assert newest >= 294  # the last ones are in the middle of a segment


def test_what_is_older_than_the_bound_goes(tmp_path):
    writer = segments(tmp_path, days=10)
    for days in (8, 9.5, 20):
        path = tmp_path / f"{days}.jsonl"
        path.write_bytes(LINE)
        os.utime(path, (0, time.time() - days * DAY_SECONDS))
    writer.append(LINE)  # a segment is opened
    left = {path.name for path in tmp_path.iterdir()}
    assert left & {"8.jsonl", "9.5.jsonl", "20.jsonl"} == {"8.jsonl"}


def test_a_segment_that_is_removed_is_begun_anew(tmp_path):
    writer = segments(tmp_path / "log")
    writer.append(LINE)
    [path] = (tmp_path / "log").iterdir()
    path.unlink()
    writer.append(LINE * 2)
    assert len(logged_records(tmp_path / "log")) == 2


def test_a_full_disk_leaves_no_half_line(tmp_path):
    writer = segments(tmp_path)
    writer.append(LINE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) * 2 + 5, hard))
        with pytest.raises(OSError, match="large"):
            writer.append(LINE * 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert sizes(tmp_path) == [len(LINE)]
    writer.append(LINE)
    assert len(logged_records(tmp_path)) == 2


KILLED = """
import sys, time
from pathlib import Path
from serving.request_log.segment import Segments
writer = Segments(Path(sys.argv[1]), 1 << 28, 1e6)
number = 0
while True:
    writer.append(b"".join(b'{"request_id": "%d", "text": "%s"}\\n' % (number + n, b"x" * 500)
                           for n in range(200)))
    number += 200
    writer.rotate()
"""


def test_a_writer_that_is_killed_tears_nothing_but_its_last_line(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT) as child:
        until(lambda: sum(sizes(tmp_path)) > 5 << 20, "some megabytes")
        child.kill()
    numbers = [int(record["request_id"]) for record in logged_records(tmp_path)]
    assert numbers == list(range(len(numbers)))
