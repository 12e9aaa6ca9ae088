"""A disk that is full, at each place that is written to: what was there stays, nothing half is
left, and the next call goes well. Commands over such disks: tests/test_foreign_environments.py."""

from collections.abc import Callable
from pathlib import Path

import disks
import entries
import pyarrow as pa
import pytest
from candidates import candidate, evaluation, hits

from data.sources import collected
from pipelines.experiments import registry
from pipelines.locks import state
from pipelines.monitoring import gauges
from pipelines.promotion import contender, decision, ledger, reconcile
from pipelines.release import publish
from pipelines.runtime import disk
from serving.inference import pointer
from serving.request_log.segment import Segments

TEXT = "x" * 100_000
IMAGES = ("image", "mnist_5k")


def label_of_a_gauge(home: Path) -> None:
    gauges.write(*IMAGES, text=TEXT)


def pointer_of_a_champion(home: Path) -> None:
    publish.write_whole(home / "published" / "image.json", TEXT)


def pointer_of_a_fallback(home: Path) -> None:
    pointed = pointer.Pointer(name=TEXT[:50], version="1", artifact=TEXT, manifest_sha256="0" * 64)
    pointed.write(home / "published" / "image.last-good.json")


def part_of_a_dataset(home: Path) -> None:
    rows = [{"request_id": str(n), "time": n, "index": 0, "text": f"{n}" * 9} for n in range(9999)]
    table = pa.Table.from_pylist(rows, schema=collected.schema("sentiment"))
    place = home / "collected" / "mine"
    place.mkdir(parents=True, exist_ok=True)
    collected.write(place / "2026-12-01.parquet", table)


@pytest.mark.parametrize(
    ("folder", "write"),
    [
        ("monitor", label_of_a_gauge),
        ("published", pointer_of_a_champion),
        ("published", pointer_of_a_fallback),
        ("collected", part_of_a_dataset),
    ],
)
def test_a_file_is_written_whole_or_not_at_all(home, folder, write: Callable[[Path], None]):
    with disks.mounted(home / folder) as place:
        (place / "kept").write_text("as it was")
        for _ in range(2):  # at first there is no file yet
            before = disks.files(place)
            disks.fill(place, left=16)
            with pytest.raises(OSError, match="No space") as raised:
                write(home)
            assert disks.files(place) | {"mine": b""} == before | {"mine": b""}
            assert f"of {place}, where" in disk.full(raised.value)
            disks.free(place)
            write(home)
            assert disks.files(place).keys() > {"kept"}


def test_a_promotion_without_room_leaves_what_serves(home, tmp_path):
    versions = []
    for seed in range(2):
        record = candidate(tmp_path, hits(0.9), seed=seed, dataset=IMAGES[1])
        versions.append(registry.register(*IMAGES, record))
    decision.decide(evaluation(versions[0], None))
    with disks.mounted(home / "published") as place:
        before = disks.files(place)
        disks.fill(place, left=8)
        again = evaluation(versions[1], contender.current_champion(*IMAGES))
        with pytest.raises(OSError, match="No space") as raised:
            decision.decide(again)
        assert disks.files(place) == before
        assert f"of {place}, where" in disk.full(raised.value)
        disks.free(place)
        reconcile.reconcile(*IMAGES)
        assert publish.read("image").version == "2"
        assert publish.intact("image")


def test_a_decision_without_room_is_not_on_record(home):
    state.connect()
    with disks.mounted(home) as place:
        entries.append("espalier-image-mnist_5k")
        before, kept = ledger.entries("espalier-image-mnist_5k"), disks.files(place)
        disks.fill(place)
        with pytest.raises(state.DatabaseError, match="disk is full") as raised:
            entries.append("espalier-image-mnist_5k", to_version="2", evidence={"text": TEXT})
        assert f"of {place}, where 0.0 of" in disk.full(raised.value)
        assert ledger.entries("espalier-image-mnist_5k") == before
        assert disks.files(place) == kept
        disks.free(place)
        entries.append("espalier-image-mnist_5k", to_version="2", evidence={"text": TEXT})
        assert ledger.verify(ledger.entries("espalier-image-mnist_5k")) is None


def test_the_request_log_goes_on_once_there_is_room(home):
    lines = b'{"request_id": "a"}\n' * 5000
    with disks.mounted(home / "requests") as place:
        writer = Segments(place, 1 << 30, 1e6)
        writer.append(lines)
        before = disks.files(place)
        disks.fill(place, left=16)
        with pytest.raises(OSError, match="No space"):
            writer.append(lines)
        assert disks.files(place) == before
        disks.free(place)
        writer.append(lines)
        assert b"".join(disks.files(place).values()) == lines * 2
        writer.close()
