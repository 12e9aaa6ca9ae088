"""One command starts the server, the worker, the service and MLflow's page, and ends them."""

import re
import signal
import subprocess

import httpx
import psutil
import pytest
from deployed import read
from project import command, listening, until, variables

from pipelines.processes.service import free_port

pytestmark = pytest.mark.slow


def test_all_of_a_machine_starts_and_ends_together(prepared_copy, tmp_path):
    project = prepared_copy(tmp_path / "project")
    port, out = free_port(), tmp_path / "out"
    with out.open("w") as file:
        process = subprocess.Popen(
            command("up", "--port", str(port)),
            cwd=project,
            env=variables(),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: "Ctrl-C ends all of it" in out.read_text(), "all parts", 240)
        addresses = dict(re.findall(r"^ +(\w+) +(http://127\.0\.0\.1:\d+)", out.read_text(), re.M))
        assert addresses.keys() == {"Prefect", "service", "MLflow"}
        assert addresses["service"].endswith(f":{port}")
        assert httpx.get(f"{addresses['service']}/v1/models").status_code == 200
        assert httpx.get(f"{addresses['MLflow']}/health").text == "OK"
        api = f"{addresses['Prefect']}/api"
        assert {one["name"] for one in read(api, "deployments")} == {
            "image",
            "sentiment",
            "forecast",
        }
        until(lambda: read(api, "work_pools/cpu/workers"), "a worker of the pool")
        family = psutil.Process(process.pid).children(recursive=True)
        assert all(address.startswith("127.0.0.1") for address in listening(family))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0
    assert not [one for one in family if one.is_running() and one.status() != "zombie"]


def test_a_part_that_ends_ends_all_and_is_named(prepared_copy, tmp_path):
    project = prepared_copy(tmp_path / "project")
    done = subprocess.run(
        command("up", "--port", str(free_port())),
        cwd=project,
        env=variables(ESPALIER_LOG_MB="many"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "service has ended, and all else with it: look into" in done.stderr
