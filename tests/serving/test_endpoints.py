"""Each route answers what design.md says, for every form in which it can be asked."""

import re

import numpy as np
import pytest
import tiny
from asking import elements, in_binary
from described import check

NAMES = {"name", "version", "fingerprint"}
FAMILIAR = {"familiar", "familiarity"}
BINARY = "application/octet-stream"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("size", "mode"), [(8, "L"), (8, "RGB"), (40, "RGB"), (700, "L")])
def test_a_picture_of_any_kind_is_classified(client, format, size, mode):
    body = tiny.picture(format, size, mode)
    response = client.post(
        "/v1/image", content=body, headers={"Content-Type": f"image/{format.lower()}"}
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    assert set(answer) == {"label", "probabilities", "model", "request_id"} | FAMILIAR
    assert list(answer["probabilities"]) == list(tiny.DIGITS)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert set(answer["model"]) == NAMES


def test_a_form_with_one_file_is_the_same_picture(client):
    raw = client.post("/v1/image", content=tiny.picture(), headers={"Content-Type": "image/png"})
    for name in ("file", "image"):
        form = client.post("/v1/image", files={name: ("d.png", tiny.picture(), "image/png")})
        assert form.status_code == 200, form.text
        assert form.json()["probabilities"] == raw.json()["probabilities"]


def test_a_text_is_judged(client):
    answer = client.post("/v1/sentiment", json={"text": "A good, GREAT film.<br />"}).json()
    assert set(answer) == {"label", "score", "probabilities", "model", "request_id"} | FAMILIAR
    assert answer["score"] == answer["probabilities"]["positive"]
    assert answer["label"] in ("negative", "positive")


def test_many_texts_are_judged_in_their_order(client):
    texts = ["good good", "bad", "fine " * 30, "great"] * 64
    answer = client.post("/v1/sentiment", json={"texts": texts}).json()
    assert set(answer) == {"results", "model", "request_id"}
    for text, result in zip(texts[:4], answer["results"][:4], strict=True):
        alone = client.post("/v1/sentiment", json={"text": text}).json()
        assert result["score"] == pytest.approx(alone["score"], abs=1e-6)
        assert result["familiarity"] == alone["familiarity"]
    assert len(answer["results"]) == 256


def test_a_series_goes_on(client):
    answer = client.post("/v1/forecast", json={"history": tiny.history()}).json()
    assert set(answer) == {"forecast", "lower", "upper", "level", "model", "request_id"} | FAMILIAR
    assert len(answer["forecast"]) == tiny.HORIZON
    assert answer["level"] == 0.95
    assert np.all(np.less(answer["lower"], answer["forecast"]))
    assert np.all(np.less(answer["forecast"], answer["upper"]))


def test_horizon_and_level_are_taken(client):
    whole = client.post("/v1/forecast", json={"history": tiny.history()}).json()
    asked = {"history": tiny.history(), "horizon": 2, "level": 0.5}
    answer = client.post("/v1/forecast", json=asked).json()
    assert answer["forecast"] == whole["forecast"][:2]
    assert answer["level"] == 0.5
    assert answer["upper"][0] < whole["upper"][0]


def test_only_the_last_values_of_a_history_count(client):
    longer = {"history": [1.0] * 50 + tiny.history()}
    answer = client.post("/v1/forecast", json=longer).json()
    expected = client.post("/v1/forecast", json={"history": tiny.history()}).json()
    assert answer["forecast"] == expected["forecast"]


def test_what_looks_like_the_training_data_is_familiar(client):
    def ask(path, **body) -> tuple[bool, float]:
        answer = client.post(path, **body).json()
        return answer["familiar"], answer["familiarity"]

    png = {"headers": {"Content-Type": "image/png"}}
    for usual, odd in [
        (
            ask("/v1/image", content=tiny.picture(), **png),
            ask("/v1/image", content=tiny.white(), **png),
        ),
        (
            ask("/v1/sentiment", json={"text": "good, great, fine " * 9}),
            ask("/v1/sentiment", json={"text": "Ein langer und langweiliger Film. " * 9}),
        ),
        (
            ask("/v1/forecast", json={"history": tiny.history()}),
            ask("/v1/forecast", json={"history": [-1e4, 1e4] * 12}),
        ),
    ]:
        assert usual[0] is True
        assert 0.01 <= usual[1] <= 1
        assert odd == (False, 1 / 201)


def test_each_of_several_texts_is_familiar_or_not(client):
    answer = client.post("/v1/sentiment", json={"texts": ["good " * 16, "xyz " * 16]}).json()
    assert [result["familiar"] for result in answer["results"]] == [True, False]


def test_the_models_are_listed(client):
    answer = client.get("/v1/models").json()
    assert [model["task"] for model in answer["models"]] == ["image", "sentiment", "forecast"]
    fields = {"task", "arch", "dataset", "dataset_hash", "metrics", "served_since", "input"} | NAMES
    assert all(set(model) == fields for model in answer["models"])
    assert answer["missing"] == answer["refused"] == []


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2:3", True), ("a b", False), ("x" * 200, False)]
)
def test_a_sane_request_id_is_kept(client, sent, kept):
    response = client.get("/v1/models", headers={"X-Request-Id": sent})
    assert (response.headers["X-Request-Id"] == sent) is kept
    assert response.json()["request_id"] == response.headers["X-Request-Id"]


def test_the_probes_and_the_metrics_stay_where_bentoml_has_them(client):
    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz").json()
    assert ready["ready"] is True
    assert set(ready["models"]) == {"image", "sentiment", "forecast"}
    metrics = client.get("/metrics").text
    assert 'bentoml_service_request_total{endpoint="/v1/models"' in metrics


def examples(operation: dict) -> list:
    """The bodies that an operation's description shows; of one that takes none, no body."""
    content = operation.get("requestBody", {}).get("content")
    if content is None:
        return [None]
    body = content.get("application/json", {})
    shown = [example["value"] for example in body.get("examples", {}).values()]
    return shown + ([body["example"]] if "example" in body else [])


def test_every_documented_example_works(client):
    paths = client.get("/docs.json").json()["paths"]
    assert {"/v1/image", "/v1/sentiment", "/v1/forecast", "/v1/models", "/readyz"} <= set(paths)
    called = 0
    for path, (method, operation) in ((path, *item.items()) for path, item in paths.items()):
        named = [one for one in operation["parameters"] if one["in"] == "path"]
        filled = path.format(**{one["name"]: one["example"] for one in named})
        for example in examples(operation):
            response = client.request(method, filled, json=example)
            assert response.status_code == 200, response.text
            check(paths, path, response)
            answered = operation["responses"]["200"]["content"].get("application/json")
            if answered:
                forms = answered["schema"].get("oneOf", [answered["schema"]])
                assert any(set(response.json()) <= set(form["properties"]) for form in forms)
            called += 1
    # The probes and metrics; of /v1 three bodies and the list of models; of /v2 three paths, and
    # six for each model.
    assert called == 4 + 4 + 3 + 3 * 6


def test_the_description_tells_of_nothing_that_is_not_sent(client):
    description = client.get("/docs.json")
    assert "BentoML" not in description.text
    assert "$ref" not in description.text
    assert description.json()["components"] == {}


def test_an_error_is_described(client):
    paths = client.get("/docs.json").json()["paths"]
    posts = [path for path, item in paths.items() if "post" in item]
    for path in posts:
        for sent in ({"content": b"?", "headers": {"Content-Type": "text/plain"}}, {"json": 5}):
            response = client.post(path.format(version="1"), **sent)
            assert 400 <= response.status_code < 500
            check(paths, path, response)
        for status, said in paths[path]["post"]["responses"].items():
            assert ("Retry-After" in said["headers"]) is (status in ("429", "503"))
    response = client.get("/v2/models/image/versions/7")
    assert response.status_code == 404
    check(paths, "/v2/models/image/versions/{version}", response)
    assert "404" not in paths["/v2/models/image"]["get"]["responses"]


def test_what_may_be_null_is_described(client):
    paths = client.get("/docs.json").json()["paths"]

    def properties(path: str) -> dict:
        content = paths[path]["post"]["requestBody"]["content"]
        return content["application/json"]["schema"]["properties"]

    options = ("horizon", "level")
    told = properties("/v1/forecast")
    assert [name for name in told if told[name].get("nullable")] == list(options)
    nulls = dict.fromkeys(options) | {"history": tiny.history()}
    assert client.post("/v1/forecast", json=nulls).status_code == 200

    told = properties("/v2/models/forecast/infer")
    names = [name for name in told if told[name].get("nullable")]
    assert names == ["id", "parameters", "outputs"]
    tensor = {"name": "history", "shape": [1, 24], "datatype": "FP64", "data": tiny.history()}
    sent = dict.fromkeys(names) | {"inputs": [tensor | {"parameters": None}]}
    assert client.post("/v2/models/forecast/infer", json=sent).status_code == 200
    parameters = dict.fromkeys(told["parameters"]["properties"])
    assert set(parameters) == {"binary_data_output", *options}
    sent["parameters"] = parameters
    assert client.post("/v2/models/forecast/infer", json=sent).status_code == 200


def test_tensors_in_bytes_are_described(client):
    paths = client.get("/docs.json").json()["paths"]
    path, name = "/v2/models/sentiment/infer", "Inference-Header-Content-Length"
    operation = paths[path]["post"]
    (length,) = (one for one in operation["parameters"] if one["name"] == name)
    assert (length["in"], length["schema"]["type"]) == ("header", "integer")
    assert "required" not in length
    assert set(operation["requestBody"]["content"]) == {"application/json", BINARY}
    sent = in_binary("sentiment", elements(b"A good film."), shape=[1])
    sent["headers"]["Content-Type"] = BINARY
    response = client.post(path, **sent)
    assert response.status_code == 200, response.text
    check(paths, path, response)
    wanted = {"parameters": {"binary_data_output": True}}
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["A good film."]}
    response = client.post(path, json={"inputs": [tensor]} | wanted)
    assert response.headers["Content-Type"] == BINARY
    assert response.headers[name]
    check(paths, path, response)


def test_the_id_of_a_request_is_described(client):
    for path, item in client.get("/docs.json").json()["paths"].items():
        for operation in item.values():
            (sent,) = (one for one in operation["parameters"] if one["name"] == "X-Request-ID")
            assert (sent["in"], "required" in sent) == ("header", False), path
            for said in operation["responses"].values():
                assert said["headers"]["X-Request-ID"]["required"]


def test_the_description_as_a_page_loads_only_what_the_service_has(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text  # no address: BentoML's own page tells Google who looks at it
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in (*loaded, "docs.json"):
        assert client.get(path).status_code == 200
