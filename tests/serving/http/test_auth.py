"""With ESPALIER_API_TOKEN set, answers are for those who carry the token."""

import socket

import httpx
import pytest
import tiny
from described import Description

from serving.http.auth import needed_scope

TOKEN = "s3cret-+/=~"
CLOSED = ["/v1/models", "/v1/nothing", "/v1", "/v2", "/v2/models/image", "/v2/models/nothing/ready"]
HEALTH = ["/livez", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"]
PAGES = ["/", "/docs.json", "/static_content/swagger-ui.css"]


@pytest.fixture(scope="module")
def guarded(fresh_server, tmp_path_factory) -> httpx.Client:
    home = tmp_path_factory.mktemp("home")
    for task in tiny.REQUESTS:
        tiny.publish(home, task)
    server = fresh_server(home, ESPALIER_API_TOKEN=TOKEN, ESPALIER_PROTECT=" metrics,")
    server.wait(server.ready)
    return server.client


def carrying(value: str | bytes) -> dict:
    return {"headers": {"Authorization": value}}


def check(response: httpx.Response, path: str) -> None:
    """Assert that the request was turned away, in the form of its path."""
    assert response.status_code == 401, (path, response.text)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    answer = response.json()
    if path.startswith("/v2"):
        assert list(answer) == ["error"]
        message = answer["error"]
    else:
        assert answer["request_id"] == response.headers["X-Request-Id"]
        assert answer["error"]["code"] == "unauthorized"
        message = answer["error"]["message"]
    assert "Authorization: Bearer" in message
    assert TOKEN not in response.text


@pytest.mark.parametrize("path", CLOSED)
def test_no_answer_without_the_token(guarded, path):
    check(guarded.get(path), path)
    check(guarded.post(path), path)
    assert guarded.get(path, **carrying(f"Bearer {TOKEN}")).status_code in (200, 404)


def test_a_token_that_is_not_the_one(guarded):
    near = ["", "Bearer", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"]
    for value in (*near, f"Bearer {TOKEN.upper()}", f"Bearer x {TOKEN}", b"Bearer \xff\xfe"):
        check(guarded.get("/v1/models", **carrying(value)), "/v1/models")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_task_answers_who_carries_the_token(guarded, scheme):
    known = carrying(f"{scheme} {TOKEN}")
    assert guarded.post("/v1/sentiment", json={"text": "good"}, **known).status_code == 200
    given = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}
    asked = {"inputs": [given]}
    infer = "/v2/models/sentiment/versions/1/infer"
    assert guarded.post(infer, json=asked, **known).status_code == 200
    check(guarded.post(infer, json=asked), infer)


@pytest.mark.parametrize("path", [*HEALTH, *PAGES])
def test_what_holds_no_answers_stays_open(guarded, path):
    assert guarded.get(path).status_code == 200


def test_the_answer_comes_before_the_body(guarded):
    """Whoever lacks the token cannot make the service wait for a body, or hold one."""
    head = "POST /v1/image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    address = (guarded.base_url.host, guarded.base_url.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_who_is_turned_away_is_counted(guarded):
    guarded.post("/v1/forecast")
    check(guarded.get("/metrics"), "/metrics")  # ESPALIER_PROTECT names them
    metrics = guarded.get("/metrics", **carrying(f"Bearer {TOKEN}")).text
    counted = [line for line in metrics.splitlines() if "401" in line]
    assert any('endpoint="/v1/forecast"' in line for line in counted)


def test_the_documentation_says_so(guarded, client):
    description = Description(guarded)
    paths = description.paths
    assert description.document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, method in (("/v1/image", "post"), ("/v2/models/image/infer", "post")):
        operation = paths[path][method]
        assert operation["security"] == [{"token": []}]
        description.check(path, guarded.request(method, path))
    description.check("/metrics", guarded.get("/metrics"))
    assert "security" not in paths["/v2/health/live"]["get"]
    assert "security" not in paths["/readyz"]["get"]
    assert "securitySchemes" not in client.get("/docs.json").json().get("components", {})


@pytest.mark.parametrize("protected", [(), ("health",), ("metrics",), ("health", "metrics")])
def test_health_and_metrics_are_closed_each_by_its_name(protected):
    for path in HEALTH:
        assert needed_scope(path, protected) == ("any" if "health" in protected else None)
    assert needed_scope("/metrics", protected) == ("metrics" if "metrics" in protected else None)
    for path in (*CLOSED, "/v2/models/image/ready"):
        assert needed_scope(path, protected) == "predict"
    for path in ("/v1/feedback", "/v1/feedback/"):
        assert needed_scope(path, protected) == "feedback"
    for path in (*PAGES, "/v10", "/-"):
        assert needed_scope(path, protected) is None
