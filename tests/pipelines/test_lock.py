import json
import subprocess
import sys

import pytest

from pipelines import lock

HOLDER = """
import sys
from pipelines import lock
with lock.hold("image"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(home):
    """Another process that holds the image lock until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with process:
        yield process


def test_a_second_holder_is_refused_and_told_who_holds_it(holder):
    with pytest.raises(lock.LockHeldError, match=f"process {holder.pid} "), lock.hold("image"):
        pass


def test_another_tasks_lock_is_free(holder):
    with lock.hold("sentiment"):
        pass


def test_waiting_takes_over_when_the_holder_ends(holder):
    holder.stdin.close()
    with lock.hold("image", wait_seconds=30):
        pass


def test_a_killed_holder_frees_the_lock(holder, home):
    holder.kill()
    holder.wait()
    left = json.loads((home / "locks" / "image.json").read_text())
    assert left["pid"] == holder.pid
    with lock.hold("image"):
        pass
