"""The Dask cluster that fits run on: the one that is named, or one of this machine.

One process a core, one fit a process, one TensorFlow thread a fit. ESPALIER_CLUSTER=tls://HOST:PORT
names a scheduler elsewhere, whose workers have this checkout and the same MLflow and Prefect
servers; ESPALIER_RESOURCES=GPU=1 is what a fit asks of one. How long work waits for a worker is
the scheduler's own setting, distributed.scheduler.no-workers-timeout.
"""

import contextvars
import importlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipelines.runtime import environment

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

# Of a worker. A fit of the zoo takes 1 to 1.5 GiB, of which TensorFlow is 0.8: one that needs more
# than this is ended before the machine swaps, and the message names the limit.
WORKER_GIB = 3
MOST_WORKERS = 12  # as many as a task has architectures: more would wait
WATCH_SECONDS = 2

_own: set[str] = set()  # the addresses of clusters that this process has started


def address() -> str | None:
    """The scheduler that ESPALIER_CLUSTER names."""
    return os.environ.get(environment.CLUSTER) or None


@contextmanager
def running(modules: Iterable[str] = ()) -> Iterator[str]:
    """Have ESPALIER_CLUSTER name a scheduler for the time of the block; yields its address.

    Where none is named, a cluster of this machine is started, and ends with the block, or with this
    process however that ends.

    modules: what its workers import while they wait for their first task.
    """
    if named := address():
        yield named
        return
    cluster = local()
    try:
        _import(cluster, modules)
        os.environ[environment.CLUSTER] = cluster.scheduler_address
        _own.add(cluster.scheduler_address)
        yield cluster.scheduler_address
    finally:
        os.environ.pop(environment.CLUSTER, None)
        with suppress(TimeoutError):  # of a worker on a busy machine: it ends with this process
            cluster.close()


@contextmanager
def watched(say: Callable[[str], None]) -> Iterator[None]:
    """Have it said while the block lasts when a named scheduler has no worker that takes a fit, and
    when it has one again: the scheduler says nothing of it, and work that no worker can do waits.

    Args:
        say: is called with a sentence, from another thread in the context of this one.
    """
    named, stop = address(), threading.Event()
    if named is None or named in _own:
        yield
        return
    arguments = (_watch, named, environment.resources(), say, stop)
    watching = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True)
    watching.start()
    try:
        yield
    finally:
        stop.set()
        watching.join(WATCH_SECONDS)  # its client may wait for a scheduler that has ended


def _watch(
    named: str, needed: dict[str, float], say: Callable[[str], None], stop: threading.Event
) -> None:
    import distributed

    missing = False
    with distributed.Client(named, set_as_default=False) as client:
        while not stop.is_set():
            count = _takers(client, needed)
            if missing != (count == 0):
                missing = count == 0
                wanted = " ".join(f"{name}={amount:g}" for name, amount in needed.items())
                offering = f" that offers {wanted}" if wanted else ""
                say(
                    f"{named} has no worker{offering}: fits wait for one"
                    if missing
                    else f"{named} has {count} worker{'s' if count > 1 else ''}{offering}"
                )
            stop.wait(WATCH_SECONDS)


def _takers(client: "Client", needed: dict[str, float]) -> int:
    """How many workers offer what a fit asks for."""
    offers = [one["resources"] for one in client.scheduler_info(n_workers=-1)["workers"].values()]
    return sum(all(one.get(name, 0) >= needed[name] for name in needed) for one in offers)


def runner_options() -> dict:
    """What Prefect's Dask task runner is given: the named scheduler, or a cluster for each flow."""
    if named := address():
        return {"address": named}
    return {"cluster_class": local}


def size() -> int:
    """The number of workers that take fits, of the scheduler that is named or of this machine."""
    import distributed
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    if named := address():
        with distributed.Client(named, set_as_default=False) as client:
            return max(1, _takers(client, environment.resources()))
    return max(1, min(CPU_COUNT, MEMORY_LIMIT // (WORKER_GIB * 2**30), MOST_WORKERS))


def local() -> "LocalCluster":
    """A cluster on loopback: a process for each core that has its share of memory."""
    import dask
    import distributed

    # A fit's memory is TensorFlow's, which gives nothing back: a worker that Dask pauses would
    # never go on, and there is nothing to spill. Beyond 95 % of the limit the nanny ends it.
    settings = {f"distributed.worker.memory.{step}": False for step in ("target", "spill", "pause")}
    settings["distributed.worker.daemon"] = False  # a fit may need a process of its own
    # Nobody reads Dask's profile of its workers: a hundred stacks a second, deep ones in Keras.
    settings["distributed.worker.profile.enabled"] = False
    with dask.config.set(settings):
        return distributed.LocalCluster(
            n_workers=size(),
            threads_per_worker=1,
            memory_limit=WORKER_GIB * 2**30,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            local_directory=str(environment.home() / "dask"),
        )


def _import(cluster: "LocalCluster", modules: Iterable[str]) -> None:
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        for worker in client.scheduler_info(n_workers=-1)["workers"]:
            for module in modules:
                imported = client.submit(_imported, module, workers=[worker], pure=False)
                distributed.fire_and_forget(imported)


def _imported(module: str) -> None:
    importlib.import_module(module)
