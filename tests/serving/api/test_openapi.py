"""The description of the service: complete, true, and as strict as the service.

    ESPALIER_CASES=1000 python -m pytest tests/serving/api/test_openapi.py -m slow

Schemathesis asks a real server what its own description allows and what it forbids, with all of
its checks; ESPALIER_CASES is how many requests it invents for each operation.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from asking import elements, in_binary
from described import Description

CASES = os.environ.get("ESPALIER_CASES", "100")
SUPPORT = Path(__file__).parents[2] / "support"
BINARY = "application/octet-stream"
LENGTH = "Inference-Header-Content-Length"
TASKS = ("image", "sentiment", "forecast")


@pytest.fixture(scope="module")
def description(client) -> Description:
    return Description(client)


def schemathesis(folder: Path, url: str, *arguments: str) -> None:
    """Assert that all checks of Schemathesis hold; it keeps a cache in `folder`."""
    command = ["schemathesis.cli", "run", f"{url}/docs.json", "--checks", "all", "--no-color"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--generation-deterministic", *arguments],
        env=os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(SUPPORT)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]


class TestSchemathesis:
    def test_examples_and_a_few_more(self, server, tmp_path):
        """A small share: what is answered by models, each by one path."""
        share = ["--include-method", "POST", "--exclude-path-regex", "versions"]
        phases = ["--phases", "examples,fuzzing", "--max-examples", "20"]
        schemathesis(tmp_path, f"http://127.0.0.1:{server.port}", *phases, *share)

    @pytest.mark.slow
    def test_everything(self, own_server, tmp_path):
        before = own_server.processes()
        schemathesis(tmp_path, f"http://127.0.0.1:{own_server.port}", "--max-examples", CASES)
        assert own_server.processes() == before
        assert own_server.ready()

    @pytest.mark.slow
    def test_with_a_token(self, fresh_server, tmp_path):
        """One check sends each request without the token, and with a wrong one."""
        for task in TASKS:
            tiny.publish(tmp_path, task)
        guarded = fresh_server(tmp_path, ESPALIER_API_TOKEN="secret")
        guarded.wait(guarded.ready)
        url = f"http://127.0.0.1:{guarded.port}"
        schemathesis(
            tmp_path, url, "--header", "Authorization: Bearer secret", "--max-examples", "5"
        )


def test_every_path_is_described(description):
    models = [f"/v2/models/{task}{end}" for task in TASKS for end in ("", "/versions/{version}")]
    expected = {path + end for path in models for end in ("", "/ready", "/infer")}
    expected |= {f"/v1/{name}" for name in (*TASKS, "feedback", "models", "examples")}
    expected |= {"/v2", "/v2/health/live", "/v2/health/ready"}
    expected |= {"/livez", "/healthz", "/readyz", "/metrics"}
    assert set(description.paths) == expected
    assert "{model}" not in str(description.document)


def examples(operation: dict) -> list:
    """The bodies that an operation's description shows; of one that takes none, no body."""
    content = operation.get("requestBody", {}).get("content")
    if content is None:
        return [None]
    body = content.get("application/json", {})
    shown = [example["value"] for example in body.get("examples", {}).values()]
    return shown + ([body["example"]] if "example" in body else [])


def test_every_example_works(client, description):
    called = 0
    for path, method, operation in description.operations():
        for example in examples(operation):
            response = client.request(method, path.format(version="1"), json=example)
            assert response.status_code == 200, response.text
            description.check(path, response)
            called += 1
    # Probes and metrics; of /v1 three bodies, three of feedback, models and examples; of /v2 three
    # paths, and six a model.
    assert called == 4 + 8 + 3 + 3 * 6


def test_an_error_is_described(client, description):
    for path, method, operation in description.operations():
        for answer in operation["responses"].values():
            assert answer["headers"]["X-Request-ID"]["required"]
        if method != "post":
            continue
        for sent in ({"content": b"?", "headers": {"Content-Type": "text/plain"}}, {"json": 5}):
            response = client.post(path.format(version="1"), **sent)
            assert 400 <= response.status_code < 500
            description.check(path, response)
        for status, answer in operation["responses"].items():
            assert ("Retry-After" in answer["headers"]) is (status in ("429", "503"))
    response = client.get("/v2/models/image/versions/7")
    assert response.status_code == 404
    description.check("/v2/models/image/versions/{version}", response)


def test_the_models_of_now_are_described(description):
    """What the yaml leaves open comes from the models that serve."""
    schemas = description.document["components"]["schemas"]
    assert schemas["history"]["minItems"] == tiny.HISTORY
    assert schemas["horizon"]["maximum"] == tiny.HORIZON
    assert schemas["value"]["maximum"] == 6.0 + 2.0e6
    assert schemas["image-label"]["enum"] == list(tiny.DIGITS)
    tensor = schemas["image-input"]["properties"]
    assert (tensor["name"], tensor["shape"]) == ({"const": "image"}, {"const": [1, 8, 8, 1]})
    assert (tensor["data"]["minItems"], tensor["data"]["maxItems"]) == (64, 64)
    assert "score" in schemas["sentiment-output"]["enum"]


def test_tensors_in_bytes_are_described(client, description):
    path = "/v2/models/sentiment/infer"
    content = description.paths[path]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", BINARY}
    assert LENGTH in content[BINARY]["schema"]["description"]
    sent = in_binary("sentiment", elements(b"A good film."), shape=[1])
    sent["headers"]["Content-Type"] = BINARY
    description.check(path, client.post(path, **sent))
    requested = {"parameters": {"binary_data_output": True}}
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["A good film."]}
    response = client.post(path, json={"inputs": [tensor]} | requested)
    assert response.headers["Content-Type"] == BINARY
    description.check(path, response)


def test_the_page_loads_only_what_the_service_has(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text  # no address: BentoML's own page tells Google who looks at it
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for path in (*loaded, "docs.json"):
        assert client.get(path).status_code == 200
