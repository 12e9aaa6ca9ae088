"""The state database: the ledger of decisions, and what else must outlive a process.

A SQLite file below ESPALIER_HOME. Several machines share PostgreSQL:

    export ESPALIER_DATABASE_URL=postgresql+psycopg2://user:password@host/database
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.runtime import environment

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

VARIABLE = "ESPALIER_DATABASE_URL"
LOCKS = "locks"  # the folder beside the SQLite file
# How long a transaction waits for another process' one, which takes milliseconds.
BUSY_SECONDS = 60
POSTGRESQL = {
    "connect_timeout": 10,
    # A host that vanished gives up its session, and so its locks, within 40 s.
    "options": f"-c lock_timeout={BUSY_SECONDS}s "
    f"-c idle_in_transaction_session_timeout={BUSY_SECONDS}s "
    "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4",
}

TABLES = {
    # token: 0 since the ledger's head replaced fencing; the hashes of older entries hold theirs.
    "ledger": """CREATE TABLE ledger (
        model TEXT NOT NULL, position BIGINT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
        action TEXT NOT NULL, from_version TEXT, to_version TEXT, run_id TEXT, fingerprint TEXT,
        dataset_hash TEXT, evidence TEXT NOT NULL, reason TEXT, token BIGINT NOT NULL,
        previous TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (model, position)
    )""",
    # tags, metrics, curves: as JSON.
    "leaderboard_runs": """CREATE TABLE leaderboard_runs (
        store TEXT NOT NULL, run_id TEXT NOT NULL, task TEXT NOT NULL, dataset TEXT NOT NULL,
        dataset_hash TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
        fingerprint TEXT NOT NULL, started BIGINT NOT NULL, artifact_uri TEXT NOT NULL,
        tags TEXT NOT NULL, metrics TEXT NOT NULL, curves TEXT NOT NULL,
        PRIMARY KEY (store, run_id)
    )""",
    "leaderboard_notes": """CREATE TABLE leaderboard_notes (
        store TEXT NOT NULL, task TEXT NOT NULL, dataset TEXT NOT NULL, note TEXT NOT NULL,
        value TEXT NOT NULL, PRIMARY KEY (store, task, dataset, note)
    )""",
    "dataset_versions": """CREATE TABLE dataset_versions (
        dataset TEXT NOT NULL, position BIGINT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
        source TEXT NOT NULL, raw TEXT NOT NULL, prepared TEXT NOT NULL,
        PRIMARY KEY (dataset, position)
    )""",
}
INDEX = """CREATE INDEX leaderboard_runs_of_dataset
    ON leaderboard_runs (store, task, dataset, kind)"""
# The database itself refuses to rewrite the ledger. SQLite's INSERT OR REPLACE deletes without
# a trigger for deletions, so that an entry in place of another is refused on its own.
APPEND_ONLY = {
    "sqlite": (
        """CREATE TRIGGER ledger_unchanged BEFORE UPDATE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_undeleted BEFORE DELETE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_unreplaced BEFORE INSERT ON ledger
        WHEN EXISTS (SELECT 1 FROM ledger WHERE model = NEW.model AND position >= NEW.position)
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
        """CREATE TRIGGER ledger_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()""",
    ),
}


class DatabaseError(RuntimeError):
    """The state database cannot be used; the message says which one, why, and what to do."""


def url() -> "URL":
    """The address of the state database. Raises DatabaseError where it is none."""
    return _parsed(os.environ.get(VARIABLE) or f"sqlite:///{environment.home() / 'espalier.db'}")


def connect() -> "Engine":
    """The state database with its tables, which the first process makes. Raises DatabaseError.

    Usable from any thread and after a fork: no connection outlives its transaction.
    """
    return _engine(url())


@contextmanager
def transaction() -> Iterator["Connection"]:
    """A transaction for the time of the block; on SQLite no other process writes meanwhile.

    Raises DatabaseError.
    """
    from sqlalchemy.exc import OperationalError

    engine = connect()
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise DatabaseError(unusable(engine.url, error.orig)) from error


def folder() -> Path | None:
    """Where lock files lie: beside the SQLite file; None where the database is PostgreSQL."""
    address = url()
    if address.get_backend_name() == "postgresql":
        return None
    return Path(str(address.database)).parent / LOCKS


def damage(file: Path) -> str:
    """What SQLite finds wrong with a database; nothing where it is whole."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            [[answer]] = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        return str(error)
    return "" if answer == "ok" else " ".join(str(answer).split())


def unusable(address: "URL", cause: BaseException | None) -> str:
    """The message of a DatabaseError, without the password."""
    return f"the state database {address} cannot be used: {' '.join(str(cause).split())}"


@cache
def _parsed(address: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with suppress(ArgumentError):
        parsed = make_url(address)
        if parsed.get_backend_name() in APPEND_ONLY and parsed.database:
            return parsed
    raise DatabaseError(
        f"{VARIABLE} names no database of ours: it takes "
        "postgresql+psycopg2://user:password@host/database, or sqlite:////path/to/file"
    )


@cache
def _engine(address: "URL") -> "Engine":
    from filelock import FileLock
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if address.get_backend_name() == "postgresql":
            engine = create_engine(address, poolclass=NullPool, connect_args=POSTGRESQL)
            _make_tables(engine)
            return engine
        engine = create_engine(address, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
        locks = Path(str(address.database)).parent / LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        # Nobody has the file open before its tables are there: the journal mode needs it alone.
        with FileLock(locks / "database.lock", BUSY_SECONDS, poll_interval=0.005):
            _leave_wal(str(address.database))
            _make_tables(engine)
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseError(unusable(address, getattr(error, "orig", error))) from error
    return engine


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own: we do


def _leave_wal(file: str) -> None:
    """Give a database of an older version SQLite's own journal mode, where it is not in use.

    A write-ahead log needs the file alone when it begins and when its last connection ends, and
    does not wait for that: processes that came at once were refused.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            connection.execute("PRAGMA journal_mode = DELETE")


def _make_tables(engine: "Engine") -> None:
    """Make what is missing, all or nothing; of several processes that start at once, one does."""
    from sqlalchemy import inspect

    with engine.begin() as connection:
        backend = engine.dialect.name
        if backend == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('espalier'))")
        present = set(inspect(connection).get_table_names())
        for name in TABLES.keys() - present:
            connection.exec_driver_sql(TABLES[name])
        if "leaderboard_runs" not in present:
            connection.exec_driver_sql(INDEX)
        if "ledger" not in present:
            for statement in APPEND_ONLY[backend]:
                connection.exec_driver_sql(statement)
        if "leases" in present:  # of an older version; the lock is no row any more
            connection.exec_driver_sql("DROP TABLE leases")
