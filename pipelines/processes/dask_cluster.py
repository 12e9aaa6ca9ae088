"""The Dask cluster that fits run on: the one that is named, or one of this machine.

One process a core, one fit a process, one TensorFlow thread a fit. ESPALIER_CLUSTER=tls://HOST:PORT
names a scheduler elsewhere, whose workers `espalier worker` starts. Each offers a resource that is
named after its code and packages, and every task asks for that of its own: Dask sends nothing to a
worker that would compute something else. ESPALIER_RESOURCES=GPU=1 is what a fit asks for besides.
How long work waits for a worker is the scheduler's own setting, no-workers-timeout.
"""

import contextvars
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipelines.runtime import disk, environment

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

# Of a worker. A fit of the zoo takes 1 to 1.5 GiB, of which TensorFlow is 0.8: one that needs more
# than this is ended before the machine swaps, and the message names the limit.
WORKER_GIB = 3
MOST_WORKERS = 12  # as many as a task has architectures: more would wait
WATCH_SECONDS = 2
CODE = "espalier-"  # how the resource begins that says which code and packages a worker has
# A fit's memory is TensorFlow's, which gives nothing back: a worker that Dask pauses would never
# go on, and there is nothing to spill. Beyond 95 % of the limit the nanny ends it.
WORKER: dict[str, Any] = {
    f"distributed.worker.memory.{step}": False for step in ("target", "spill", "pause")
}
WORKER |= {
    "distributed.worker.daemon": False,  # a fit may need a process of its own
    # Nobody reads Dask's profile of its workers: a hundred stacks a second, deep ones in Keras.
    "distributed.worker.profile.enabled": False,
}

_own: set[str] = set()  # the addresses of clusters that this process has started


def address() -> str | None:
    """The scheduler that ESPALIER_CLUSTER names."""
    return os.environ.get(environment.CLUSTER) or None


def named() -> str | None:
    """The scheduler that a user named, not one of this process' own."""
    return None if address() in _own else address()


def needs(identity: str) -> dict[str, float]:
    """The resource that workers of a named scheduler offer that have this code.

    identity: of the code and packages, as `fingerprint.of_checkout` gives it.
    """
    return {f"{CODE}{identity[:12]}": 1}


def worker_command(identity: str, offers: Mapping[str, float]) -> tuple[list[str], dict[str, str]]:
    """The command line of a worker of the named scheduler, and the variables that it needs.

    Args:
        identity: of its code and packages, as `fingerprint.of_checkout` gives it.
        offers: what it offers besides, such as GPU: 1.
    """
    resources = " ".join(f"{name}={n:g}" for name, n in (needs(identity) | {**offers}).items())
    command = [sys.executable, "-m", "dask", "worker", str(address()), "--nthreads", "1"]
    command += ["--no-dashboard", "--memory-limit", f"{WORKER_GIB}GiB", "--resources", resources]
    command += ["--local-directory", str(environment.home() / "dask")]
    settings = {
        f"DASK_{name.upper().replace('.', '__')}": str(value) for name, value in WORKER.items()
    }
    return command, settings


@contextmanager
def running(modules: Iterable[str] = ()) -> Iterator[str]:
    """Have ESPALIER_CLUSTER name a scheduler for the time of the block; yields its address.

    Where none is named, a cluster of this machine is started, and ends with the block, or with this
    process however that ends.

    modules: what its workers import while they wait for their first task.
    """
    if scheduler := address():
        yield scheduler
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
def watched(needed: Mapping[str, float], say: Callable[[str], None]) -> Iterator[None]:
    """Have it said while the block lasts when a named scheduler has no worker that takes a fit, and
    when it has one again: the scheduler says nothing of it, and work that no worker can do waits.

    Args:
        needed: what a fit asks for.
        say: is called with a sentence, from another thread in the context of this one.
    """
    scheduler, stop = named(), threading.Event()
    if scheduler is None:
        yield
        return
    arguments = (_watch, scheduler, needed, say, stop)
    watching = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True)
    watching.start()
    try:
        yield
    finally:
        stop.set()
        watching.join(WATCH_SECONDS)  # its client may wait for a scheduler that has ended


def _watch(
    scheduler: str, needed: Mapping[str, float], say: Callable[[str], None], stop: threading.Event
) -> None:
    import distributed

    missing = False
    with distributed.Client(scheduler, set_as_default=False) as client:
        while not stop.is_set():
            offers = _offers(client)
            count = _takers(offers, needed)
            if missing != (count == 0):
                missing = count == 0
                say(f"{scheduler} has {_sentence(offers, needed, count)}")
            stop.wait(WATCH_SECONDS)


def _sentence(
    offers: Sequence[Mapping[str, float]], needed: Mapping[str, float], count: int
) -> str:
    """How many workers take fits, or why none does."""
    wanted = " ".join(f"{name}={n:g}" for name, n in needed.items() if not name.startswith(CODE))
    offering = f" that offers {wanted}" if wanted else ""
    if count:
        return f"{count} worker{'s' if count > 1 else ''}{offering}"
    code = {name: n for name, n in needed.items() if name.startswith(CODE)}
    others = len(offers) - _takers(offers, code)
    cause = f"; {others} of its {len(offers)} have other code or packages" if others else ""
    return (
        f"no worker{offering}: fits wait for one{cause} "
        "(espalier worker, in a checkout of this commit with the packages of its lock)"
    )


def _offers(client: "Client") -> list[Mapping[str, float]]:
    """What each worker offers."""
    return [one["resources"] for one in client.scheduler_info(n_workers=-1)["workers"].values()]


def _takers(offers: Iterable[Mapping[str, float]], needed: Mapping[str, float]) -> int:
    """How many workers offer what is needed."""
    return sum(all(one.get(name, 0) >= needed[name] for name in needed) for one in offers)


def cause_of(failure: object) -> str:
    """What a task failed by, in words; of a worker of this machine, also which disk is full."""
    if named() is None and isinstance(failure, BaseException) and (full := disk.full(failure)):
        return full
    return str(failure)


def runner_options() -> dict:
    """What Prefect's Dask task runner is given: the named scheduler, or a cluster for each flow."""
    if scheduler := address():
        return {"address": scheduler}
    return {"cluster_class": local}


def size(needed: Mapping[str, float]) -> int:
    """The number of workers that take fits, of the scheduler that is named or of this machine.

    needed: what a fit asks for of a named scheduler's.
    """
    import distributed
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    if scheduler := address():
        with distributed.Client(scheduler, set_as_default=False) as client:
            return max(1, _takers(_offers(client), needed))
    return max(1, min(CPU_COUNT, MEMORY_LIMIT // (WORKER_GIB * 2**30), MOST_WORKERS))


def local() -> "LocalCluster":
    """A cluster on loopback: a process for each core that has its share of memory."""
    import dask
    import distributed

    with dask.config.set(WORKER):
        return distributed.LocalCluster(
            n_workers=size({}),
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
