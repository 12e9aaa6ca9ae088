"""Two own datasets of one task, by the command alone, under one service that is never restarted."""

import httpx
import pytest
from project import (
    answer,
    command,
    declare_reviews,
    espalier,
    outcomes,
    parameters,
    serving,
    small,
    until,
    write_reviews,
)

pytestmark = pytest.mark.slow


def test_a_service_takes_in_a_second_dataset_and_another_order(tmp_path):
    project = small(tmp_path / "project")
    declare_reviews(project)
    write_reviews(project / "own" / "tickets.csv", calm="wonderful", angry="dreadful")
    with parameters(project) as params:
        tickets = params["datasets"]["reviews"] | {"path": "own/tickets.csv", "positive": "calm"}
        params["datasets"]["tickets"] = tickets
        params["serve"]["sentiment"] = ["reviews", "tickets"]
    assert outcomes(project, "--task", "sentiment")["sentiment"]["dataset"] == "reviews"
    log = tmp_path / "service.log"
    with serving(project, *command("serve"), log=log) as url:

        def ask(path: str = "") -> httpx.Response:
            return httpx.post(f"{url}/v1/sentiment{path}", json={"text": "a dreadful film"})

        def label(path: str = "") -> str:
            return ask(path).json().get("label", "")

        assert "espalier run --dataset tickets" in log.read_text()
        assert label() == label("/reviews") == "bad"
        assert ask("/tickets").status_code == 503
        missing = httpx.get(f"{url}/readyz").json()["missing"]
        assert "tickets" in [one["dataset"] for one in missing]
        done = espalier(project, "run", "--dataset", "tickets")
        assert done.returncode == 0, done.stderr
        assert "POST /v1/sentiment/tickets → " in done.stdout  # the Bento was asked as well
        assert "Served" not in done.stdout
        until(lambda: label("/tickets") == "angry", "the second dataset's champion", 5)
        scored, unscored = ask("/tickets").json(), ask().json()
        assert scored["score"] == scored["probabilities"]["calm"] < 0.5
        assert "score" not in unscored  # its entry calls no label positive
        traced = espalier(project, "trace", ask("/tickets").json()["request_id"], "--json")
        assert answer(traced)["versions"][0]["model"] == "espalier-sentiment-tickets"
        built = answer(espalier(project, "build", "--task", "sentiment", "--json"))
        assert built["champions"] == {
            "sentiment": "espalier-sentiment-reviews/1",
            "sentiment-tickets": "espalier-sentiment-tickets/1",
        }
        with parameters(project) as params:
            params["serve"]["sentiment"] = ["tickets", "reviews"]
        assert outcomes(project, "--task", "sentiment")["sentiment"]["trained"] == 0
        until(lambda: label() == "angry", "the other order", 5)
        until(lambda: label("/reviews") == "bad", "the first one under its own name", 5)
