"""The folder in which the workers of one service share their metrics.

A service that starts wipes the metrics of another with the same BENTOML_HOME. So each has a folder
of its own, made in the process that starts the workers. That process holds a lock on it, which ends
with the process however it ends: the next service removes what was left.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "ESPALIER_METRICS_FOLDER"  # read by the workers
PREFIX = "espalier-metrics-"


def use() -> None:
    """Have this process write its metrics into the folder that its parent has made, if any."""
    if VARIABLE in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ[VARIABLE]


def make() -> None:
    """Make the folder for the workers of this process; remove those of processes that ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is another user's, or its process runs
            lock = _lock(folder)
            shutil.rmtree(folder)
            os.close(lock)
    # Under its name only once it is locked.
    made = Path(tempfile.mkdtemp(prefix="espalier-"))
    _lock(made)
    folder = made.rename(made.with_name(made.name.replace("espalier-", PREFIX, 1)))
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _lock(folder: Path) -> int:
    """Lock a folder until its descriptor is closed; raises OSError where it is locked already."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor
