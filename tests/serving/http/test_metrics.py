"""The short way to a model is counted as BentoML counts, and leads past nothing that was set."""

import re

import tiny
from metrics_page import told


def test_every_request_is_counted_with_its_status_and_time(own_server):
    server = own_server
    history = {"history": tiny.history()}
    for _ in range(5):
        assert server.client.post("/v1/forecast", json=history).status_code == 200
    for _ in range(3):
        assert server.client.post("/v1/forecast", json={"history": []}).status_code == 422
    assert server.client.get("/v1/forecast").status_code == 405
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a fine film"]}
    answer = server.client.post("/v2/models/sentiment/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200

    page = server.client.get("/metrics").text

    for path, status, times in (
        ("/v1/forecast", 200, 5),
        ("/v1/forecast", 422, 3),
        ("/v1/forecast", 405, 1),
        ("/v2/models/sentiment/infer", 200, 1),
    ):
        assert told(page, "request_total", path, status) == times
        assert told(page, "request_duration_seconds_count", path, status) == times
        assert 0 < told(page, "request_duration_seconds_sum", path, status) < 5
    assert 'request_in_progress{endpoint="/v1/forecast"' in page
    assert not re.search(r'request_in_progress\{endpoint="/v[^}]*\} [1-9]', page)
    assert "bentoml_service_last_request_timestamp_seconds{" in page
