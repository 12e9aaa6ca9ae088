"""The state database: who works on what (`lease`), and what was decided (`ledger`).

A SQLite file below ESPALIER_HOME. Several machines share PostgreSQL:

    export ESPALIER_DATABASE_URL=postgresql+psycopg2://user:password@host/database
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from pipelines.runtime import environment

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

VARIABLE = "ESPALIER_DATABASE_URL"
# For another process' transaction, which takes milliseconds; one that was stopped within its own
# holds nobody up for longer.
PATIENCE_SECONDS = 60
SQLITE = {"timeout": PATIENCE_SECONDS}
POSTGRESQL = {
    "connect_timeout": 10,
    "options": f"-c lock_timeout={PATIENCE_SECONDS}s "
    f"-c idle_in_transaction_session_timeout={PATIENCE_SECONDS}s",
}

TABLES = (
    """CREATE TABLE IF NOT EXISTS leases (
        name TEXT PRIMARY KEY,
        token BIGINT NOT NULL,
        expires DOUBLE PRECISION NOT NULL,
        machine TEXT,
        host TEXT,
        pid BIGINT,
        born DOUBLE PRECISION,
        command TEXT,
        since TEXT
    )""",
    """CREATE TABLE IF NOT EXISTS ledger (
        model TEXT NOT NULL,
        position BIGINT NOT NULL,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,
        from_version TEXT,
        to_version TEXT,
        run_id TEXT,
        fingerprint TEXT,
        dataset_hash TEXT,
        evidence TEXT NOT NULL,
        reason TEXT,
        token BIGINT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (model, position)
    )""",
)
# The database itself refuses to rewrite the ledger. SQLite's INSERT OR REPLACE deletes without
# asking a trigger for deletions, so that an entry in place of another is refused on its own.
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
NOW = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
}


class DatabaseError(RuntimeError):
    """The state database cannot be used; the message says which one, why, and what to do."""


def connect() -> "Engine":
    """The state database, its tables made. Raises DatabaseError.

    Usable from any thread and after a fork: no connection outlives its transaction.
    """
    return _engine(os.environ.get(VARIABLE) or f"sqlite:///{environment.home() / 'espalier.db'}")


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
        raise DatabaseError(_told(engine.url, error.orig)) from error


def now(connection: "Connection") -> float:
    """Seconds since 1970 by the database's clock: hosts need not agree on the time."""
    from sqlalchemy import text

    return connection.execute(text(NOW[connection.dialect.name])).scalar_one()


@cache
def _engine(url: str) -> "Engine":
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import SQLAlchemyError

    parsed = _parsed(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    engine = create_engine(
        parsed, poolclass=NullPool, connect_args=SQLITE if sqlite else POSTGRESQL
    )
    if sqlite:
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        environment.home().mkdir(parents=True, exist_ok=True)
        _make_tables(engine)
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseError(_told(parsed, getattr(error, "orig", error))) from error
    return engine


def _parsed(url: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        named = parsed.get_backend_name()
    except ArgumentError:
        named = "no URL"
    if named not in NOW:
        raise DatabaseError(
            f"{VARIABLE} names {named}: it takes "
            "postgresql+psycopg2://user:password@host/database, or sqlite:////path/to/file"
        )
    return parsed


def _told(url: "URL", cause: Exception) -> str:
    return f"the state database {url} cannot be used: {' '.join(str(cause).split())}"


def _configure_sqlite(connection, _record) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own: we do
    connection.execute("PRAGMA journal_mode = WAL")


def _make_tables(engine: "Engine") -> None:
    """Make what is missing, all or nothing; of several processes that start at once, one does."""
    from sqlalchemy import inspect

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('espalier'))")
        if not inspect(connection).has_table("ledger"):
            for statement in (*TABLES, *APPEND_ONLY[engine.dialect.name]):
                connection.exec_driver_sql(statement)
