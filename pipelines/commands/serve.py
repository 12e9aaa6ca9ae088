"""The commands `serve`, `worker` and `up`: what runs until it is ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.experiments import fingerprint, leaderboard_rows, registry, tracking
from pipelines.processes import child_process, dask_cluster, notifications, servers, service
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

GRACE_SECONDS = "10"  # for requests under way at the end; BentoML's own is a day
PREFECT_PORT, MLFLOW_PORT = 4200, 5000  # where they are free
START_SECONDS, POLL_SECONDS = 180, 0.5
POOL = "cpu"  # of prefect.yaml


class UpError(RuntimeError):
    """A part did not start, or has ended; the message names it and its log."""


@dataclass(frozen=True)
class Part:
    """A process that runs until all end.

    address: for a browser; health: what answers once it is ready; both empty where there is none.
    """

    name: str
    process: subprocess.Popen
    address: str
    health: str


def serve(port: int) -> None:
    """Become the service, until it is interrupted; this process does not return.

    Raises `service.ServiceError` when no dataset that is served has a champion.
    """
    publish.declare()
    endpoints = settings.endpoints()
    waiting = [name for name, dataset in endpoints.items() if not _published(name, *dataset)]
    if len(waiting) == len(endpoints):
        raise service.ServiceError("there is no champion to serve yet: `espalier run` makes them")
    port = port or service.free_port()
    if not service.is_free(port):
        raise service.ServiceError(
            f"port {port} is taken by another process: espalier serve --port {port + 1}, or end it"
        )
    for name in waiting:
        task, dataset = endpoints[name]
        option = f"--task {task}" if name == task else f"--dataset {dataset}"
        console.line(name, f"no champion yet; the first one of espalier run {option} serves")
    command = service.command(service.CHECKOUT, port)
    command += ["--timeout-graceful-shutdown", GRACE_SECONDS]
    os.chdir(environment.ROOT)
    os.execvpe(command[0], command, os.environ)


def worker(resources: str) -> None:
    """Become a worker of the Dask scheduler that is named, for runs of this code with these
    packages, until it is interrupted; this process does not return.

    resources: what it offers besides, such as GPU=1. Raises UsageError.
    """
    if not dask_cluster.address():
        raise settings.UsageError(
            f"{environment.CLUSTER} is not set: it names the scheduler, such as tls://host:8786"
        )
    try:
        offers = environment.amounts(resources, "--resources")
    except environment.VariableError as error:
        raise settings.UsageError(str(error)) from None
    command, more = dask_cluster.worker_command(fingerprint.of_checkout(), offers)
    os.chdir(environment.ROOT)
    os.execvpe(command[0], command, os.environ | more)


def up(port: int) -> None:
    """Start all that one machine needs, and end it together with Ctrl-C.

    A Prefect or an MLflow server that the environment names is used instead of one of its own.
    Raises UpError.
    """
    publish.declare()
    tracking.connect()  # makes its store, before two processes would
    # The worker imports the flow from here, whichever checkout the environment was made for.
    above = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(environment.ROOT), above]))
    with ExitStack() as stack:
        parts = []
        if not os.environ.get("PREFECT_API_URL"):
            parts.append(stack.enter_context(_prefect()))
            _wait(parts[-1])
        _deploy()
        _notify()
        parts += map(stack.enter_context, _parts(port))
        for part in parts:
            _wait(part)
            if part.address:
                console.line(part.name, part.address)
        console.out().print(f"Ctrl-C ends all of it; logs in {_log('').parent}", markup=False)
        with suppress(KeyboardInterrupt):
            _watch(parts)


def _parts(port: int) -> Iterator[AbstractContextManager[Part]]:
    """What waits for the Prefect server alone: the worker, the service, and MLflow's page."""
    yield _part("worker", [*_tool("prefect"), "worker", "start", "--pool", POOL])
    port = port or service.free_port()
    command = service.command(service.CHECKOUT, port)
    url = f"http://127.0.0.1:{port}"
    yield _part("service", command, url, f"{url}/docs.json")  # which needs no token
    store = os.environ["MLFLOW_TRACKING_URI"]
    if not store.startswith("http"):
        port = _port(MLFLOW_PORT)
        at = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command = [*_tool("mlflow"), "ui", "--backend-store-uri", store, *at]
        url = f"http://127.0.0.1:{port}"
        yield _part("MLflow", command, f"{url}/{servers.PAGE}", f"{url}/health")


@contextmanager
def _part(name: str, command: list[str], address: str = "", health: str = "") -> Iterator[Part]:
    with child_process.started(command, _log(name), cwd=environment.ROOT) as process:
        yield Part(name, process, address, health)


@contextmanager
def _prefect() -> Iterator[Part]:
    port = _port(PREFECT_PORT)
    url = f"http://127.0.0.1:{port}"
    command = [*_tool("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    os.environ["PREFECT_API_URL"] = f"{url}/api"  # the server's pages ask there, too
    with _part("Prefect", command, url, f"{url}/api/health") as part:
        yield part


def _deploy() -> None:
    """Bring the server in line with prefect.yaml."""
    if _prefect_says("work-pool", "inspect", POOL).returncode:
        _prefect_says("work-pool", "create", POOL, "--type", "process")
    done = _prefect_says("deploy", "--all")
    if done.returncode:
        raise UpError(f"the deployments of prefect.yaml were refused: {done.stdout}{done.stderr}")


def _notify() -> None:
    """Set up who is told; all else runs where the variable of a way is not set."""
    try:
        notifications.apply()
    except notifications.NotifyError as error:
        console.line("notify", f"nobody is told anew: {error}", failed=True)


def _prefect_says(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*_tool("prefect"), "--no-prompt", *arguments]
    return subprocess.run(
        command, cwd=environment.ROOT, capture_output=True, encoding="utf-8", errors="replace"
    )


def _wait(part: Part) -> None:
    """Return once a part answers."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while part.health:
        _check(part)
        with environment.client(part.health, 2) as client, suppress(httpx.TransportError):
            if client.get(part.health).is_success:
                return
        if time.monotonic() > deadline:
            raise UpError(f"{part.name} did not answer in {START_SECONDS} s: {_log(part.name)}")
        time.sleep(POLL_SECONDS)


def _watch(parts: Iterable[Part]) -> None:
    while True:
        for part in parts:
            _check(part)
        time.sleep(POLL_SECONDS)


def _check(part: Part) -> None:
    if part.process.poll() is not None:
        raise UpError(f"{part.name} has ended, and all else with it: look into {_log(part.name)}")


def _tool(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _port(wanted: int) -> int:
    return wanted if service.is_free(wanted) else service.free_port()


def _log(name: str) -> Path:
    return environment.home() / "logs" / f"{name.lower()}.log"


def _published(endpoint: str, task: str, dataset: str) -> bool:
    """Whether the endpoint's pointer stands, after bringing it in line with the registry."""
    if _names(endpoint, task, dataset):
        return True
    champion = None
    if not leaderboard_rows.is_empty_store():
        from mlflow.exceptions import MlflowException  # seconds, which a start seldom has to pay

        try:
            champion = registry.champion(task, dataset)
        except (MlflowException, environment.ServerError) as error:
            # Without the registry too: where the pointer is no good the last good model serves.
            cause = f"the registry does not answer ({error})"
            console.line(endpoint, f"as it was last published: {cause}")
            return (publish.folder() / f"{endpoint}.json").exists()
    if champion is None:
        if not _names(endpoint, task, dataset):  # but no pointer, a damaged one, or another's
            publish.withdraw(endpoint)
        return False
    publish.publish(endpoint, champion)
    return True


def _names(endpoint: str, task: str, dataset: str) -> bool:
    """Whether the endpoint's pointer can be read, and names a model of the dataset."""
    pointer = publish.read(endpoint)
    return pointer is not None and pointer.name == registry.model_name(task, dataset)
