"""What is waited for is said within seconds."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipelines.runtime import console

SAID_SECONDS = 3  # until a wait is told
RETRY_SECONDS = 1  # between two tries
WAIT_SECONDS = 1200  # for one answer: longer than most outages, shorter than a night

Answer = TypeVar("Answer")


def awaited(
    ask: Callable[[], Answer], is_away: Callable[[Exception], bool], text: str, seconds: float
) -> Answer:
    """What `ask` returns, which is tried again while a server is away.

    Args:
        ask: may be repeated.
        is_away: whether what it raised says that the server is away.
        text: is told of a wait, with its end.
        seconds: after which what `ask` raised is raised.
    """
    start = time.monotonic()
    with announced(f"{text}; until {seconds / 60:.0f} minutes are over"):
        while True:
            try:
                return ask()
            except Exception as error:
                if not is_away(error) or time.monotonic() > start + seconds:
                    raise
            time.sleep(RETRY_SECONDS)


@contextmanager
def announced(text: str) -> Iterator[None]:
    """Say what is waited for, where the block takes longer than a moment."""
    say = contextvars.copy_context().run
    timer = threading.Timer(SAID_SECONDS, say, (console.line, "waiting", text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
