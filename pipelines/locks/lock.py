"""One process at a time, on any machine: a lease in the state database, and its fencing token.

A lease expires unless its holder renews it, so that a machine that vanished blocks nobody for
long; a holder that died on this machine is seen to be dead and blocks nobody at all. The token
grows by one at each taking: what a holder that was only asleep writes later is refused by it.
Source: Kleppmann, Designing Data-Intensive Applications, chapter 8, 2017.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.locks import state

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

# Long enough for a run that only looks whether the lease is free.
MOMENT = 0.5
TTL_SECONDS = 30
RENEW_SECONDS = 10
PAUSE_SECONDS = (0.02, 0.5)  # a waiter's first and longest


class LeaseHeldError(RuntimeError):
    """Another process holds the lease; the message names the holder."""


class LeaseLostError(RuntimeError):
    """The lease is ours no more: it ended, or expired and was taken by another process."""


@dataclass(frozen=True)
class Lease:
    """What is held, and the number of its taking. Good in any thread, for the time of `hold`."""

    name: str
    token: int


@contextmanager
def hold(name: str, wait_seconds: float = MOMENT) -> Iterator[Lease]:
    """Hold the lease `name` for the time of the block, renewed by a thread.

    Raises LeaseHeldError when it is not free within `wait_seconds`, DatabaseError.
    """
    lease, ended = _taken(name, wait_seconds), threading.Event()
    renewal = threading.Thread(target=_renew, args=(lease, ended), daemon=True)
    renewal.start()
    try:
        yield lease
    finally:
        ended.set()
        renewal.join()
        _release(lease)


def current(lease: Lease) -> None:
    """Renew the lease now. Raises LeaseLostError when it is ours no more."""
    with state.transaction() as connection:
        fence(connection, lease)


def fence(connection: "Connection", lease: Lease) -> None:
    """Renew the lease within a transaction, which nobody can take it from before that ends.

    Raises LeaseLostError when it is ours no more.
    """
    from sqlalchemy import text

    renewed = connection.execute(
        text(
            "UPDATE leases SET expires = :expires "
            "WHERE name = :name AND token = :token AND expires > 0"
        ),
        {
            "expires": state.now(connection) + TTL_SECONDS,
            "name": lease.name,
            "token": lease.token,
        },
    )
    if renewed.rowcount == 0:
        raise LeaseLostError(
            f"the lease {lease.name!r} was lost: this process has not renewed it for "
            f"{TTL_SECONDS} s and another took over; what it wanted to write was refused"
        )


def _taken(name: str, wait_seconds: float) -> Lease:
    deadline = time.monotonic() + wait_seconds
    pause, longest = PAUSE_SECONDS
    while True:
        try:
            return _take(name)
        except LeaseHeldError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
        time.sleep(min(pause, left))
        pause = min(2 * pause, longest)


def _take(name: str) -> Lease:
    from sqlalchemy import text

    with state.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO leases (name, token, expires) VALUES (:name, 0, 0) "
                "ON CONFLICT (name) DO NOTHING"
            ),
            {"name": name},
        )
        lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
        found = connection.execute(
            text(f"SELECT * FROM leases WHERE name = :name{lock}"), {"name": name}
        ).one()
        now = state.now(connection)
        if found.expires > now and _lives(found):
            raise LeaseHeldError(
                f"{name!r} is being run by {_named(found)}: wait for it, or end it"
            )
        lease = Lease(name, found.token + 1)
        connection.execute(
            text(
                "UPDATE leases SET token = :token, expires = :expires, machine = :machine, "
                "host = :host, pid = :pid, born = :born, command = :command, since = :since "
                "WHERE name = :name"
            ),
            {
                "name": name,
                "token": lease.token,
                "expires": now + TTL_SECONDS,
                "machine": _machine(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "born": _born(os.getpid()),
                "command": " ".join(sys.argv),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        return lease


def _renew(lease: Lease, ended: threading.Event) -> None:
    """Until the lease ends or is lost. A database that is away for a moment is asked again."""
    while not ended.wait(RENEW_SECONDS):
        try:
            current(lease)
        except LeaseLostError:
            return
        except state.DatabaseError:
            continue


def _release(lease: Lease) -> None:
    """Let others have it at once. Where the database is away, it expires by itself."""
    from sqlalchemy import text

    with suppress(state.DatabaseError), state.transaction() as connection:
        connection.execute(
            text("UPDATE leases SET expires = 0 WHERE name = :name AND token = :token"),
            {"name": lease.name, "token": lease.token},
        )


def _lives(holder: "Row") -> bool:
    """Whether the holder may be alive: always, when it is not of this machine."""
    if holder.machine != _machine():
        return True
    born = _born(holder.pid)
    return born is not None and abs(born - holder.born) < 1


def _born(pid: int) -> float | None:
    """When the process started, in seconds from boot; None when it is gone, or a zombie.

    A pid is given again, to a process with another start. From boot, since the clock may be set.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return None


@cache
def _machine() -> str:
    """Where a pid means one process: the boot and the pid namespace, for containers have theirs."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except FileNotFoundError:  # no Linux
        return socket.gethostname()


def _named(holder: "Row") -> str:
    where = "" if holder.machine == _machine() else f" on {holder.host}"
    return f"process {holder.pid}{where} ({holder.command}) since {holder.since}"
