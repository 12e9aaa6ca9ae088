"""Monitoring reads the same of a request in the log as of a held-out row that was never sent."""

import json

import numpy as np
import pyarrow
import pytest
from logged import logged_records

from models.export.answering import Answering
from pipelines.monitoring import requests
from pipelines.monitoring.drift import references, signals

PNG = {"Content-Type": "image/png"}
random = np.random.default_rng(0)
ROWS = {
    "image": random.integers(0, 256, (20, 12, 9, 1), dtype=np.uint8),
    "sentiment": ["good", "a dull, dull film", "très bon", "很好👍", "unknown words, good ones"],
    "forecast": np.round(6 + 2 * random.normal(size=(20, 40)).cumsum(axis=1), 1),
}


@pytest.fixture(scope="module")
def logged(own_server) -> list[dict]:
    """What a service has logged of all rows, one request each, by the order of the rows."""
    from models.artifact.golden_images import png

    server = own_server
    for picture in ROWS["image"]:
        server.client.post("/v1/image", content=png(picture), headers=PNG)
    for text in ROWS["sentiment"]:
        server.client.post("/v1/sentiment", json={"text": text})
    for history in ROWS["forecast"].tolist():
        answer = server.client.post("/v1/forecast", json={"history": history})
        assert "signals" not in answer.json()
    folder = server.home / "requests"
    server.wait(lambda: len(logged_records(folder)) == sum(map(len, ROWS.values())), 5)
    lines = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.parametrize("task", ROWS)
def test_a_request_and_a_held_out_row_have_the_same_signals(task, logged, own_server):
    pointer = json.loads((own_server.home / "published" / f"{task}.json").read_text())
    model = Answering(own_server.home / "published" / pointer["artifact"])
    rows = np.array(ROWS[task], object) if task == "sentiment" else ROWS[task]
    held_out = signals.read(model.inputs, references.records(model, rows))
    schema = requests.schema(*signals.fields(model.inputs.kind))
    ours = [one for one in logged if one["task"] == task]
    sent = signals.read(model.inputs, pyarrow.Table.from_pylist(ours, schema=schema))
    assert set(sent) == {signal.name for signal in signals.SIGNALS[model.inputs.kind]}
    for name, values in sent.items():
        assert values.request.tolist() == held_out[name].request.tolist()
        assert values.value == pytest.approx(held_out[name].value, rel=1e-5, abs=1e-6), name
        if name != "width":  # of intervals that follow a history, which this model's do not
            assert len(values.value) == len(rows)
