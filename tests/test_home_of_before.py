"""What commit 896d5ab left in its home serves and is read.

`support/home_of_896d5ab.tar.gz` was written by that commit's own code: two published champions with
their fallbacks, a followed champion, and a request log of which one segment had become Parquet when
its conversion was killed, and another ends in half a line.
"""

import tarfile
from pathlib import Path

import pytest
from logged import logged_records

from pipelines.lineage import request_log
from serving.champions.slots import Champions
from serving.inference.loaded_model import Model
from serving.request_log.segment import Segments

ARCHIVE = Path(__file__).parent / "support" / "home_of_896d5ab.tar.gz"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path))
    return tmp_path


def serving(folder: Path, task: str) -> Model:
    champions = Champions([task])
    champions.refresh([folder])
    return champions.serving(task)


def served(folder: Path, task: str) -> str:
    return serving(folder, task).pointer.version


def test_its_champions_serve(home):
    assert served(home / "published", "sentiment") == "2"
    assert served(home / "followed", "forecast") == "1"


def test_its_champion_keeps_its_score(home):
    """It was made before an entry could name a positive label: it is the second of two."""
    [answer] = serving(home / "published", "sentiment").predict(["good"])
    assert answer["score"] == list(answer["probabilities"].values())[1]


def test_its_fallback_serves_where_the_champion_is_damaged(home):
    [champion] = (home / "published" / "artifacts").glob("2e757ab4*")
    (champion / "model.onnx").write_bytes(b"damaged")
    (home / "published" / "sentiment.last-good.json").unlink()
    assert served(home / "published", "sentiment") == "1"


def test_its_request_log_is_read(home):
    records = list(request_log.records())
    assert [record["request_id"] for record in records] == [f"before-{n}" for n in range(5)]
    [first], [last] = request_log.find("before-0"), request_log.find("before-4")
    assert first["time"] == "2026-11-29T01:34:13.255+00:00"
    assert set(first) == set(last) == set(records[0])
    assert (first["label"], first["words"]) == (last["label"], 2) == (["negative"] * 2, 2)


def test_its_request_log_is_within_the_bounds(home):
    writer = Segments(home / "requests", max_bytes=9_000, max_seconds=1e9)
    writer.append(b'{"request_id": "new"}\n')
    writer.close()
    assert not list((home / "requests").glob("*.parquet"))
    assert [record["request_id"] for record in request_log.records()][-1] == "new"
    assert logged_records(home / "requests")
