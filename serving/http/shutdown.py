"""A bound on the graceful shutdown.

uvicorn waits for every client to take its answer. `bentoml serve` sets no bound on that unless
`--timeout-graceful-shutdown` is given, and kills a worker after a day only.
"""

import os
import signal
import threading
from types import FrameType

GRACE_SECONDS = 10


def bound_graceful_shutdown() -> None:
    """Have a server that got SIGTERM stop at the latest after GRACE_SECONDS.

    To be called while the server runs. It uses what a person would: uvicorn that is shutting down
    stops at once on SIGINT (Ctrl-C).
    """
    shut_down = signal.getsignal(signal.SIGTERM)
    if not callable(shut_down):  # nobody shuts down gracefully here
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()
        shut_down(number, frame)

    signal.signal(signal.SIGTERM, on_sigterm)
