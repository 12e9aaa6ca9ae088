"""A real Prefect server, a real worker: a scheduled retraining ends in a champion."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from project import KEPT, answer, answers, espalier, outcomes, parameters, until, variables

from pipelines.processes import child_process
from pipelines.processes.service import free_port

pytestmark = pytest.mark.slow

TOOLS = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    """Its profile has a first look at three architectures, and a full fit for the best."""
    folder = prepared_copy(tmp_path_factory.mktemp("scheduled") / "project")
    with parameters(folder) as params:
        look = {"image": {"share": 0.5, "epochs": 1, "keep": 1}}
        params["profiles"]["quick"]["first_look"] = look
    return folder


def schedule(project: Path) -> None:
    """Have prefect.yaml retrain the digits a minute from now instead of mnist_5k at night, and not
    again: the next run would hold the lock that the test asks for."""
    deployed = yaml.safe_load((project / "prefect.yaml").read_text())
    image = next(one for one in deployed["deployments"] if one["name"] == "image")
    image["parameters"] |= {"dataset": "digits"}
    due = datetime.now(UTC) + timedelta(minutes=1)
    image["schedules"] = [{"interval": 24 * 3600, "anchor_date": due.isoformat()}]
    deployed["deployments"] = [image]
    (project / "prefect.yaml").write_text(yaml.safe_dump(deployed))


@pytest.fixture(scope="module")
def api(project):
    """The URL of a Prefect server, with the deployment and a worker for its pool."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    more = {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(project / ".espalier" / "prefect"),
        "PATH": os.pathsep.join([TOOLS, os.environ["PATH"]]),
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
        schedule(project)
        prefect("deploy", "--all")
        worker = ["prefect", "worker", "start", "--pool", "cpu", "--limit", "1"]
        with child_process.started(worker, logs / "cpu.log", **place):
            yield url


def test_a_scheduled_run_ends_in_a_champion_with_the_local_fingerprints(project, api):
    log = project / ".espalier" / "logs" / "cpu.log"

    def finished() -> list[dict]:
        body = {"deployments": {"name": {"any_": ["image"]}}}
        runs = httpx.post(f"{api}/flow_runs/filter", json=body).json()
        bad = [run for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
        assert not bad, f"{bad[0]['state']['message']}\n{log.read_text()[-5000:]}"
        return [r for r in runs if r["auto_scheduled"] and r["state_type"] == "COMPLETED"]

    until(finished, "a scheduled retraining that completed", 540)
    board = answer(espalier(project, "compare", "--task", "image", "--dataset", "digits", "--json"))
    assert {row["arch"] for row in board["rows"]} == set(KEPT["image"]), log.read_text()
    # The cnn was fitted in full before.
    assert [(row["champion"], row["look"], row["share"]) for row in board["rows"]] == [
        (True, False, 1.0),
        (False, False, 1.0),
        (False, True, 0.5),
    ]

    again = outcomes(project, "--dataset", "digits")["image"]
    assert (again["trained"], again["reused"]) == (0, 4)
