"""Where a request's work is done: in the event loop when it is short, else in one other thread.

A hop to a thread and back costs more (0.1 ms) than most answers (0.05 to 0.3 ms), so short work
stays in the loop. Long work would hold up everybody else: it goes to the thread, and when a few
are waiting for that already, the next is told to come again.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from serving.errors import Problem

SHORT_SECONDS = 0.002
MAX_WAITING = 32
MAX_WAITING_SECONDS = 4  # of work, by what each was thought to take


class Work:
    """Runs requests' work within bounds."""

    def __init__(self):
        self.waiting = 0
        self.waiting_seconds = 0.0
        # Two: one long request must not hold up every other one that is only a little long.
        self.threads = ThreadPoolExecutor(2, "work")

    async def do(self, seconds: float, action: Callable[[], Any]) -> Any:
        """Return what `action` returns; seconds: about how long it will take.

        Raises Problem 429 while too much long work is waiting.
        """
        if seconds <= SHORT_SECONDS:
            return action()
        too_long = self.waiting and self.waiting_seconds + seconds > MAX_WAITING_SECONDS
        if self.waiting >= MAX_WAITING or too_long:
            message = "Too many long requests are waiting; try again in a second."
            raise Problem(429, "busy", message, {"Retry-After": "1"})
        self.waiting += 1
        self.waiting_seconds += seconds
        future = asyncio.get_running_loop().run_in_executor(self.threads, action)
        # The place is free when the work has ended, not when its request was given up.
        future.add_done_callback(partial(self._leave, seconds))
        return await asyncio.shield(future)

    def _leave(self, seconds: float, future: asyncio.Future) -> None:
        self.waiting -= 1
        self.waiting_seconds -= seconds
