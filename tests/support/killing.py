"""A process that ends itself by SIGKILL after so many writes."""

import itertools
import os
import signal
from collections.abc import Iterable


def kill_after(writes: int, kinds: Iterable[tuple[object, str]]) -> None:
    """From now on end this process by SIGKILL as soon as it has made so many writes.

    kinds: owner and name of each function that writes.
    """
    made = itertools.count(1)

    def counted(write):
        def call(*arguments, **options):
            answer = write(*arguments, **options)
            if next(made) == writes:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call

    for owner, name in kinds:
        setattr(owner, name, counted(getattr(owner, name)))
