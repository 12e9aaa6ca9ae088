"""The service as it is, with a note of every pause of its garbage collector.

Started by benchmarks/load.py; PAUSES names the folder in which each process adds its milliseconds
to a file of its own.
"""

import gc
import os
import time
from pathlib import Path

from serving.service import Espalier

__all__ = ["Espalier"]

_path = Path(os.environ["PAUSES"]) / str(os.getpid())
_file = os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
_began = 0.0


def _note(phase: str, info: dict) -> None:
    global _began
    if phase == "start":
        _began = time.perf_counter()
    else:
        milliseconds = 1000 * (time.perf_counter() - _began)
        os.write(_file, b"%d %.3f\n" % (info["generation"], milliseconds))


gc.callbacks.append(_note)
