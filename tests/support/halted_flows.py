"""The flows of a deployment, of which the next run halts after a write that a test names.

A copy of this file and of `killing.py` lie in the test's project, whose prefect.yaml names it in
place of `pipelines.flows`. A halted run has told its process id, and waits to be killed.
"""

import importlib
import os
import signal

from killing import HALT, HALTED, kill_after

from pipelines.flows import monitor, retrain
from pipelines.runtime import environment

__all__ = ["monitor", "retrain"]


def _halt() -> None:
    partial = environment.home() / f"{HALTED}.partial"
    partial.write_text(str(os.getpid()), encoding="utf-8")
    partial.replace(environment.home() / HALTED)
    os.kill(os.getpid(), signal.SIGSTOP)


_wanted = environment.home() / HALT
if _wanted.exists():
    _module, _name, _calls = _wanted.read_text(encoding="utf-8").split()
    _wanted.unlink()  # the workers of its cluster and the next run find none
    kill_after(int(_calls), [(importlib.import_module(_module), _name)], _halt)
