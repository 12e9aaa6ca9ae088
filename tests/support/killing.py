"""A process that ends itself by SIGKILL after so many writes."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable

# Files of a home: the function after whose calls a run is to halt, and the process that has.
HALT, HALTED = "halt", "halted"


def killed() -> None:
    """End this process by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(
    writes: int, kinds: Iterable[tuple[object, str]], end: Callable[[], None] = killed
) -> None:
    """From now on end this process by SIGKILL as soon as it has made so many writes.

    kinds: owner and name of each function that writes. end: what is done instead.
    """
    made = itertools.count(1)

    def counted(write):
        def call(*arguments, **options):
            answer = write(*arguments, **options)
            if next(made) == writes:
                end()
            return answer

        return call

    for owner, name in kinds:
        setattr(owner, name, counted(getattr(owner, name)))
