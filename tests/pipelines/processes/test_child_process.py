import subprocess
import sys
import time

import psutil

from pipelines.processes import child_process

SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

# A parent that starts a command, prints the command's process id, and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from pipelines.processes import child_process
with child_process.started([sys.executable, "-c", sys.argv[2]], Path(sys.argv[1])):
    print("started", flush=True)
    time.sleep(600)
"""


def _line(path, deadline=30) -> str:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.02)
    raise AssertionError(f"nothing in {path}")


def test_the_command_ends_with_a_parent_that_is_killed(tmp_path):
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), SLEEPER], stdout=subprocess.PIPE
    ) as parent:
        command = psutil.Process(int(_line(log)))
        parent.kill()
    command.wait(timeout=30)
    assert not command.is_running()


def test_the_command_ends_with_the_block(tmp_path):
    log = tmp_path / "log"
    with child_process.started([sys.executable, "-c", SLEEPER], log) as process:
        child = psutil.Process(int(_line(log)))
    child.wait(timeout=30)
    assert process.returncode is not None


def test_the_exit_status_is_the_commands(tmp_path):
    with child_process.started(
        [sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "log"
    ) as process:
        assert process.wait(timeout=30) == 7
