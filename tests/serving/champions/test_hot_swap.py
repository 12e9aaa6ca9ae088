"""A new champion is taken while requests go on; a bad one never is."""

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import onnx
import pytest
import tiny
from described import Description
from onnx import helper, numpy_helper

from serving.champions.slots import RETRY_SECONDS


def test_no_request_fails_while_models_change(own_server):
    done, statuses, versions = threading.Event(), [], []

    def ask():
        with httpx.Client(base_url=own_server.client.base_url) as client:
            while not done.is_set():
                response = client.post("/v1/sentiment", json={"text": "good"})
                statuses.append(response.status_code)
                versions.append(response.json()["model"]["version"])

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    own_server.wait(lambda: "1" in versions)
    for number in range(2, 8):
        version = str(number)
        tiny.publish(own_server.home, "sentiment", version, seed=number)
        # Askers that are slow to start must meet the first versions too.
        own_server.wait(lambda version=version: version in versions)
    done.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {200}
    assert set(versions) == set("1234567")


def test_the_answers_are_the_new_models(own_server):
    before = own_server.client.post("/v1/forecast", json={"history": tiny.history()}).json()
    tiny.publish(own_server.home, "forecast", "2", seed=2)
    own_server.wait(lambda: own_server.serves("forecast", "2"))
    after = own_server.client.post("/v1/forecast", json={"history": tiny.history()}).json()
    assert after["model"]["version"] == "2"
    assert after["model"]["fingerprint"] != before["model"]["fingerprint"]
    assert after["forecast"] != before["forecast"]


def test_rollback_is_a_pointer_to_the_old_artifact(own_server):
    digest = tiny.publish(own_server.home, "image", "2", seed=2).name
    own_server.wait(lambda: own_server.serves("image", "2"))
    tiny.publish(own_server.home, "image", "3", seed=3)
    own_server.wait(lambda: own_server.serves("image", "3"))
    tiny.point(own_server.home, "image", "2", digest)
    own_server.wait(lambda: own_server.serves("image", "2"))


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
def test_what_is_not_what_was_published_is_refused(own_server, spoil, seed):
    check_refusal(
        own_server, lambda: tiny.publish(own_server.home, "image", "x", seed, spoil), "files"
    )


def test_a_model_that_answers_otherwise_is_refused(own_server, tmp_path):
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 5).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(
        own_server, lambda: publish_graph(own_server, tmp_path, 6, golden=golden), "golden"
    )


def test_a_model_of_nan_is_refused(own_server, tmp_path):
    graph = tiny.graph_of("image", output=np.nan).SerializeToString()
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 5).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(
        own_server, lambda: publish_graph(own_server, tmp_path, 7, golden, graph), "golden"
    )


def test_a_model_with_tensors_elsewhere_is_refused(own_server, tmp_path):
    model = tiny.graph_of("image", 8)
    path = tmp_path / "outside.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    graph = path.read_bytes()
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 8).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(
        own_server, lambda: publish_graph(own_server, tmp_path, 8, golden, graph), "graph"
    )


def test_a_model_of_another_shape_is_refused(own_server, tmp_path):
    graph = tiny.graph_of("forecast", 9).SerializeToString()
    golden = tiny.golden_of(
        tiny.image_inputs(), tiny.graph_of("image", 9).SerializeToString(), tiny.REQUESTS["image"]
    )
    check_refusal(
        own_server, lambda: publish_graph(own_server, tmp_path, 9, golden, graph), "golden"
    )


def test_a_model_that_is_too_slow_is_refused(own_server, tmp_path):
    graph = slowed(tiny.graph_of("image", 10)).SerializeToString()
    golden = tiny.golden_of(tiny.image_inputs(), graph, tiny.REQUESTS["image"], "image")
    check_refusal(
        own_server, lambda: publish_graph(own_server, tmp_path, 10, golden, graph), "slow"
    )


def slowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same answers after 17 thousand million multiplications whose outcome does not count."""
    graph = model.graph
    graph.node[-1].output[0] = "answer"
    graph.node.extend(
        [
            helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
            helper.make_node("Expand", ["mean", "shape"], ["wide"]),
            helper.make_node("MatMul", ["wide", "wide"], ["product"]),
            helper.make_node("ReduceMean", ["product"], ["much"], keepdims=0),
            helper.make_node("Mul", ["much", "zero"], ["nothing"]),
            helper.make_node("Add", ["answer", "nothing"], ["output"]),
        ]
    )
    shape, zero = np.array([2048, 2048]), np.array(0, np.float32)
    graph.initializer.append(numpy_helper.from_array(shape, "shape"))
    graph.initializer.append(numpy_helper.from_array(zero, "zero"))
    return model


def publish_graph(server, tmp_path, seed: int, golden=None, graph=None) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    digest = tiny.write(folder, "image", seed, golden, graph)
    folder.rename(server.home / "published" / "artifacts" / digest)
    tiny.point(server.home, "image", f"bad-{seed}", digest)


def check_refusal(server, publish, reason: str) -> None:
    """The newcomer is refused and seen to be; the old one serves on; a good one clears it."""
    listed = server.client.get("/v1/models").json()["models"]
    before = refusals(server)
    publish()
    server.wait(lambda: server.refuses("image") is not None)
    assert reason in server.refuses("image")
    assert server.client.get("/v1/models").json()["models"] == listed
    assert server.ready()
    body, headers = tiny.picture(), {"Content-Type": "image/png"}
    assert server.client.post("/v1/image", content=body, headers=headers).status_code == 200
    assert "Refused image" in server.log.read_text()
    assert refusals(server) == before + 1
    tiny.publish(server.home, "image", f"after-{reason}", seed=0)
    server.wait(lambda: server.refuses("image") is None)


def refusals(server) -> float:
    """How many models of the image task the metrics say were refused."""
    page = server.client.get("/metrics").text
    return float(re.findall(r'^espalier_model_refusals_total\{task="image"\} (.+)$', page, re.M)[0])


def test_what_the_system_failed_to_load_is_tried_again(own_server):
    """An artifact that cannot be reached for a while: the links to it lead in a circle."""

    def hide(folder):
        folder.rename(folder.with_name("aside"))
        folder.symlink_to(folder)

    before = refusals(own_server)
    folder = tiny.publish(own_server.home, "image", "later", 104, hide)
    own_server.wait(lambda: own_server.refuses("image") is not None)
    time.sleep(2 * RETRY_SECONDS)  # it is tried meanwhile
    assert own_server.ready()
    assert not own_server.serves("image", "later")
    assert refusals(own_server) == before + 1
    folder.unlink()
    folder.with_name("aside").rename(folder)
    own_server.wait(lambda: own_server.serves("image", "later"))
    assert own_server.refuses("image") is None


def test_swaps_are_counted(own_server):
    page = own_server.client.get("/metrics").text
    [count] = re.findall(r'^espalier_model_swaps_total\{task="image"\} (.+)$', page, re.MULTILINE)
    assert float(count) >= 1


def test_since_when_and_with_which_scores_a_model_serves_is_listed(own_server):
    pointer = own_server.home / "published" / "sentiment.json"
    said = json.loads(pointer.read_text()) | {"version": "scored", "metrics": {"test_accuracy": 1}}
    pointer.with_suffix(".new").write_text(json.dumps(said))
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    pointer.with_suffix(".new").replace(pointer)
    own_server.wait(lambda: own_server.serves("sentiment", "scored"))
    models = {one["task"]: one for one in own_server.client.get("/v1/models").json()["models"]}
    assert models["sentiment"]["metrics"] == {"test_accuracy": 1}
    assert before <= datetime.fromisoformat(models["sentiment"]["served_since"])
    assert datetime.fromisoformat(models["sentiment"]["served_since"]) <= datetime.now(UTC)
    assert models["image"]["metrics"] == {}


def test_a_cold_start_with_the_last_good_one(fresh_server, tmp_path):
    tiny.publish(tmp_path, "image", "good", seed=1)
    first = fresh_server(tmp_path, ESPALIER_TASKS="image")
    first.wait(first.ready)
    first.stop()
    (tmp_path / "published" / "image.json").write_text('{"name": "espalier-image-ti')
    server = fresh_server(tmp_path, ESPALIER_TASKS="image")
    server.wait(server.ready)
    assert server.serves("image", "good")
    assert server.refuses("image") == "its pointer cannot be read"
    answer = server.client.post(
        "/v1/image", content=tiny.picture(), headers={"Content-Type": "image/png"}
    )
    assert answer.json()["model"]["version"] == "good"
    tiny.publish(tmp_path, "image", "mended", seed=3)
    server.wait(lambda: server.serves("image", "mended") and server.refuses("image") is None)


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
