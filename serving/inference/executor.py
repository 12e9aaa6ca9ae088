"""Where a request is computed: in the event loop when that is short, else in another thread.

A hop to a thread and back costs more (0.1 ms) than most answers (0.05 to 0.3 ms), so short work
stays in the loop. Long work would hold up everybody else: it goes to a thread. When too much of it
is waiting already, the next request gets 429.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.http.errors import Problem

SHORT_SECONDS = 0.002
MAX_WAITING = 32  # twice as many as come at once when things go well
MAX_SECONDS = 4  # of work that waits, unless it is the only one


class Executor:
    """Runs requests' work within bounds."""

    def __init__(self) -> None:
        self.waiting = 0
        self.seconds = 0.0  # that those who wait will take
        # Two: one long request must not hold up every other one that is only a little long. Large
        # pictures take turns (models/inputs/images.py): of two at once one waits in its thread.
        self.threads = ThreadPoolExecutor(2, "work")

    async def run(self, seconds: float, action: Callable[[], Any]) -> Any:
        """Return what `action` returns; seconds: about how long it will take.

        Raises Problem 429 while too much long work is waiting.
        """
        if seconds <= SHORT_SECONDS:
            return action()
        if self._full(seconds):
            message = "Too many long requests are waiting; try again in a second."
            raise Problem(429, "busy", message, {"Retry-After": "1"})
        self._wait(1, seconds)
        future = asyncio.get_running_loop().run_in_executor(self.threads, action)
        # The place is free when the work has ended, not when its request was given up.
        future.add_done_callback(lambda _: self._wait(-1, -seconds))
        return await asyncio.shield(future)

    def _full(self, seconds: float) -> bool:
        if self.waiting == 0:  # it may take as long as it will
            return False
        return self.waiting >= MAX_WAITING or self.seconds + seconds > MAX_SECONDS

    def _wait(self, count: int, seconds: float) -> None:
        self.waiting += count
        self.seconds += seconds
