"""Requests are answered for the hosts that the service knows alone: loopback and ESPALIER_HOSTS."""

import asyncio
import socket

import orjson
import pytest

from serving.http.canonical_path import PATH
from serving.http.host_check import HostCheck
from serving.http.request_id import REQUEST_ID
from serving.settings import hosts


async def no_content(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


def answer(*values: bytes, path: str = "/v1/models", known: tuple[str, ...] = ()) -> tuple:
    """The status and the JSON that a request with these Host headers gets."""
    messages = []

    async def send(message) -> None:
        messages.append(message)

    headers = [(b"host", value) for value in values]
    scope = {"type": "http", "headers": headers, PATH: path, REQUEST_ID: "id"}
    asyncio.run(HostCheck(no_content, known)(scope, None, send))
    return messages[0]["status"], orjson.loads(messages[1]["body"]) if messages[1:] else None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]", "a.example.org"])
@pytest.mark.parametrize("port", ["", ":80", ":3000"])
def test_a_host_that_is_known_is_answered_for(host, port):
    assert answer(f"{host}{port}".encode(), known=("A.example.org",)) == (204, None)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.2", "[::2]"])
def test_a_host_that_is_not_known_is_named_with_the_remedy(host):
    status, content = answer(f"{host}:3000".encode())
    assert (status, content["error"]["code"], content["request_id"]) == (400, "unknown_host", "id")
    assert host in content["error"]["message"]
    assert "ESPALIER_HOSTS" in content["error"]["message"]
    assert list(answer(host.encode(), path="/v2/models/image")[1]) == ["error"]


@pytest.mark.parametrize(
    "values",
    [
        (),
        (b"127.0.0.1", b"127.0.0.1"),
        (b"",),
        (b"127.0.0.1:",),
        (b"127.0.0.1:port",),
        (b"user@127.0.0.1",),
        (b"127.0.0.1, localhost",),
        (b"http://127.0.0.1",),
        (b"::1",),
        (b"[::1",),
        (b"localhost\xff",),
    ],
)
def test_a_host_that_is_missing_doubled_or_malformed_is_refused(values):
    status, content = answer(*values)
    assert (status, content["error"]["code"]) == (400, "invalid_host")


def test_a_page_that_rebinds_its_name_gets_no_answer(server, client):
    for path in ("/", "/v1/models", "/livez", "/metrics", "/nothing"):
        response = client.get(path, headers={"Host": f"evil.example:{server.port}"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_host")
        assert response.json()["request_id"] == response.headers["X-Request-Id"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_the_variable_names_hosts(monkeypatch):
    monkeypatch.setenv("ESPALIER_HOSTS", " espalier.example.org, 10.0.0.7:80 ,[fd00::7],")
    assert hosts() == ("espalier.example.org", "10.0.0.7", "[fd00::7]")
