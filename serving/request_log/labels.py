"""What turned out to be right: the labels of earlier requests, as lines of JSON beside the log.

`<home>/labels/<start>-<pid>.jsonl`, in the segments of the request log and within the same bounds;
`espalier feedback` adds files of the same form. Of several for one request, and one index, the last
one counts: sending a label twice changes nothing, sending another one corrects it. The fields:

    time            when it came, in microseconds since 1970 (UTC)
    request_id      of the request that it belongs to
    index           which of its inputs; left out where it has one
    label           of classes: the right one
    values          of a forecast: what came at each of its steps; null where that is not known
    client          who sent it; left out where the service is open
"""

import threading
from collections.abc import Callable
from pathlib import Path

from serving.request_log.segment import DAY_SECONDS, Segments


class Labels:
    """The labels that one worker takes; each method may be called from any thread.

    Args:
        folder: Where the segments of all workers are.
        megabytes: Bound on the size of the folder; 0: none are taken.
        days: Bound on the age of a label.
    """

    def __init__(self, folder: Path, megabytes: int, days: int):
        self.enabled = megabytes > 0
        self.waiting = 0  # requests whose labels are being written; changed by the event loop
        self._segments = Segments(folder, megabytes << 20, days * DAY_SECONDS)
        self._lock = threading.Lock()

    def append(self, lines: bytes) -> None:
        """Hand lines to the system: all of them, or none where this raises OSError."""
        with self._lock:
            self._segments.append(lines)

    def rotate(self) -> None:
        """Close a segment that is large or old; remove those that are over the bounds.

        Not while labels wait for the disk: who calls writes the request log, which goes on.
        """
        self._unless_busy(self._segments.rotate)

    def close(self) -> None:
        """Close the segment, unless labels wait for the disk: the process is about to end."""
        self._unless_busy(self._segments.close)

    def _unless_busy(self, action: Callable[[], None]) -> None:
        if self._lock.acquire(blocking=False):
            try:
                action()
            finally:
                self._lock.release()
