"""The process as such: what it imports, where it listens, which tasks it takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import tiny

ROOT = Path(__file__).parents[2]
FORBIDDEN = ["tensorflow", "keras", "mlflow", "prefect", "pandas", "onnx", "dvc"]
FORBIDDEN += ["great_expectations", "data", "pipelines", "pyarrow"]

ANSWER_AND_LIST_MODULES = """
import json, sys
from pathlib import Path
from serving.service import Espalier, champions
champions.refresh([Path(sys.argv[1]) / "published"])
model = champions.slots["sentiment"].model
Espalier.to_asgi()
print(json.dumps({
    "answer": model.predict(["good"])[0]["label"],
    "modules": sorted(sys.modules),
}))
"""


def run(script: str, *arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def fresh_process(tmp_path_factory) -> dict:
    """What a new process that has answered once says of itself."""
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "sentiment")
    bentoml_home = str(tmp_path_factory.mktemp("bentoml"))
    result = run(ANSWER_AND_LIST_MODULES, home, BENTOML_HOME=bentoml_home)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_it_answers_without_the_training_stack(fresh_process):
    assert fresh_process["answer"] in ("negative", "positive")
    assert "onnxruntime" in fresh_process["modules"]
    assert [name for name in FORBIDDEN if name in fresh_process["modules"]] == []


def test_it_listens_on_the_loopback_address_alone(server):
    listening = [
        connection.laddr
        for process in server.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert server.port in [address.port for address in listening]
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_a_service_of_some_tasks_counts_no_users(fresh_server, tmp_path):
    """BentoML writes what it would send to the log when asked to: it would send nothing."""
    tiny.publish(tmp_path, "forecast")
    asked = {"BENTOML_DO_NOT_TRACK": "False", "__BENTOML_DEBUG_USAGE": "True"}
    server = fresh_server(tmp_path, ESPALIER_TASKS=" forecast,", **asked)
    server.wait(server.ready)
    assert list(server.client.get("/readyz").json()["models"]) == ["forecast"]
    answer = server.client.post("/v1/forecast", json={"history": tiny.history()})
    assert answer.status_code == 200
    missing = server.client.post("/v1/sentiment", json={"text": "good"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert "/v1/sentiment" not in server.client.get("/docs.json").json()["paths"]
    assert "Tracking" not in server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("variable", "value"), [("ESPALIER_TASKS", "forcast"), ("ESPALIER_API_TOKEN", "")]
)
def test_a_setting_that_cannot_be_meant_is_refused_at_the_start(variable, value):
    result = run("import serving.service", **{variable: value})
    assert result.returncode != 0
    assert f"ValueError: {variable}" in result.stderr
