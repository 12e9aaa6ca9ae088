"""One run per task at a time on this machine. The operating system frees a dead holder's lock."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from pipelines import environment

# Long enough for a run that only looks whether the lock is free.
MOMENT = 1.0


class LockHeldError(RuntimeError):
    """Another run holds the task's lock; the message names the holder."""


@contextmanager
def hold(task: str, wait_seconds: float = MOMENT) -> Iterator[None]:
    """Hold the lock of `task`; raises `LockHeldError` when it is not free within `wait_seconds`."""
    folder = environment.home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / f"{task}.json"
    lock = FileLock(folder / f"{task}.lock", timeout=wait_seconds)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeldError(
            f"task {task!r} is being run by {_named(holder)}: wait for it, or end it"
        ) from None
    try:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "command": sys.argv, "started": started}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _named(holder) -> str:
    # The holder writes its name a moment after it has the lock, and removes it a moment before.
    try:
        facts = json.loads(holder.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return "another process"
    return f"process {facts['pid']} ({' '.join(facts['command'])}) since {facts['started']}"
