"""What a browser is told: whose pages may read an answer, and that an answer is what it says."""

import asyncio

import pytest
import tiny
from starlette.requests import Request

from serving.http.errors import on_failure
from serving.http.request_id import REQUEST_ID
from serving.settings import origins

OURS, OTHER = "https://app.example.org", "https://evil.example"
LEAVE = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-encoding, content-type",
}


@pytest.fixture(scope="module")
def client(fresh_server, tmp_path_factory):
    """A service that one origin may read, and which asks for a token."""
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "sentiment")
    server = fresh_server(home, ESPALIER_ORIGINS=OURS, ESPALIER_API_TOKEN="secret")
    server.wait(server.ready)
    return server.client


def test_the_origin_that_is_named_may_read_answers(client):
    leave = client.options("/v1/sentiment", headers=LEAVE | {"Origin": OURS})
    assert leave.status_code == 200  # without a token: a browser sends none
    assert leave.headers["Access-Control-Allow-Origin"] == OURS
    assert "authorization" in leave.headers["Access-Control-Allow-Headers"].lower()
    headers = {"Origin": OURS, "Authorization": "Bearer secret"}
    answer = client.post("/v1/sentiment", json={"text": "good"}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    # A page that lacks the token reads why.
    refused = client.post("/v1/sentiment", json={"text": "good"}, headers={"Origin": OURS})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, OURS)


def test_no_other_origin_may(client):
    leave = client.options("/v1/sentiment", headers=LEAVE | {"Origin": OTHER})
    assert leave.status_code == 400
    assert "Access-Control-Allow-Origin" not in leave.headers
    headers = {"Origin": OTHER, "Authorization": "Bearer secret"}
    answer = client.post("/v1/sentiment", json={"text": "good"}, headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_a_setting_none_may(server):
    for origin in (OURS, "null", f"http://127.0.0.1:{server.port}"):
        for method in ("OPTIONS", "POST", "GET"):
            answer = server.client.request(method, "/v1/models", headers={"Origin": origin})
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "null",
        "app.example.org",
        "https://app.example.org/",
        "https://App.example.org",
        "https://app.example.org:443",
    ],
)
def test_an_origin_that_is_none(monkeypatch, value):
    monkeypatch.setenv("ESPALIER_ORIGINS", value)
    with pytest.raises(ValueError, match=r"such as https://app\.example\.org"):
        origins()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs.json", 200),
        ("GET", "/livez", 200),
        ("GET", "/metrics", 200),
        ("GET", "/v1/models", 401),
        ("GET", "/nothing", 404),
        ("DELETE", "/readyz", 405),
    ],
)
def test_every_answer_is_what_its_type_says(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert len(answer.headers.get_list("X-Request-ID")) == 1


def test_a_failure_of_our_own_too():
    scope = {"type": "http", "path": "/", "headers": [], REQUEST_ID: "id", "espalier.path": "/"}
    answer = asyncio.run(on_failure(Request(scope), RuntimeError()))
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"] == "id"
