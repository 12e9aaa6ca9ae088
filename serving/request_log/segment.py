"""An append-only file of JSON lines that is locked for as long as its writer lives.

The system takes the lock away with the process, however that ended: a journal that can be locked
has no writer any more, and may be turned into Parquet by whoever locks it (`parquet.py`).
"""

import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

SUFFIX = ".jsonl"


class Journal:
    """A new journal in `folder`, which is made where it is missing; raises OSError."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        self.size = 0
        self._torn = False
        self._file = _created(folder)

    def append(self, lines: bytes) -> None:
        """Hand whole lines to the system; raises OSError, after which some may be missing."""
        # The beginning of a line that found no room must not become part of the next one.
        left = memoryview(b"\n" + lines if self._torn else lines)
        self._torn = True
        while left:
            written = os.write(self._file, left)
            left, self.size = left[written:], self.size + written
        self._torn = False

    def gone(self) -> bool:
        """Whether somebody removed the file: what is written to it now is lost."""
        return os.fstat(self._file).st_nlink == 0

    def close(self) -> None:
        os.close(self._file)


def claim(path: Path) -> int | None:
    """Lock a journal without a writer and return its descriptor; None where it has one.

    While it is held nobody else converts or removes the journal.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:  # whoever held it before is through with it
        return None
    if _locked(file) and os.fstat(file).st_nlink:
        return file
    os.close(file)
    return None


def _created(folder: Path) -> int:
    """Make a file by a new name; a sweep that comes between making and locking takes it away."""
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-%f")
        path = folder / f"{stamp}-{os.getpid()}{SUFFIX}"
        with suppress(FileExistsError):  # of a process with the same number in another container
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
            if _locked(file) and os.fstat(file).st_nlink:
                return file
            os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
