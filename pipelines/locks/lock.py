"""One process at a time: a file lock on one machine, an advisory lock in PostgreSQL for several.

Both end with their process, however it ends. The lock only saves work: what keeps two decisions
apart is the ledger's head (`pipelines.promotion.ledger.append`).
"""

import os
import socket
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipelines.locks import state

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Long enough for a run that only looks whether the lock is free.
MOMENT = 0.5
POLL_SECONDS = 0.02
KEYSPACE = 0x45535041  # "ESPA": our advisory locks among those of others in the same database
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock_timeout that ran out
APPLICATION_NAME_BYTES = 63  # PostgreSQL cuts a longer one

HOLDER = """
    SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %(space)s
    AND objid = %(key)s AND datname = current_database()
"""


class LockHeldError(RuntimeError):
    """Another process holds the lock; the message names the holder."""


def of_dataset(task: str, dataset: str) -> str:
    """The name of the lock that whoever retrains, promotes or versions a dataset holds."""
    return f"{task}/{dataset}"


def of_fit(fingerprint: str) -> str:
    """The name of the lock that whoever does a fit holds, or sends its record."""
    return f"fit {fingerprint}"


def hold(name: str, wait_seconds: float = MOMENT) -> AbstractContextManager[None]:
    """Hold the lock `name` for the time of the block, on every machine that shares the state.

    Raises LockHeldError when it is not free within `wait_seconds`, DatabaseError.
    """
    folder = state.folder()
    if folder is None:
        return _advisory_lock(name, wait_seconds)
    return _file_lock(folder, name, wait_seconds)


def holder(name: str, wait_seconds: float = MOMENT) -> str:
    """A sentence about who holds the lock; empty where it is free within `wait_seconds`."""
    try:
        with hold(name, wait_seconds):
            return ""
    except LockHeldError as held:
        return str(held)


@contextmanager
def _file_lock(folder: Path, name: str, wait_seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    file = folder / f"{quote(name, safe='')}.lock"
    holder = file.with_suffix(".holder")  # beside it: whoever tries the lock empties its file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=wait_seconds, poll_interval=POLL_SECONDS)
    except Timeout:
        # It is written once the lock is held, so it may not be there yet.
        text = holder.read_text(encoding="utf-8") if holder.exists() else ""
        raise _held(name, text) from None
    except OSError as error:
        raise state.DatabaseError(state.unusable(state.url(), error)) from error
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(f"{_this_process()} ({' '.join(sys.argv)}) since {now}", encoding="utf-8")
        yield
    finally:
        lock.release()


@contextmanager
def _advisory_lock(name: str, wait_seconds: float) -> Iterator[None]:
    from sqlalchemy.exc import OperationalError

    engine = state.connect()
    # A session of its own, which holds the lock until it ends, and is in no transaction.
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except OperationalError as error:
        raise state.DatabaseError(state.unusable(engine.url, error.orig)) from error
    try:
        _acquire(connection, name, wait_seconds)
        yield
    finally:
        with suppress(OperationalError):  # a session that was lost holds nothing any more
            connection.close()


def _acquire(connection: "Connection", name: str, wait_seconds: float) -> None:
    from sqlalchemy.exc import OperationalError

    asked = {"space": KEYSPACE, "key": zlib.crc32(name.encode()) >> 1}
    settings = {"name": _this_process()[:APPLICATION_NAME_BYTES], "wait": 1000 * wait_seconds}
    connection.exec_driver_sql(
        "SELECT set_config('application_name', %(name)s, false), "
        "set_config('lock_timeout', greatest(1, %(wait)s::int)::text, false)",
        settings,
    )
    try:
        connection.exec_driver_sql("SELECT pg_advisory_lock(%(space)s, %(key)s)", asked)
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise state.DatabaseError(state.unusable(connection.engine.url, error.orig)) from error
        row = connection.exec_driver_sql(HOLDER, asked).first()
        raise _held(name, f"{row[0]} since {row[1]:%Y-%m-%dT%H:%M:%S%z}" if row else "") from None


def _held(name: str, holder: str) -> LockHeldError:
    holder = holder or "another process"
    return LockHeldError(f"{name!r} is being run by {holder}: wait for it, or end it")


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
