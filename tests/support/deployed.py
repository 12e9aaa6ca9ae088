"""A Prefect server with the deployments of a prefect.yaml, and a worker for their pool."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.base import PrefectHttpxSyncClient
from prefect.client.orchestration import SyncPrefectClient
from project import answers, until, variables

from pipelines.processes import child_process
from pipelines.processes.service import free_port

TOOLS = str(Path(sys.executable).parent)
WORKER = (sys.executable, "-m", "prefect", "worker", "start", "--pool", "cpu", "--limit", "1")


@contextmanager
def deployed(project: Path, first: Callable[[], None] = lambda: None) -> Iterator[str]:
    """The URL of the server's API; server and worker end with the block.

    first: is called once the server is up, before the project is deployed.
    """
    with server(project, first) as url:
        place = {"cwd": project, "env": variables(**environment(project, url))}
        log = project / ".espalier" / "logs" / "cpu.log"
        with child_process.started(list(WORKER), log, **place):
            yield url


def environment(project: Path, url: str) -> dict[str, str]:
    """The variables of what works with the server of a project."""
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(project / ".espalier" / "prefect"),
        "PATH": os.pathsep.join([TOOLS, os.environ["PATH"]]),
        "PYTHONPATH": str(project),  # before the checkout that the environment was made for
    }


@contextmanager
def server(project: Path, first: Callable[[], None] = lambda: None) -> Iterator[str]:
    """The URL of the API of a server that has the deployments, and no worker yet."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    place = {"cwd": project, "env": variables(**environment(project, url))}

    def prefect(*arguments: str) -> None:
        done = subprocess.run(
            ["prefect", "--no-prompt", *arguments], capture_output=True, text=True, **place
        )
        assert done.returncode == 0, done.stdout + done.stderr

    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with child_process.started(command, project / ".espalier" / "logs" / "server.log", **place):
        until(lambda: answers(f"{url}/health"), "the server's health", 540)
        prefect("work-pool", "create", "cpu", "--type", "process")
        first()
        prefect("deploy", "--all")
        yield url


def begun(api: str, deployment: str, **parameters: object) -> str:
    """Begin a run of a deployment, `flow/name`, and return its id."""
    with SyncPrefectClient(api) as client:
        made = client.read_deployment_by_name(deployment)
        return str(client.create_flow_run_from_deployment(made.id, parameters=parameters).id)


def answered_yes(api: str, run_id: str, name: str) -> None:
    """Resume a suspended run with a person's yes."""
    with SyncPrefectClient(api) as client:
        said = {"approve": True, "name": name}
        assert client.resume_flow_run(UUID(run_id), run_input=said).status == "ACCEPT"


def client_of(api: str) -> httpx.Client:
    """A client of the server; like all of Prefect's it waits where the database is locked (503)."""
    return PrefectHttpxSyncClient(base_url=api, timeout=60, trust_env=False)


def read(api: str, what: str, **filters: dict) -> list[dict]:
    """What the server holds of a kind."""
    with client_of(api) as client:
        return client.post(f"/{what}/filter", json=filters).json()


def ended(api: str, project: Path, deployment: str, ask: Callable[[dict], bool]) -> dict:
    """The run of a deployment of that name that is asked for, once it is completed."""
    log = project / ".espalier" / "logs" / "cpu.log"

    def found() -> list[dict]:
        runs = read(api, "flow_runs", deployments={"name": {"any_": [deployment]}})
        bad = [run for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
        assert not bad, f"{bad[0]['state']['message']}\n{log.read_text()[-5000:]}"
        return [run for run in runs if ask(run) and run["state_type"] == "COMPLETED"]

    return until(found, "a run that completed", 540)[0]


def suspended(api: str, run_id: str) -> dict | None:
    """The run, once it is suspended."""
    with client_of(api) as client:
        run = client.get(f"/flow_runs/{run_id}").json()
    assert run["state_type"] not in ("FAILED", "CRASHED", "COMPLETED"), run["state"]["message"]
    return run if run["state_name"] == "Suspended" else None
