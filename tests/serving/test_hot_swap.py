"""A new champion is taken while requests go on; a bad one never is."""

import json
import threading

import httpx
import numpy as np
import onnx
import pytest
import tiny


@pytest.fixture(scope="module")
def swapped(fresh_server, tmp_path_factory):
    """A ready server whose published models the tests replace."""
    home = tmp_path_factory.mktemp("home")
    for task in tiny.REQUESTS:
        tiny.publish(home, task)
    server = fresh_server(home)
    server.wait(server.ready)
    return server


def test_no_request_fails_while_models_change(swapped):
    done, statuses, versions = threading.Event(), [], []

    def ask():
        with httpx.Client(base_url=swapped.client.base_url) as client:
            while not done.is_set():
                response = client.post("/v1/sentiment", json={"text": "good"})
                statuses.append(response.status_code)
                versions.append(response.json()["model"]["version"])

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    swapped.wait(lambda: "1" in versions)
    for number in range(2, 8):
        version = str(number)
        tiny.publish(swapped.home, "sentiment", version, seed=number)
        # Askers that are slow to start must meet the first versions too.
        swapped.wait(lambda version=version: version in versions)
    done.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {200}
    assert set(versions) == set("1234567")


def test_the_answers_are_the_new_models(swapped):
    before = swapped.client.post("/v1/forecast", json={"history": tiny.history()}).json()
    tiny.publish(swapped.home, "forecast", "2", seed=2)
    swapped.wait(lambda: swapped.serves("forecast", "2"))
    after = swapped.client.post("/v1/forecast", json={"history": tiny.history()}).json()
    assert after["model"]["version"] == "2"
    assert after["model"]["fingerprint"] != before["model"]["fingerprint"]
    assert after["forecast"] != before["forecast"]


def test_rollback_is_a_pointer_to_the_old_artifact(swapped):
    digest = tiny.publish(swapped.home, "image", "2", seed=2).name
    swapped.wait(lambda: swapped.serves("image", "2"))
    tiny.publish(swapped.home, "image", "3", seed=3)
    swapped.wait(lambda: swapped.serves("image", "3"))
    tiny.point(swapped.home, "image", "2", digest)
    swapped.wait(lambda: swapped.serves("image", "2"))


def flip_a_byte(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def lose_a_file(folder):
    (folder / "inputs.json").unlink()


def lose_the_folder(folder):
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "seed"), [(flip_a_byte, 101), (lose_a_file, 102), (lose_the_folder, 103)]
)
def test_what_is_not_what_was_published_is_refused(swapped, spoil, seed):
    check_refusal(swapped, lambda: tiny.publish(swapped.home, "image", "x", seed, spoil), "files")


def test_a_model_that_answers_otherwise_is_refused(swapped, tmp_path):
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 5).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(swapped, lambda: publish_graph(swapped, tmp_path, 6, golden=golden), "golden")


def test_a_model_of_nan_is_refused(swapped, tmp_path):
    graph = tiny.graph_of("image", output=np.nan).SerializeToString()
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 5).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(swapped, lambda: publish_graph(swapped, tmp_path, 7, golden, graph), "golden")


def test_a_model_with_tensors_elsewhere_is_refused(swapped, tmp_path):
    model = tiny.graph_of("image", 8)
    path = tmp_path / "outside.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    graph = path.read_bytes()
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 8).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(swapped, lambda: publish_graph(swapped, tmp_path, 8, golden, graph), "graph")


def publish_graph(server, tmp_path, seed: int, golden=None, graph=None) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    digest = tiny.write(folder, "image", seed, golden, graph)
    folder.rename(server.home / "published" / "artifacts" / digest)
    tiny.point(server.home, "image", f"bad-{seed}", digest)


def check_refusal(server, publish, reason: str) -> None:
    """The newcomer is refused and seen to be; the old one serves on; a good one clears it."""
    listed = server.client.get("/v1/models").json()["models"]
    publish()
    server.wait(lambda: server.refuses("image") is not None)
    assert reason in server.refuses("image")
    assert server.client.get("/v1/models").json()["models"] == listed
    assert server.ready()
    body, headers = tiny.picture(), {"Content-Type": "image/png"}
    assert server.client.post("/v1/image", content=body, headers=headers).status_code == 200
    assert "Refused image" in server.log.read_text()
    tiny.publish(server.home, "image", f"after-{reason}", seed=0)
    server.wait(lambda: server.refuses("image") is None)


def test_a_cold_start_with_nothing_good(fresh_server, tmp_path):
    """The slot stays empty, readiness says so, and a good pointer mends it."""
    tiny.publish(tmp_path, "image", spoil=flip_a_byte)
    tiny.publish(tmp_path, "sentiment")
    server = fresh_server(tmp_path)
    server.wait(server.alive)
    ready = server.client.get("/readyz")
    assert ready.status_code == 503
    error = ready.json()["error"]
    assert error["code"] == "not_ready"
    assert "image: the published one was refused" in error["message"]
    assert "forecast: none has been published" in error["message"]
    waiting = {"task": "forecast", "reason": "none has been published"}
    assert waiting in server.client.get("/v1/models").json()["missing"]
    assert str(tmp_path) not in ready.text
    response = server.client.post("/v1/forecast", json={"history": tiny.history()})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_model")
    assert server.client.post("/v1/sentiment", json={"text": "good"}).status_code == 200
    tiny.publish(tmp_path, "image", "2", seed=2)
    tiny.publish(tmp_path, "forecast")
    server.wait(server.ready)
    assert json.loads(server.client.get("/readyz").text)["models"]["image"]["version"] == "2"
