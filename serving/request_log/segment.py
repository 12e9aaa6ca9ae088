"""The files of the request log: append-only segments of JSON lines, of bounded size and age.

Each worker writes segments of its own (`<start>-<pid>.jsonl`), so that workers and services with
one home share nothing but the folder. A process that is killed can leave half a line at the end of
its segment: nothing is ever appended to it, and a reader skips the line.

Somebody may put another file in the place of a segment meanwhile, without some of its rows
(pipelines/lineage/forget.py). Who writes to a segment and who replaces it hold its lock for that.
"""

import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

SUFFIX = ".jsonl"
BOUNDED = (SUFFIX, ".parquet", ".partial")  # the last two were written until version 0.1
DAY_SECONDS = 86_400
PRUNE_SECONDS = 3600  # an idle service removes old segments too
# Of the folder's size. Workers add to their segments after they have removed old ones: the room
# that is kept free is enough for eight.
SEGMENT_SHARE, FREE_SHARE = 1 / 64, 1 / 8


class Segments:
    """The segments of one worker.

    Args:
        folder: Where the segments of all workers are; made when it is missing.
        max_bytes: Bound on the size of the whole folder.
        max_seconds: Bound on the age of a record.
    """

    def __init__(self, folder: Path, max_bytes: int, max_seconds: float):
        self.folder = folder
        self._kept_bytes = int(max_bytes * (1 - FREE_SHARE))
        self._segment_bytes = int(max_bytes * SEGMENT_SHARE)
        self._segment_seconds = min(DAY_SECONDS, max_seconds / 8)
        # By its last record: the first one may be older by the length of a segment.
        self._kept_seconds = max_seconds - self._segment_seconds
        self._file: int | None = None
        self._size, self._started, self._pruned = 0, 0.0, 0.0

    def append(self, lines: bytes | bytearray) -> None:
        """Append whole lines: all of them, or none where this raises OSError."""
        for _ in range(2):
            if self._file is None:
                self._file = _create(self.folder)
                self._size, self._started = 0, time.monotonic()
                self.prune()
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._write(self._file, lines)
                is_there = os.fstat(self._file).st_nlink > 0
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            if is_there:
                return
            self.close()  # somebody has removed or replaced the file: these lines are nowhere

    def rotate(self) -> None:
        """Close a segment that is large or old; remove segments when that was long ago."""
        age = time.monotonic() - self._started
        if self._size >= self._segment_bytes or age >= self._segment_seconds:
            self.close()
        if time.monotonic() - self._pruned >= PRUNE_SECONDS and self.folder.is_dir():
            self.prune()

    def prune(self) -> None:
        """Remove the files that are over the bounds, those first that were written longest ago."""
        self._pruned, files = time.monotonic(), []
        for path in self.folder.iterdir():
            with suppress(OSError):  # another worker was faster
                if path.suffix in BOUNDED:
                    files.append((path.stat().st_mtime, path.stat().st_size, path))
        oldest, total = time.time() - self._kept_seconds, 0
        for written, size, path in sorted(files, reverse=True):
            total += size
            if total > self._kept_bytes or written < oldest:
                with suppress(OSError):
                    path.unlink()

    def close(self) -> None:
        """Close the segment; the next lines begin another one."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._size = None, 0

    def _write(self, file: int, lines: bytes | bytearray) -> None:
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            os.ftruncate(file, self._size)  # no half line, and nothing that is counted as lost
            raise
        self._size += len(lines)


def _create(folder: Path) -> int:
    """Create a segment under a new name and return its descriptor."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-%f")
        path = folder / f"{stamp}-{os.getpid()}{SUFFIX}"
        with suppress(FileExistsError):  # by a process with the same number in another container
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
