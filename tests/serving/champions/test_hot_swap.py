"""A new champion is taken while requests go on; a bad one never is."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta

import httpx
import tiny
from described import Description


def test_no_request_fails_while_models_change(own_server):
    done, statuses, versions = threading.Event(), [], []

    def ask():
        with httpx.Client(base_url=own_server.client.base_url) as client:
            while not done.is_set():
                response = client.post("/v1/sentiment", json={"text": "good"})
                statuses.append(response.status_code)
                versions.append(response.json()["model"]["version"])

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    own_server.wait(lambda: "1" in versions)
    for version in "234567":
        tiny.publish(own_server.home, "sentiment", version, seed=int(version))
        # Clients that are slow to start must meet the first versions too.
        own_server.wait(lambda version=version: version in versions)
    done.set()
    for client in clients:
        client.join()
    assert set(statuses) == {200}
    assert set(versions) == set("1234567")


def test_a_new_model_answers_and_a_rollback_is_a_pointer_to_the_old_artifact(own_server):
    def answer() -> dict:
        return own_server.client.post("/v1/forecast", json={"history": tiny.history()}).json()

    before = answer()
    digest = json.loads((own_server.home / "published" / "forecast.json").read_text())
    tiny.publish(own_server.home, "forecast", "2", seed=2)
    own_server.wait(lambda: own_server.serves("forecast", "2"))
    after = answer()
    assert after["model"]["version"] == "2"
    assert after["model"]["fingerprint"] != before["model"]["fingerprint"]
    assert after["forecast"] != before["forecast"]
    tiny.point(own_server.home, "forecast", "1", digest["manifest_sha256"])
    own_server.wait(lambda: own_server.serves("forecast", "1"))
    assert answer()["forecast"] == before["forecast"]


def flip_a_byte(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def count(server, name: str) -> float:
    """A counter of the image task on the metrics page."""
    page = server.client.get("/metrics").text
    [value] = re.findall(rf'^{name}_total\{{task="image"\}} (.+)$', page, re.MULTILINE)
    return float(value)


def test_a_damaged_model_is_refused_and_seen_to_be(own_server):
    """The old one serves on; a good one clears the refusal. Other damage: test_loading."""
    listed = own_server.client.get("/v1/models").json()["models"]
    before = count(own_server, "espalier_model_refusals")
    swaps = count(own_server, "espalier_model_swaps")
    tiny.publish(own_server.home, "image", "x", 101, flip_a_byte)
    own_server.wait(lambda: own_server.refuses("image") is not None)
    assert own_server.refuses("image") == "its files are not those that were published"
    assert own_server.client.get("/v1/models").json()["models"] == listed
    assert own_server.ready()
    body, headers = tiny.picture(), {"Content-Type": "image/png"}
    assert own_server.client.post("/v1/image", content=body, headers=headers).status_code == 200
    assert "Refused image" in own_server.log.read_text()
    assert count(own_server, "espalier_model_refusals") == before + 1
    tiny.publish(own_server.home, "image", "after", seed=0)
    own_server.wait(lambda: own_server.refuses("image") is None)
    assert count(own_server, "espalier_model_swaps") == swaps + 1


def test_since_when_and_with_which_scores_a_model_serves_is_listed(own_server):
    pointer = own_server.home / "published" / "sentiment.json"
    scored = {"version": "scored", "metrics": {"test_accuracy": 1}}
    pointer.with_suffix(".new").write_text(json.dumps(json.loads(pointer.read_text()) | scored))
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    pointer.with_suffix(".new").replace(pointer)
    own_server.wait(lambda: own_server.serves("sentiment", "scored"))
    models = {one["task"]: one for one in own_server.client.get("/v1/models").json()["models"]}
    assert models["sentiment"]["metrics"] == {"test_accuracy": 1}
    assert before <= datetime.fromisoformat(models["sentiment"]["served_since"])
    assert datetime.fromisoformat(models["sentiment"]["served_since"]) <= datetime.now(UTC)
    assert models["image"]["metrics"] == {}


def test_a_cold_start_with_nothing_good(fresh_server, tmp_path):
    """The slot stays empty, readiness says so, and a good pointer mends it."""
    tiny.publish(tmp_path, "image", spoil=flip_a_byte)
    tiny.publish(tmp_path, "sentiment")
    server = fresh_server(tmp_path)
    server.wait(server.alive)
    ready = server.client.get("/readyz")
    error = ready.json()["error"]
    assert (ready.status_code, error["code"]) == (503, "not_ready")
    assert "image: the published one was refused" in error["message"]
    assert "forecast: none has been published" in error["message"]
    waiting = {"task": "forecast", "reason": "none has been published"}
    assert waiting in server.client.get("/v1/models").json()["missing"]
    assert str(tmp_path) not in ready.text
    response = server.client.post("/v1/forecast", json={"history": tiny.history()})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_model")
    inference = server.client.get("/v2/models/forecast/ready")
    assert inference.json() == {"error": response.json()["error"]["message"]}
    description = Description(server.client)
    description.check("/readyz", ready)
    description.check("/v1/forecast", response)
    description.check("/v2/models/forecast/ready", inference)
    description.check("/v2/health/ready", server.client.get("/v2/health/ready"))
    assert inference.headers["Retry-After"] == response.headers["Retry-After"] == "1"
    assert server.client.post("/v1/sentiment", json={"text": "good"}).status_code == 200
    tiny.publish(tmp_path, "image", "2", seed=2)
    tiny.publish(tmp_path, "forecast")
    server.wait(server.ready)
    assert json.loads(server.client.get("/readyz").text)["models"]["image"]["version"] == "2"


def test_first_champions_are_taken_in_by_every_worker(fresh_server, tmp_path):
    """A service that began with none: every task is mounted, and two of three are enough."""
    server = fresh_server(tmp_path, BENTOML_CONFIG_OPTIONS="services.Espalier.workers=2")
    server.wait(server.alive)
    description = Description(server.client)
    picture = {"content": tiny.picture(), "headers": {"Content-Type": "image/png"}}
    sent = {"image": picture, "sentiment": {"json": {"text": "good"}}}
    sent["forecast"] = {"json": {"history": tiny.history()}}
    for task, body in sent.items():
        answer = server.client.post(f"/v1/{task}", **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_model")
        description.check(f"/v1/{task}", answer)
        inference = server.client.get(f"/v2/models/espalier-{task}-tiny/ready")
        assert inference.status_code == 503
        description.check(f"/v2/models/{task}/ready", inference)
    ready = server.client.get("/readyz")
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "not_ready")
    for task in ("image", "sentiment"):
        tiny.publish(tmp_path, task)

    def taken_in() -> bool:
        said = server.log.read_text()
        return all(
            f"Espalier:{worker}] Serving {task}:" in said
            for worker in (1, 2)
            for task in ("image", "sentiment")
        )

    server.wait(taken_in, 5)
    for task in ("image", "sentiment"):
        assert server.client.post(f"/v1/{task}", **sent[task]).status_code == 200
    ready, listed = server.client.get("/readyz"), server.client.get("/v1/models")
    waiting = [{"task": "forecast", "reason": "none has been published"}]
    assert ready.status_code == 200
    assert (list(ready.json()["models"]), ready.json()["missing"]) == (
        ["image", "sentiment"],
        waiting,
    )
    assert listed.json()["missing"] == waiting
    description.check("/readyz", ready)
    description.check("/v1/models", listed)
    assert server.client.get("/v2/health/ready").status_code == 200
    assert server.client.post("/v1/forecast", **sent["forecast"]).status_code == 503
