"""Each answer leaves one record, and nothing of what was sent."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from logged import logged_records

from models import signals
from pipelines.lineage import request_log
from serving.request_log import records

PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def logged(own_server) -> tuple[Path, dict[str, dict]]:
    """The folder of the log of a server that was asked some things, and the records by id."""
    server = own_server
    for path in ("/livez", "/docs.json", "/v1/models", "/"):
        server.client.get(path)

    def post(path, request_id, **body):
        headers = body.pop("headers", {}) | {"X-Request-Id": request_id}
        return server.client.post(path, headers=headers, **body)

    picture = tiny.picture("JPEG", 30, "RGB")
    post("/v1/image", "picture", content=picture, headers={"Content-Type": "image/jpeg"})
    post("/v1/image", "no-picture", content=b"Xylophonic", headers=PNG)
    post("/v1/sentiment", "text", json={"text": "Xylophonic films are good"})
    post("/v1/sentiment", "texts", json={"texts": ["Xylophonic", "a dull xylophonic film"]})
    post("/v1/sentiment", "chinese", json={"text": "很好看👍 – 2 films"})
    post("/v1/sentiment", "empty", json={"text": " "})
    post("/v1/forecast", "series", json={"history": [7777.125, *tiny.history()], "horizon": 2})
    post("/v1/forecast", "level", json={"history": tiny.history(), "level": 2})
    post("/v1/forecast", "truths", json={"history": [*tiny.history(), True]})
    for name, data in (("v2", ["good", "xylophonic"]), ("v2-empty", ["good", " "])):
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": data}
        post("/v2/models/sentiment/versions/1/infer", name, json={"inputs": [tensor]})
    folder = server.home / "requests"
    server.wait(lambda: len(logged_records(folder)) == 11, 5)
    metrics = server.client.get("/metrics").text
    assert "espalier_request_log_rows_total 11.0" in metrics
    assert "espalier_request_log_dropped_total 0.0" in metrics
    return folder, {record["request_id"]: record for record in logged_records(folder)}


def test_every_record_says_who_answered_and_how_fast(logged):
    for record in logged[1].values():
        assert set(record) <= set(re.findall(r"\w+", records.__doc__))
        inference = record["request_id"].startswith("v2")
        route = "/v2/models/sentiment/infer" if inference else f"/v1/{record['task']}"
        assert record["route"] == route
        assert record["model"] == f"espalier-{record['task']}-tiny"
        assert (record["version"], len(record["fingerprint"])) == ("1", 64)
        assert 0 < record["latency_ms"] < 5000
        assert abs(record["time"] / 1e6 - time.time()) < 120


def test_a_picture_has_a_size_and_a_label(logged):
    record = logged[1]["picture"]
    assert (record["width"], record["height"]) == (30, 30)
    assert record["bytes"] == len(tiny.picture("JPEG", 30, "RGB"))
    assert (record["status"], record["inputs"], len(record["label"])) == (200, 1, 1)
    assert 0 < record["probability"][0] <= 1
    assert 0 < record["familiarity"][0] <= 1


def test_texts_are_counted(logged):
    one, several, tensor = (logged[1][name] for name in ("text", "texts", "v2"))
    assert (tensor["inputs"], tensor["characters"], len(tensor["label"])) == (2, 14, 2)
    assert (one["inputs"], one["characters"], one["words"]) == (1, 25, 4)
    assert (several["inputs"], several["characters"], several["words"]) == (2, 32, 5)
    assert logged[1]["chinese"]["words"] == 6  # each character one, and so is the emoji
    for name in ("label", "probability", "familiar", "familiarity"):
        assert len(several[name]) == 2


def test_a_series_is_summarised_as_far_as_it_was_read(logged):
    record, history = logged[1]["series"], tiny.history()
    assert (record["values"], record["horizon"], record["level"]) == (25, 2, 0.95)
    assert record["mean"] == pytest.approx(np.mean(history))
    assert record["std"] == pytest.approx(np.std(history))
    assert (record["min"], record["max"]) == (min(history), max(history))
    assert record["last"] == history[-1]
    assert record["interval_width"] > 0
    assert {"forecast_mean", "forecast_last"} <= set(record)
    refused = logged[1]["truths"]
    assert refused["values"] == 25
    assert not {"mean", "std", "min", "max", "last"} & refused.keys()


def test_the_first_input_is_measured_as_monitoring_does(logged):
    """Alone, in a batch, and through the executor: the same numbers, and none of a refusal."""
    histories = {"series": [7777.125, *tiny.history()]}
    texts = {
        "text": "Xylophonic films are good", "texts": "Xylophonic", "chinese": "很好看👍 – 2 films",
        "v2": "good",
    }  # fmt: skip
    sent = {"picture": ("image", tiny.picture("JPEG", 30, "RGB"))}
    sent |= {name: ("forecast", history) for name, history in histories.items()}
    sent |= {name: ("sentiment", text) for name, text in texts.items()}
    for name, (task, row) in sent.items():
        inputs = tiny.INPUTS[task]()
        expected = signals.measured(inputs, row, inputs.to_tensor([row])[0])
        assert logged[1][name]["signals"] == pytest.approx(expected, abs=1e-6)
        assert tuple(expected) == signals.NAMES[inputs.kind]
    assert logged[1]["text"]["signals"] == {"unknown": 0.75, "foreign": 0}
    assert all("signals" not in one for one in logged[1].values() if one["status"] != 200)


def test_what_a_model_refused_is_there_with_its_status(logged):
    refused = {
        name: (record["status"], record["error"])
        for name, record in logged[1].items()
        if record["status"] != 200
    }
    assert refused == {
        "no-picture": (400, "not_an_image"),
        "empty": (422, "empty_text"),
        "v2-empty": (422, "empty_text"),
        "level": (422, "invalid_level"),
        "truths": (422, "invalid_value"),
    }


def test_nothing_of_what_was_sent_is_there(logged):
    content = b"".join(path.read_bytes() for path in logged[0].iterdir()).lower()
    for word in (b"xylophonic", b"7777"):
        assert word not in content


def test_trace_finds_the_record(logged, own_server, monkeypatch):
    monkeypatch.setenv("ESPALIER_HOME", str(own_server.home))
    [record] = request_log.find("texts")
    assert (record["status"], record["task"], record["words"]) == (200, "sentiment", 5)
