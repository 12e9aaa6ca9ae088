"""Start a command that ends when its parent does, however the parent dies.

    python -m pipelines.processes.child_process COMMAND …

The parent keeps a pipe to this process' standard input; the pipe closes when the parent ends, by
SIGKILL too, and the command's whole process group is ended then.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GRACE_SECONDS = 10


@contextmanager
def started(command: list[str], log: Path, **popen: Any) -> Iterator[subprocess.Popen]:
    """Run `command` for the time of the block; its output is appended to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        guardian = subprocess.Popen(
            [sys.executable, "-P", __file__, *command],  # -P: the command's folder is not ours
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            **popen,
        )
    try:
        yield guardian
    finally:
        if guardian.stdin is not None:
            guardian.stdin.close()
        guardian.wait()


def main(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; returns its exit status."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    # Ctrl-C reaches the parent as well, and the parent closes the pipe when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(child.pid, signal.SIGTERM))
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    return child.wait()


def _watch(child: subprocess.Popen) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    _end(child)


def _end(child: subprocess.Popen) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            return
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
