"""Labels come back: bounded, checked, kept before they are answered, by several workers at once."""

import errno
import fcntl
import os
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import tiny
from described import Description
from logged import logged_records
from pydantic import ValidationError

from serving.api.feedback import MAX_WAITING, FeedbackBody

PATH = "/v1/feedback"
TIME = "2026-11-29T13:00:00+01:00"
LAST_TIME = int(datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp() * 1e6)


def labels(server) -> list[dict]:
    return logged_records(server.home / "labels")


def test_labels_are_kept_when_they_are_answered(own_server):
    sent = {"request_id": "a.b:c-1", "label": "7"}
    answer = own_server.client.post(PATH, json=sent, headers={"X-Request-ID": "f1"})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "request_id": "f1"})
    assert [sent.items() <= record.items() for record in labels(own_server)] == [True]
    several = [{"request_id": f"r{n}", "index": n, "label": "é"} for n in range(256)]
    several += [{"request_id": f"s{n}", "values": [1, None, 2.5]} for n in range(744)]
    answer = own_server.client.post(PATH, json={"feedback": several})
    assert answer.json()["accepted"] == 1000
    kept = labels(own_server)[1:]
    assert [{k: v for k, v in record.items() if k != "time"} for record in kept] == several
    assert "espalier_feedback_labels_total 1001.0" in own_server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        ({}, "missing_field", '"request_id"'),
        ({"request_id": "a"}, "missing_field", "neither"),
        ({"request_id": "a", "label": "7", "values": [1]}, "too_many_fields", "both"),
        ({"request_id": "a b", "label": "7"}, "invalid_request_id", "not"),
        ({"request_id": "a" * 129, "label": "7"}, "invalid_request_id", "not"),
        ({"request_id": "a", "label": 7}, "invalid_label", "string"),
        ({"request_id": "a", "label": ""}, "invalid_label", "at least 1"),
        ({"request_id": "a", "label": "x" * 257}, "invalid_label", "at most 256"),
        ({"request_id": "a", "label": "7", "index": -1}, "invalid_index", "at least 0"),
        ({"request_id": "a", "label": "7", "index": 256}, "invalid_index", "less than 256"),
        ({"request_id": "a", "label": "7", "index": 1.5}, "invalid_index", "whole number"),
        ({"request_id": "a", "values": []}, "invalid_values", "at least 1"),
        ({"request_id": "a", "values": [1, "2"]}, "invalid_values", "number"),
        ({"request_id": "a", "values": [1], "index": 0}, "too_many_fields", "one input"),
        ({"request_id": "a", "lable": "7"}, "unknown_field", '"label"'),
        ({"feedback": [{"feedback": []}]}, "unknown_field", 'no field "feedback.0.feedback".'),
        ({"feedback": []}, "invalid_feedback", "at least 1"),
        ({"feedback": [{"request_id": "a", "label": "7"}] * 1001}, "invalid_feedback", "1000"),
        ({"feedback": [{"request_id": "a", "label": "7"}, {}]}, "missing_field", "feedback.1."),
        ({"feedback": [{}], "label": "7"}, "too_many_fields", "both"),
        ([{"request_id": "a", "label": "7"}], "not_an_object", '"feedback"'),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words(client, server, sent, code, words):
    before = labels(server)
    answer = client.post(PATH, json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), answer.text
    assert words in answer.json()["error"]["message"]
    Description(client).check(PATH, answer)
    assert labels(server) == before


def test_no_list_is_searched_for_more_than_its_first_mistake():
    """A compressed kilobyte can hold a hundred thousand of them."""
    sent = {"feedback": [{"request_id": "a", "values": [True] * 1020}] * 128}
    with pytest.raises(ValidationError) as raised:
        FeedbackBody.model_validate(sent)
    assert raised.value.error_count() < 3


def test_a_full_disk_loses_no_label_in_silence(fresh_server, tmp_path):
    """A folder that nothing can be written into stands for it."""
    tiny.publish(tmp_path, "image")
    (tmp_path / "labels").write_text("a file where the folder should be")
    server = fresh_server(tmp_path)
    server.wait(server.ready)
    sent = {"request_id": "a", "label": "7"}
    answer = server.client.post(PATH, json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_kept")
    assert os.strerror(errno.EEXIST) in answer.json()["error"]["message"]
    assert answer.headers["Retry-After"] == "10"
    Description(server.client).check(PATH, answer)
    (tmp_path / "labels").unlink()
    assert server.client.post(PATH, json=sent).json()["accepted"] == 1
    for process in server.processes():  # what was answered with 200 outlives a kill
        process.kill()
    assert len(labels(server)) == 1


def test_without_a_log_no_label_is_taken(fresh_server, tmp_path):
    tiny.publish(tmp_path, "image")
    server = fresh_server(tmp_path, ESPALIER_LOG_MB="0")
    server.wait(server.ready)
    answer = server.client.post(PATH, json={"request_id": "a", "label": "7"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_request_log")
    Description(server.client).check(PATH, answer)
    assert not (tmp_path / "labels").exists()


def test_many_at_once_are_all_kept_in_whole_lines(own_server):
    before = len(labels(own_server))

    def send(thread: int) -> None:
        for n in range(20):
            sent = [{"request_id": f"{thread}-{n}-{i}", "label": "x" * i} for i in range(1, 50)]
            answer = own_server.client.post(PATH, json={"feedback": sent})
            assert answer.json()["accepted"] == 49

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record["request_id"] for record in labels(own_server)[before:]}) == 8 * 20 * 49


def test_a_disk_that_hangs_holds_up_neither_the_models_nor_their_log(own_server):
    """Somebody who holds the lock of the segment stands for it."""
    sent = {"request_id": "a", "label": "7"}
    assert own_server.client.post(PATH, json=sent).status_code == 200
    statuses: list[int] = []

    def send() -> None:
        statuses.append(own_server.client.post(PATH, json=sent, timeout=60).status_code)

    threads = [threading.Thread(target=send) for _ in range(MAX_WAITING + 5)]
    with ExitStack() as held:
        for segment in (own_server.home / "labels").glob("*.jsonl"):
            fcntl.flock(held.enter_context(segment.open()), fcntl.LOCK_EX)
        for thread in threads:
            thread.start()
        own_server.wait(lambda: len(statuses) == 5, 10)
        assert set(statuses) == {503}
        folder = own_server.home / "requests"
        for name in ("meanwhile", "later"):  # the log is written again and again
            ids = {"X-Request-ID": name}
            answer = own_server.client.post("/v1/sentiment", json={"text": "good"}, headers=ids)
            assert answer.status_code == 200
            own_server.wait(
                lambda name=name: name in {one["request_id"] for one in logged_records(folder)}, 10
            )
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {200: MAX_WAITING, 503: 5}
    assert own_server.client.post(PATH, json=sent).status_code == 200


def test_a_named_series_is_kept_and_another_is_not(own_server):
    history = [*tiny.history(), 5]
    body = {"history": history, "horizon": 3, "time": TIME}
    ids = {"X-Request-ID": "named"}, {"X-Request-ID": "unnamed"}
    sent = own_server.client.post(
        "/v1/forecast", json=body | {"series": "Zürich 3"}, headers=ids[0]
    )
    assert sent.status_code == 200
    assert own_server.client.post("/v1/forecast", json=body, headers=ids[1]).status_code == 200
    folder = own_server.home / "requests"

    def logged() -> dict[str, dict]:
        return {record["request_id"]: record for record in logged_records(folder)}

    own_server.wait(lambda: {"named", "unnamed"} <= set(logged()), 5)
    named, unnamed = logged()["named"], logged()["unnamed"]
    assert named["history"] == history[-tiny.HISTORY :]
    assert [named[name] for name in ("forecast", "lower", "upper")] == [
        sent.json()[name] for name in ("forecast", "lower", "upper")
    ]
    assert (named["series"], named["last_time"]) == ("Zürich 3", LAST_TIME)
    step = datetime.fromisoformat(sent.json()["times"][0]) - datetime.fromisoformat(TIME)
    assert named["interval"] == step.total_seconds() * 1e6
    assert unnamed["forecast"] == named["forecast"]
    assert not {"series", "last_time", "interval", "history"} & set(unnamed)


def test_a_series_needs_a_time(client):
    for series, code in (("s", "missing_field"), ("", "invalid_series"), (5, "invalid_series")):
        answer = client.post("/v1/forecast", json={"history": tiny.history(), "series": series})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        Description(client).check("/v1/forecast", answer)
    null = {"history": tiny.history(), "series": None}
    assert client.post("/v1/forecast", json=null).status_code == 200
