"""The local Dask cluster: what its workers may use, and when they end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import psutil
import pytest

from pipelines.processes import dask_cluster
from pipelines.runtime import environment

pytestmark = pytest.mark.slow

# A parent that prints its workers' ids and what they may use, and waits to be killed.
PARENT = """
import json, os, time
import distributed
from pipelines.processes import dask_cluster
from pipelines.runtime import environment

def limits(dask_worker):
    limit = dask_worker.memory_manager.memory_limit
    return os.getpid(), limit, os.environ["TF_NUM_INTRAOP_THREADS"]

if __name__ == "__main__":
    environment.apply()
    with dask_cluster.running() as address, distributed.Client(address) as client:
        print(json.dumps(list(client.run(limits).values())), flush=True)
        time.sleep(600)
"""


def test_workers_are_bounded_and_end_with_a_parent_that_is_killed(home, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        limits = json.loads(parent.stdout.readline())
        workers = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    killed = time.monotonic()
    assert {tuple(one[1:]) for one in limits} == {(dask_cluster.WORKER_GIB * 2**30, "1")}
    assert {one[0] for one in limits} <= {worker.pid for worker in workers}
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    assert time.monotonic() - killed < 5  # 2 on a quiet machine


def first_time_waits(folder: Path) -> int:
    """Wait to be killed the first time, and answer the second; returns the process."""
    with (folder / "pids").open("a") as file:
        print(os.getpid(), file=file, flush=True)
    if len((folder / "pids").read_text().split()) == 1:
        time.sleep(600)
    return os.getpid()


def test_the_task_of_a_killed_worker_starts_again_by_itself(home, tmp_path):
    import distributed

    with dask_cluster.running() as address, distributed.Client(address) as client:
        future = client.submit(first_time_waits, tmp_path)
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            time.sleep(0.1)
        os.kill(int((tmp_path / "pids").read_text()), signal.SIGKILL)
        last = future.result(timeout=60)
    first, second = map(int, (tmp_path / "pids").read_text().split())
    assert first != second == last


def first_draw_after(seconds: float) -> float:
    """Seed Python's generator, as Keras does for a fit, and draw from it a while later."""
    random.seed(0)
    time.sleep(seconds)
    return random.random()


def test_nothing_in_a_worker_draws_from_the_generator_that_keras_seeds(home):
    import distributed

    with dask_cluster.running() as address, distributed.Client(address) as client:
        assert environment.unanswered(environment.CLUSTER) == ""
        drawn = client.submit(first_draw_after, 5).result(timeout=60)
    assert drawn == random.Random(0).random()


def test_a_scheduler_that_is_named_is_used(monkeypatch):
    monkeypatch.setenv(environment.CLUSTER, "tcp://elsewhere:8786")
    with dask_cluster.running() as address:
        assert address == "tcp://elsewhere:8786"
    assert dask_cluster.runner_options() == {"address": "tcp://elsewhere:8786"}


class Late(distributed.LocalCluster):
    """One whose worker takes too long to end, as on a busy machine."""

    def close(self, timeout=None):
        super().close(timeout)
        raise TimeoutError


def test_what_was_done_stays_done_though_a_worker_ends_late(home, monkeypatch):
    monkeypatch.setattr(distributed, "LocalCluster", Late)
    with dask_cluster.running() as address:
        assert dask_cluster.address() == address
    assert dask_cluster.address() is None
