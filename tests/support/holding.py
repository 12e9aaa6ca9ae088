"""Another process that holds a lock."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Until its standard input closes.
HOLDER = """
import sys
from pipelines.locks import lock
with lock.hold(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(name: str, *prefix: str, **popen) -> Iterator[subprocess.Popen]:
    """A process that holds the lock for the time of the block; `prefix` goes before its command."""
    command = [*prefix, sys.executable, "-c", HOLDER, name]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, **popen) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()
