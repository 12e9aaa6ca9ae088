"""Time several ways to do the same, in one process, taking turns in blocks."""

import statistics
import time
from collections.abc import Callable, Sequence


def medians(*ways: Sequence[Callable[[], object]], blocks: int) -> list[float]:
    """Return the median seconds of one call of each way; in a block each of its calls is made once.

    A block more than `blocks` is timed: the first warms up.
    """
    seconds = [[] for _ in ways]
    for block in range(blocks + 1):
        for calls, times in zip(ways, seconds, strict=True):
            took = [_timed(call) for call in calls]
            times += took if block else []
    return [statistics.median(times) for times in seconds]


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
