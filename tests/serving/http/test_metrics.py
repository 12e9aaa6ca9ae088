"""Requests are counted under the names that BentoML gives its own; see serving/http/metrics.py."""

import json
import os
import re
import subprocess
import sys

import pytest
import tiny
from metrics_page import told
from project import ROOT


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


def test_what_the_monitor_wrote_is_shown(own_server):
    folder = own_server.home / "monitor"
    folder.mkdir(exist_ok=True)
    written = {"task": "image", "dataset": "tiny", "score": 0.5, "promise": None, "labelled": 12}
    (folder / "image-tiny.json").write_text(json.dumps(written))
    (folder / "sentiment-tiny.json").write_text('{"task": "sentiment", "da')
    page = own_server.client.get("/metrics").text
    assert re.search(r'^espalier_live_score\{dataset="tiny",task="image"\} 0\.5$', page, re.M)
    assert re.search(r"^espalier_live_labelled\{[^}]*\} 12\.0$", page, re.M)
    assert re.search(r"^espalier_live_promise\{[^}]*\} NaN$", page, re.M)
    assert "espalier_drift{" not in page
    (folder / "image-tiny.json").write_text(json.dumps(written | {"score": 0.75}))
    assert re.search(
        r"^espalier_live_score\{[^}]*\} 0\.75$", own_server.client.get("/metrics").text, re.M
    )


@pytest.mark.parametrize(
    "damaged",
    [
        "[]",
        "null",
        "3",
        '{"task": "image", "dataset": "tiny", "score": "0.25"}',
        '{"task": "image", "dataset": "other", "score": "abc"}',
        '{"task": ["image"], "dataset": "other", "score": 0.25}',
        '{"task": "image", "dataset": "tiny", "score": 0.25, "more": "' + "x" * (1 << 16) + '"}',
    ],
)
def test_a_damaged_file_of_the_monitor_changes_nothing(own_server, damaged):
    folder = own_server.home / "monitor"
    folder.mkdir(exist_ok=True)
    (folder / "image-tiny.json").write_text('{"task": "image", "dataset": "tiny", "score": 0.5}')
    before = shown(own_server)
    assert "0.5" in before[("tiny", "image")]
    (folder / "image-tiny.json").write_text(damaged)
    for _ in range(3):
        assert shown(own_server) == before
    page = own_server.client.get("/metrics").text
    in_progress = re.findall(r'request_in_progress\{endpoint="/metrics"[^}]*\} (.*)$', page, re.M)
    assert set(in_progress) <= {"0.0", "1.0"}


def test_what_the_monitor_removed_is_shown_no_more_and_a_pipe_is_not_waited_for(own_server):
    folder = own_server.home / "monitor"
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe.json")
    file = folder / "image-gone.json"
    file.write_text('{"task": "image", "dataset": "gone", "score": 0.5}')
    assert shown(own_server)[("gone", "image")] == "0.5"
    file.unlink()
    assert shown(own_server)[("gone", "image")] == "NaN"
    (folder / "pipe.json").unlink()


def shown(server) -> dict[tuple[str, str], str]:
    """The live scores of the page, by dataset and task."""
    page = server.client.get("/metrics", timeout=5)
    assert page.status_code == 200
    pattern = r'^espalier_live_score\{dataset="(.*)",task="(.*)"\} (.*)$'
    return {(one, task): value for one, task, value in re.findall(pattern, page.text, re.M)}


def test_paths_and_versions_that_do_not_exist_are_counted_as_one(client):
    before = len(client.get("/metrics").text.splitlines())
    for number in range(100):
        for folder in ("", "/v1", "/v2", "/v2/models", "/static_content"):
            client.get(f"{folder}/stranger{number}")
        client.post(f"/v2/models/image/versions/{number}/infer", json={})
        client.post(f"/v2/models/stranger{number}/infer", json={})
        client.get("/v1/models", headers={"Host": f"stranger-{number}"})
    client.get("/v2/models/espalier-image-tiny/versions/1")
    page = client.get("/metrics").text
    for name in ("stranger", "versions", "espalier-image-tiny"):
        assert name not in page
    for endpoint in ("/-", "/v2/models/-", "/v2/models/image"):
        assert f'endpoint="{endpoint}"' in page
    assert len(page.splitlines()) < before + 200  # a histogram is 17 lines


def test_a_service_that_starts_leaves_the_metrics_of_another_alone(server, fresh_server):
    """Both have one BENTOML_HOME."""
    before = told(server.client.get("/metrics").text, "request_total", "/readyz", 200)
    other = fresh_server(server.home, BENTOML_HOME=str(server.log.parent / "bentoml"))
    other.wait(other.ready)
    assert server.ready()
    assert told(server.client.get("/metrics").text, "request_total", "/readyz", 200) == before + 1
    assert told(other.client.get("/metrics").text, "request_total", "/readyz", 200) == 1


MAKE_FOLDER = """
import time
from serving.http import metrics_folder
metrics_folder.make()
print("made", flush=True)
time.sleep(60)
"""


def test_what_a_killed_service_leaves_is_removed_by_the_next(tmp_path):
    def start() -> subprocess.Popen:
        environment = os.environ | {"TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", MAKE_FOLDER]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"made\n"
        return process

    killed, running = start(), start()
    of_both = set(tmp_path.iterdir())
    killed.kill()
    killed.communicate()
    following = start()
    assert len(of_both & set(tmp_path.iterdir())) == 1
    assert len(list(tmp_path.iterdir())) == 2
    for process in (running, following):
        process.kill()
        process.communicate()
