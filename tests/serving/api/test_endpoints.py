"""Each endpoint under /v1 answers as designed, for every form of its input."""

import numpy as np
import pytest
import tiny

NAMES = {"name", "version", "fingerprint"}
FAMILIAR = {"familiar", "familiarity"}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("size", "mode"), [(8, "L"), (40, "RGB"), (700, "L")])
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
    sent = {"history": tiny.history(), "horizon": 2, "level": 0.5}
    answer = client.post("/v1/forecast", json=sent).json()
    assert answer["forecast"] == whole["forecast"][:2]
    whole_number = client.post("/v1/forecast", json=sent | {"horizon": 2.0}).json()
    assert whole_number["forecast"] == whole["forecast"][:2]
    assert answer["level"] == 0.5
    assert answer["upper"][0] < whole["upper"][0]


@pytest.mark.parametrize(
    ("time", "first", "last"),
    [
        ("2026-12-31T22:30:00", "2026-12-31T23:30:00", "2027-01-01T00:30:00"),
        ("2026-10-25T02:00+02:00", "2026-10-25T03:00:00+02:00", "2026-10-25T04:00:00+02:00"),
        ("2028-02-28T22:00:00Z", "2028-02-28T23:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_a_forecast_says_when_where_the_last_time_is_sent(client, time, first, last):
    sent = {"history": tiny.history(), "horizon": 2}
    plain = client.post("/v1/forecast", json=sent).json()
    timed = client.post("/v1/forecast", json=sent | {"time": time}).json()
    assert timed.pop("times") == [first, last]
    assert timed | {"request_id": ""} == plain | {"request_id": ""}


@pytest.mark.parametrize("time", ["", "yesterday", "2026-02-30T00:00:00", "9999-12-31T23:30:00"])
def test_a_time_that_is_none_is_refused(client, time):
    answer = client.post("/v1/forecast", json={"history": tiny.history(), "time": time})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_time")
    wanted = f'such as "2026-11-29T13:00:00+01:00", not {time!r}.'
    assert wanted in answer.json()["error"]["message"]


def test_examples_are_the_artifact_s_own(client):
    examples = client.get("/v1/examples").json()["examples"]
    assert [one["task"] for one in examples] == list(tiny.REQUESTS)
    for one in examples:
        assert one["requests"] == tiny.REQUESTS[one["task"]][: len(one["requests"])]
        assert one["requests"]


def test_what_looks_like_the_training_data_is_familiar(client):
    def ask(task: str, sent: bytes | dict) -> tuple[bool, float]:
        body = {"content": sent} if isinstance(sent, bytes) else {"json": sent}
        media_type = "image/png" if task == "image" else "application/json"
        answer = client.post(f"/v1/{task}", **body, headers={"Content-Type": media_type}).json()
        return answer["familiar"], answer["familiarity"]

    german = "Ein langer und langweiliger Film. "
    for task, usual, odd in (
        ("image", tiny.picture(), tiny.white()),
        ("sentiment", {"text": "good, great, fine " * 9}, {"text": german * 9}),
        ("forecast", {"history": tiny.history()}, {"history": [-1e4, 1e4] * 12}),
    ):
        familiar, score = ask(task, usual)
        assert familiar is True
        assert 0.01 <= score <= 1
        assert ask(task, odd) == (False, 1 / 201)


def test_the_models_are_listed(client):
    answer = client.get("/v1/models").json()
    assert [model["task"] for model in answer["models"]] == ["image", "sentiment", "forecast"]
    fields = {"task", "arch", "dataset", "dataset_hash", "metrics", "served_since", "input"} | NAMES
    more = {"image": {"about"}, "sentiment": {"about"}, "forecast": {"about", "interval", "value"}}
    assert all(set(model) == fields | more[model["task"]] for model in answer["models"])
    assert answer["missing"] == answer["refused"] == []


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2:3", True), ("a b", False), ("x" * 200, False)]
)
def test_a_sane_request_id_is_kept(client, sent, kept):
    response = client.get("/v1/models", headers={"X-Request-Id": sent})
    assert (response.headers["X-Request-Id"] == sent) is kept
    assert response.json()["request_id"] == response.headers["X-Request-Id"]
