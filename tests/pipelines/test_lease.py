import subprocess
import sys

import pytest

from pipelines import lease

HOLDER = """
import sys
from pipelines import lease
with lease.hold("image"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(database):
    """Another process that holds the image lease until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with process:
        yield process


def test_a_second_holder_is_refused_and_told_who_holds_it(holder):
    with pytest.raises(lease.LeaseHeldError, match=f"process {holder.pid} "), lease.hold("image"):
        pass


def test_another_tasks_lease_is_free(holder):
    with lease.hold("sentiment"):
        pass


def test_waiting_takes_over_when_the_holder_ends(holder):
    holder.stdin.close()
    with lease.hold("image", wait_seconds=30):
        pass


def test_a_killed_holder_is_taken_over_at_once(holder):
    holder.kill()  # and not waited for: a zombie is as dead
    with lease.hold("image", wait_seconds=5):
        pass
