"""Rows that are forgotten, while a real writer of the service goes on, and in files of before."""

import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from logged import logged_records
from project import ROOT

from pipelines.lineage import forget, request_log

SHOP = {"client": "shop"}
# A third of the rows is of the client, each append is of three; a line on standard input ends it.
WRITER = """
import select, sys
from pathlib import Path
from serving.request_log.segment import Segments
writer, number = Segments(Path(sys.argv[1]), 1 << 26, 1e6), 0
while not select.select([sys.stdin], [], [], 0.0002)[0]:
    names = [b"shop", b"shops", b"other"]
    writer.append(b"".join(b'{"time": %d, "client": "%s"}\\n' % (number + n, name)
                           for n, name in enumerate(names)))
    number += 3
    writer.rotate()
print(number)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "home"))
    request_log.folder().mkdir(parents=True)
    return request_log.folder()


def test_beside_a_service_that_writes_no_other_row_is_lost_or_doubled(folder):
    command = [sys.executable, "-c", WRITER, folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as writer:
        deadline, gone, turns = time.monotonic() + 2, 0, 0
        while time.monotonic() < deadline or not gone:
            went, left = forget.remove(SHOP)
            gone, turns = gone + sum(one.rows for one in went), turns + bool(went)
            assert left == []
        count = int(writer.communicate("\n")[0])
    gone += sum(one.rows for one in forget.remove(SHOP)[0])
    print(f"{turns} times {gone} of {count} rows in {len(list(folder.iterdir()))} files")
    assert turns > 10
    assert gone == count // 3
    times = sorted(record["time"] for record in logged_records(folder))
    assert times == [number for number in range(count) if number % 3]


def test_labels_are_forgotten_too(folder):
    request_log.labels().mkdir()
    lines = [{"request_id": "a", "client": "shop"}, {"request_id": "b", "client": "other"}]
    file = request_log.labels() / "1.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [one.file for one in forget.held({"request_id": "b"})] == [file]
    assert [one.rows for one in forget.remove(SHOP)[0]] == [1]
    assert json.loads(file.read_text()) == lines[1]


def test_labels_that_others_sent_for_a_clients_requests_go_with_them(folder):
    requests = [{"request_id": f"s{number}", "client": "shop"} for number in range(20)]
    requests += [{"request_id": "o", "client": "other"}]
    labels = [{"request_id": f"s{number}", "client": "nurse"} for number in range(20)]
    labels += [{"request_id": "o", "client": "nurse"}, {"request_id": "o", "client": "shop"}]
    request_log.labels().mkdir()
    for place, lines in ((folder, requests), (request_log.labels(), labels)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (place / "1.jsonl").write_text(text + '{"client": "nurse", "request_id": "s3", "la')
    assert [one.rows for one in forget.held(SHOP)] == [22, 20]
    assert forget.held({"request_id": "s3"})[0].rows == 2  # as before, with what a kill has torn
    assert [one.rows for one in forget.remove(SHOP)[0]] == [22, 20]
    assert logged_records(request_log.labels()) == [{"request_id": "o", "client": "nurse"}]
    assert [one["client"] for one in request_log.records()] == ["other"]


def test_what_is_no_row_of_it_stays_as_it_was(folder):
    lines = [
        {"time": 1, "request_id": "a", "client": "shop"},
        {"time": 2, "request_id": "shop", "client": "other"},
        {"time": 3, "request_id": "b", "input": '[{"text": "shop"}]'},
    ]
    file, alone = folder / "1.jsonl", folder / "2.jsonl"
    text = [json.dumps(line) + "\n" for line in lines]
    file.write_text("".join(text) + '{"time": 4, "client": "shop", "ro')  # cut off by a kill
    alone.write_text(text[0])
    os.utime(file, (1e9, 1e9))  # a service removes it by its age
    (folder / "0.partial").write_text(text[0])  # of a call that was killed
    assert [(one.file, one.rows) for one in forget.held(SHOP)] == [(file, 2), (alone, 1)]
    went, _ = forget.remove(SHOP)
    assert [one.rows for one in went] == [2, 1]
    assert list(folder.iterdir()) == [file]
    assert file.read_text() == text[1] + text[2]
    assert file.stat().st_mtime == 1e9
    assert forget.remove({"client": "none", "request_id": "b"})[0][0].rows == 1
    assert file.read_text() == text[1]


def test_rows_in_files_of_before_version_0_2_go_too(folder):
    with tarfile.open(ROOT / "tests" / "support" / "home_of_896d5ab.tar.gz") as archive:
        archive.extractall(folder.parent, filter="data")
    before = list(request_log.records())
    [parquet] = folder.glob("*.parquet")
    request_id = next(request_log.in_parquet(parquet))["request_id"]
    forget.remove({"request_id": request_id})
    rest = [record for record in before if record["request_id"] != request_id]
    assert len(rest) < len(before)
    assert list(request_log.records()) == rest
    assert not parquet.exists()


def test_a_file_that_cannot_be_replaced_is_named_and_stays(folder):
    file = folder / "1.jsonl"
    file.write_text('{"time": 1, "client": "shop"}\n{"time": 2}\n')
    before = file.read_text()
    with no_room():
        went, left = forget.remove(SHOP)
    assert (went, left) == ([], [f"1 rows of {file}: File too large"])
    assert file.read_text() == before
    assert list(folder.iterdir()) == [file]


@contextmanager
def no_room():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
