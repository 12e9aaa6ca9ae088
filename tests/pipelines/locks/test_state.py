import sqlite3
from contextlib import closing

import pytest

from pipelines.locks import state
from pipelines.promotion import ledger


def test_a_database_that_cannot_be_read_is_an_error_in_a_sentence(home):
    state.connect()
    (home / "espalier.db").unlink()
    (home / "espalier.db").mkdir()
    with pytest.raises(state.DatabaseError, match=r"espalier\.db"):
        ledger.models()


def test_a_write_ahead_log_of_an_older_version_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv(state.VARIABLE, f"sqlite:///{tmp_path / 'old.db'}")
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE leases (name TEXT)")
    state.connect()
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert ("leases",) not in tables
