"""Clients with tokens of their own, as `espalier token` writes them and a service reads them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import tiny
from described import Description
from logged import logged_records

from pipelines.commands import tokens
from serving.http import clients
from serving.http.clients import Clients


def carrying(token: str) -> dict:
    return {"headers": {"Authorization": f"Bearer {token}"}}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The token file of the commands, which is not there yet."""
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ESPALIER_TOKENS", raising=False)
    (tmp_path / "home").mkdir()
    return tokens.file()


def expire(file, name: str) -> None:
    """Have a client's token end a second ago."""
    document = json.loads(file.read_text())
    for client in document["clients"]:
        if client["name"] == name:
            client["expires"] = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    file.write_text(json.dumps(document))


def within_seconds(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_each_client_is_answered_within_its_scopes(fresh_server, file, tmp_path):
    """A running service: open, then closed by the first token, which is then taken back."""
    home = tmp_path / "home"
    tiny.publish(home, "sentiment")
    server = fresh_server(home)
    server.wait(server.ready)
    client = server.client

    def asks(token: str, path: str = "/v1/models") -> httpx.Response:
        return client.get(path, **carrying(token))

    assert client.get("/v1/models").status_code == 200
    assert "securitySchemes" not in client.get("/docs.json").json()["components"]
    shop = tokens.add("shop", ["predict"], "1d").token
    scraper = tokens.add("prometheus", ["metrics"], None).token
    assert within_seconds(lambda: client.get("/v1/models").status_code == 401)
    assert asks(shop).status_code == 200
    assert asks(shop + "x").json()["error"]["code"] == "unauthorized"

    refused = asks(scraper)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "insufficient_scope"
    assert refused.headers["WWW-Authenticate"].endswith('scope="predict"')
    description = Description(client)
    description.check("/v1/models", refused)
    description.check("/v2/models/sentiment", asks(scraper, "/v2/models/sentiment"))

    sent = {"json": {"text": "good"}} | carrying(shop)
    assert client.post("/v1/sentiment", **sent).status_code == 200
    folder = home / "requests"
    assert within_seconds(lambda: len(logged_records(folder)) == 1)
    assert [record["client"] for record in logged_records(folder)] == ["shop"]

    labels = {"json": {"request_id": "a", "label": "good"}}
    refused = client.post("/v1/feedback", **labels, **carrying(shop))
    assert (refused.status_code, refused.headers["WWW-Authenticate"][-8:]) == (403, 'eedback"')
    description.check("/v1/feedback", refused)
    nurse = tokens.add("nurse", ["feedback"], None).token
    sends = {**labels, **carrying(nurse)}
    assert within_seconds(lambda: client.post("/v1/feedback", **sends).status_code == 200)
    assert [label["client"] for label in logged_records(home / "labels")] == ["nurse"]
    assert client.post("/v1/sentiment", json={"text": "a"}, **carrying(nurse)).status_code == 403

    expire(file, "shop")
    assert within_seconds(lambda: asks(shop).status_code == 401)
    assert asks(shop).json()["error"]["code"] == "token_expired"
    assert 'error="invalid_token"' in asks(shop).headers["WWW-Authenticate"]

    tokens.remove("prometheus")
    assert within_seconds(lambda: asks(scraper).json()["error"]["code"] == "unauthorized")


@pytest.mark.slow
def test_metrics_have_a_scope_of_their_own(fresh_server, file, tmp_path):
    home = tmp_path / "other"
    tiny.publish(home, "sentiment")
    shop, scraper = (tokens.add(name, [name], None).token for name in ("predict", "metrics"))
    server = fresh_server(
        home, ESPALIER_TOKENS=str(file), ESPALIER_API_TOKEN="all", ESPALIER_PROTECT="metrics,health"
    )
    known = carrying(scraper)
    server.wait(lambda: server.client.get("/readyz", **known).status_code == 200)
    for token, path, status in (
        (shop, "/metrics", 403),
        (scraper, "/metrics", 200),
        (shop, "/readyz", 200),
        (shop, "/v1/models", 200),
        (scraper, "/v1/models", 403),
        ("all", "/v1/models", 200),
        ("all", "/metrics", 200),
        ("none", "/readyz", 401),
    ):
        assert server.client.get(path, **carrying(token)).status_code == status, (token, path)


class TestTheFile:
    def test_a_service_without_one_is_open(self, file):
        assert Clients(file).is_open()
        assert not Clients(file, "token").is_open()

    def test_one_that_is_removed_or_damaged_opens_nothing(self, file, monkeypatch):
        monkeypatch.setattr(clients, "POLL_SECONDS", 0)
        token = tokens.add("shop", ["predict"], None).token.encode()
        known = Clients(file)
        file.unlink()
        assert not known.is_open()
        assert known.find(token).name == "shop"
        file.write_text('{"clients": [')
        assert not known.is_open()
        assert known.find(token).name == "shop"
        file.write_text('{"clients": []}')
        assert not known.is_open()
        assert known.find(token) is None

    def test_one_that_comes_damaged_closes_what_was_open(self, file, monkeypatch):
        monkeypatch.setattr(clients, "POLL_SECONDS", 0)
        known = Clients(file)
        assert known.is_open()
        file.write_text('{"clients": [')
        assert not known.is_open()
        token = file.unlink() or tokens.add("shop", ["predict"], None).token
        assert not known.is_open()
        assert known.find(token.encode()).name == "shop"

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("", "the file"),
            ('{"clients": [{"name": "shop"}]}', "clients.0.sha256"),
            ('{"clients": [], "tokens": []}', "tokens"),
            ('{"clients": [{"name": "a", "sha256": "x", "scopes": []}]}', "clients.0.sha256"),
            (
                '{"clients": [{"name": "a", "sha256": "%s", "scopes": ["all"]}]}' % ("0" * 64),
                "clients.0.scopes.0",
            ),
        ],
    )
    def test_no_service_starts_with_a_damaged_one(self, file, text, place):
        file.write_text(text)
        with pytest.raises(ValueError, match=f"{file}.*: {place}: "):
            Clients(file)
        with pytest.raises(tokens.UsageError, match="issue the tokens anew"):
            tokens.listed()

    def test_one_that_is_there_and_cannot_be_read_opens_nothing(self, file):
        file.symlink_to(file.with_name("gone"))
        with pytest.raises(ValueError, match="cannot be read"):
            Clients(file)
        with pytest.raises(ValueError, match="cannot be read"):
            Clients(file.parent)
        file.unlink()
        file.symlink_to(file)
        with pytest.raises(ValueError, match="cannot be read"):
            Clients(file)
        with pytest.raises(tokens.UsageError, match="cannot be read"):
            tokens.listed()

    def test_a_service_says_who_is_answered(self, file):
        assert str(Clients(file)) == f"Open to all who reach it: there is no {file}."
        tokens.add("shop", ["predict"], None)
        assert str(Clients(file, "token")) == "Only clients are answered: default, shop."
        tokens.remove("shop")
        assert "lists none" in str(Clients(file))

    def test_a_token_is_nowhere_in_it(self, file):
        issued = tokens.add("shop", ["predict"], None)
        assert len(issued.token) >= 43  # 256 bits
        assert issued.token not in file.read_text()
        assert issued.token not in json.dumps([one.to_dict() for one in tokens.listed()])
