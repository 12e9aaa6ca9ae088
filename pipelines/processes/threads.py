"""TensorFlow's threads, on whose number weights depend: one number for the life of a process."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from data import stage
from pipelines.runtime import environment

Result = TypeVar("Result")
_used = {"count": 1}  # as `environment.apply` sets it


def use(count: int) -> bool:
    """Have this process compute with `count` threads; False where TensorFlow began with others."""
    if "tensorflow" not in sys.modules:
        os.environ.update(dict.fromkeys(environment.THREADS, str(count)))
        _used["count"] = count
    return _used["count"] == count


def in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function of a module in a new process, which ends with this one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, stage.end_with_parent) as pool:
        return pool.submit(function, *arguments).result()
