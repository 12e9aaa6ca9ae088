"""What commit 896d5ab left in `.espalier` is read, and goes on: a small copy that its code made.

Digits, two perceptrons: the first was promoted, the second refused, forced in and rolled back.
"""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from entries import append
from homes import living_in

from pipelines.commands import promote
from pipelines.experiments import registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.locks import lock
from pipelines.promotion import contender, ledger, reconcile
from pipelines.release import publish
from pipelines.runtime import settings
from serving.champions import loading

COPY = Path(__file__).parents[2] / "support" / "home_of_896d5ab.tar.xz"
MADE_IN = "file:///tmp/promo-before/.espalier"
TASK, DATASET, MODEL = "image", "digits", "espalier-image-digits"
VERSION = DatasetVersion(TASK, DATASET, "46024855515b727f72557235cbc0e238.dir")
CHAMPION = "efe88ae5fc3f25d735e46717e0ed8b7d3d517ce0292a9f1b50f02d633d7fca94"


@pytest.fixture
def home(tmp_path, monkeypatch, empty_store):
    with living_in(tmp_path / "home", monkeypatch, empty_store) as home:
        with tarfile.open(COPY) as copy:
            copy.extractall(home, filter="data")
        with closing(sqlite3.connect(home / "mlflow.db")) as store, store:
            for table, column in (
                ("runs", "artifact_uri"),
                ("model_versions", "source"),
                ("model_versions", "storage_location"),
                ("experiments", "artifact_location"),
            ):
                moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                store.execute(moved, (MADE_IN, home.as_uri()))
        served = settings.served() | {TASK: [DATASET]}
        monkeypatch.setattr(settings, "served", lambda: served)
        yield home


def test_its_ledger_holds_and_its_lock_is_free(home):
    entries = ledger.entries(MODEL)
    assert [entry.action for entry in entries] == ["promotion", "refusal", "force", "rollback"]
    assert ledger.verify(entries, registry.champion(TASK, DATASET).head) is None
    assert all(entry.token > 0 for entry in entries)  # which their hashes hold
    with lock.hold(lock.of_dataset(TASK, DATASET)):
        pass
    with closing(sqlite3.connect(home / "espalier.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert ("leases",) not in tables


def test_its_champion_stays_champion_and_serves(home):
    champion = reconcile.reconcile(TASK, DATASET)  # its pointer says nothing of the data
    assert reconcile.is_reconciled(TASK, DATASET)
    assert (champion.version.version, champion.version.fingerprint) == ("1", CHAMPION)
    assert publish.intact(TASK)
    model = loading.load(publish.folder() / f"{TASK}.json", TASK)
    assert model.manifest["fingerprint"] == CHAMPION
    assert len(tracking.records(VERSION)) == 2


def test_its_ledger_goes_on(home):
    append(MODEL, "force", "2", from_version="1", reason="after the migration")
    reconcile.follow(TASK, DATASET)
    assert contender.current_champion(TASK, DATASET).version.version == "2"
    assert promote.rollback(TASK, DATASET, "and back").to == "1"
    entries = ledger.entries(MODEL)
    assert [entry.token for entry in entries[4:]] == [0, 0]
    assert ledger.verify(entries, registry.champion(TASK, DATASET).head) is None
