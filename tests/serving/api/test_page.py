"""The page's files: all there, loading nothing from elsewhere, and answered as a browser wants."""

import re
from pathlib import Path

import httpx
import pytest

import serving
from serving.api import metadata
from serving.api.page import TYPES

FILES = {file.name: file for file in (Path(serving.__file__).parent / "static").iterdir()}
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, which nothing loads


PAGES = {"index.html": "/", "docs.html": "/docs"}


def address(name: str) -> str:
    return PAGES.get(name, f"/static/{name}")


@pytest.fixture(params=sorted(FILES))
def name(request) -> str:
    return request.param


def test_each_file_is_served_as_it_is(client, name):
    response = client.get(address(name))
    assert response.status_code == 200
    assert response.content == FILES[name].read_bytes()
    assert response.headers["content-type"].startswith(TYPES[FILES[name].suffix])
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert response.headers["cache-control"] == "no-cache"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy or name == "docs.html"  # Swagger UI styles its elements
    assert "*" not in policy


def test_a_file_that_the_browser_has_is_not_sent_again(client, name):
    etag = client.get(address(name)).headers["etag"]
    for copies in (etag, f"W/{etag}", f'"another", {etag}'):
        response = client.get(address(name), headers={"If-None-Match": copies})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    other = client.get(address(name), headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


def test_what_a_file_names_is_there(name):
    text = FILES[name].read_text()
    named = re.findall(r'(?:from|import) "\./([^"]+)"', text)
    named += re.findall(r'(?:src|href)="static/([^"]+)"', text)
    assert name != "index.html" or {"page.js", "style.css"} <= set(named)
    assert set(named) <= set(FILES)


def test_every_file_is_used():
    text = "".join(file.read_text() for file in FILES.values())
    assert all(f"/{name}" in text for name in FILES if name not in PAGES)


def test_no_file_names_another_place(name):
    text = FILES[name].read_text().replace(NAMESPACE, "")
    # Nor is anything inline, which the policy would refuse.
    assert not re.search(r"<style|<script>|\sstyle=|\son[a-z]+=\"", text)
    assert not re.search(
        r"""\b(?:https?|wss?|ftp):|url\(|@import|["'(]//|\beval\b|innerHTML""", text
    )


@pytest.mark.parametrize(
    "path", ["/static", "/static/", "/static/page.py", "/static/%2e%2e/page.py"]
)
def test_nothing_else_is_served_beside_them(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("server", "page"),
    [
        ("http://runs:5000", "http://runs:5000/#/runs/0a1b"),
        ("https://runs.example/mlflow/", "https://runs.example/mlflow/#/runs/0a1b"),
        ("http://somebody:secret@runs:5000", "http://runs:5000/#/runs/0a1b"),
        ("sqlite:////home/somebody/mlflow.db", None),
        ("databricks", None),
        ("", None),
    ],
)
def test_a_run_is_shown_where_a_server_is(monkeypatch, server, page):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert metadata.run_page({"run_id": "0a1b"}) == page
    assert metadata.run_page({}) is None


def test_models_tell_how_they_are_asked(client: httpx.Client):
    inputs = {model["task"]: model["input"] for model in client.get("/v1/models").json()["models"]}
    digits = list("0123456789")
    assert inputs == {
        "image": {"width": 8, "height": 8, "channels": 1, "labels": digits},
        "sentiment": {"length": 16, "labels": ["negative", "positive"]},
        "forecast": {"history": 24, "reads": 24, "horizon": 6, "mean": 6.0, "scale": 2.0},
    }
