import sqlite3
import threading
from contextlib import ExitStack, closing
from functools import partial

import entries
import postgres
import pytest

from pipelines.locks import lock, state
from pipelines.processes.service import free_port
from pipelines.promotion import ledger
from pipelines.runtime import waiting


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


@pytest.mark.slow
def test_a_server_that_is_restarted_is_waited_for_in_words(home, monkeypatch, capsys):
    """Under the ledger and a lock of a retraining: nothing is lost, and nothing is there twice."""
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as folder, ExitStack() as running:
        served = partial(postgres.served, folder, free_port())
        monkeypatch.setenv(state.VARIABLE, postgres.empty_database(running.enter_context(served())))
        entries.append("a model")
        with lock.hold("image"):
            running.close()
            begin = threading.Timer(waiting.SAID_SECONDS + 2, running.enter_context, [served()])
            begin.start()
            entries.append("a model", to_version="2")
            begin.join()
        assert "for the state database postgresql" in capsys.readouterr().out
        chain = ledger.entries("a model")
        assert [one.to_version for one in chain] == ["1", "2"]
        assert ledger.verify(chain) is None
        with lock.hold("image", 5):
            running.close()
        monkeypatch.setattr(waiting, "WAIT_SECONDS", 1)
        with pytest.raises(state.DatabaseError, match="cannot be used: connection to server"):
            ledger.entries("a model")
