"""The process as such: what it imports, where it listens, which tasks it takes."""

import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
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
app = Espalier.to_asgi().app
print(json.dumps({
    "answer": model.answers(["good"])[0]["label"],
    "modules": sorted(sys.modules),
    "layers": [layer.cls.__name__ for layer in app.user_middleware],
    "files": [m.__file__ for n, m in sys.modules.items() if n == "models"],
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


def test_nothing_cuts_a_request_short(fresh_process):
    assert "Counted" in fresh_process["layers"]
    assert "TimeoutMiddleware" not in fresh_process["layers"]


def test_nothing_reads_headers_that_it_would_log(fresh_process):
    assert "OpenTelemetryMiddleware" not in fresh_process["layers"]


def test_it_listens_on_the_loopback_address_alone(server):
    listening = [
        connection.laddr
        for process in server.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert server.port in [address.port for address in listening]
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_it_takes_more_connections_than_the_soft_limit_of_files(fresh_server, tmp_path):
    tiny.publish(tmp_path, "forecast")
    server = fresh_server(tmp_path, ESPALIER_TASKS="forecast")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Before it has read its first file; its worker inherits that.
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (128, hard))
    server.wait(server.ready)
    with ExitStack() as opened:
        for _ in range(200):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.recv(1 << 12).startswith(b"HTTP/1.1 200")
    assert "No connection can be accepted" not in server.log.read_text()


def test_it_counts_no_users(fresh_server, tmp_path):
    """BentoML writes what it would send to the log when asked to: it would send nothing."""
    tiny.publish(tmp_path, "forecast")
    asked = {"BENTOML_DO_NOT_TRACK": "False", "__BENTOML_DEBUG_USAGE": "True"}
    server = fresh_server(tmp_path, ESPALIER_TASKS="forecast", **asked)
    server.wait(server.ready)
    assert "Tracking" not in server.log.read_text()


def test_a_service_of_some_tasks(fresh_server, tmp_path):
    tiny.publish(tmp_path, "forecast")
    server = fresh_server(tmp_path, ESPALIER_TASKS=" forecast,")
    server.wait(server.ready)
    assert list(server.client.get("/readyz").json()["models"]) == ["forecast"]
    answer = server.client.post("/v1/forecast", json={"history": tiny.history()})
    assert answer.status_code == 200
    missing = server.client.post("/v1/sentiment", json={"text": "good"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert "/v1/sentiment" not in server.client.get("/docs.json").json()["paths"]


def test_a_task_that_is_none_is_refused_at_the_start():
    result = run("import serving.service", ESPALIER_TASKS="image,forcast")
    assert result.returncode != 0
    assert "names 'forcast'; the tasks are image, sentiment, forecast" in result.stderr
    assert "Did you mean 'forecast'?" in result.stderr
