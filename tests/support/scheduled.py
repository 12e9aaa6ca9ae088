"""A Prefect server with a deployment of a project, and a worker that takes its runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from project import answers, until, variables

from pipelines.processes import child_process
from pipelines.processes.service import free_port

TOOLS = str(Path(sys.executable).parent)


@contextmanager
def deployed(project: Path, change: Callable[[dict], None]) -> Iterator[str]:
    """The URL of a server and a worker for the time of the block; change: of the deployment
    `image` in prefect.yaml, which is left alone there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    more = {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(project / ".espalier" / "prefect"),
        "PATH": os.pathsep.join([TOOLS, os.environ["PATH"]]),
        "PYTHONPATH": str(project),  # before the checkout that the environment was made for
    }
    logs, place = project / ".espalier" / "logs", {"cwd": project, "env": variables(**more)}

    def prefect(*arguments: str) -> None:
        done = subprocess.run(
            ["prefect", "--no-prompt", *arguments], capture_output=True, text=True, **place
        )
        assert done.returncode == 0, done.stdout + done.stderr

    server = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with child_process.started(server, logs / "server.log", **place):
        until(lambda: answers(f"{url}/health"), "the server's health")
        prefect("work-pool", "create", "cpu", "--type", "process")
        written = yaml.safe_load((project / "prefect.yaml").read_text())
        image = next(one for one in written["deployments"] if one["name"] == "image")
        change(image)
        written["deployments"] = [image]
        (project / "prefect.yaml").write_text(yaml.safe_dump(written))
        prefect("deploy", "--all")
        worker = ["prefect", "worker", "start", "--pool", "cpu", "--limit", "1"]
        with child_process.started(worker, logs / "cpu.log", **place):
            yield url


def ended(api: str, project: Path, ask: Callable[[dict], bool]) -> dict:
    """The deployment's run that is asked for, once it is completed."""
    log = project / ".espalier" / "logs" / "cpu.log"

    def found() -> list[dict]:
        runs = read(api, "flow_runs", deployments={"name": {"any_": ["image"]}})
        bad = [run for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
        assert not bad, f"{bad[0]['state']['message']}\n{log.read_text()[-5000:]}"
        return [run for run in runs if ask(run) and run["state_type"] == "COMPLETED"]

    return until(found, "a retraining that completed", 540)[0]


def read(api: str, what: str, **filters: dict) -> list[dict]:
    return httpx.post(f"{api}/{what}/filter", json=filters).raise_for_status().json()
