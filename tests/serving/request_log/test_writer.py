"""What a worker's log does with its records, without the worker."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from logged import logged_records
from project import until
from prometheus_client import REGISTRY
from starlette.requests import Request

from models.inputs.errors import InputError
from serving.champions.loading import load
from serving.http.errors import Problem
from serving.http.request_id import BEGAN, REQUEST_ID
from serving.inference.loaded_model import Model
from serving.request_log.writer import WRITE_SECONDS, RequestLog


def loaded(home: Path, task: str) -> Model:
    tiny.publish(home, task)
    return load(home / "published" / f"{task}.json", task)


def request(request_id: str) -> Request:
    scope = {"type": "http", "path": "/v1/sentiment", REQUEST_ID: request_id}
    return Request(scope | {BEGAN: time.perf_counter()})


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return loaded(tmp_path_factory.mktemp("home"), "sentiment")


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., RequestLog]]:
    """A function that starts a log of the test's own."""
    logs = []

    def start(megabytes: int = 1, inputs: bool = False, folder: str = "log") -> RequestLog:
        logs.append(RequestLog(tmp_path / folder, megabytes, inputs))
        logs[-1].start()
        return logs[-1]

    yield start
    for log in logs:
        log.stop()


def record(log: RequestLog, model: Model, count: int, text: str = "good") -> None:
    (answer,) = model.predict([text])
    for number in range(count):
        log.record(request(f"r{number}"), model, "sentiment", [text], [answer])


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(f"espalier_request_log_{name}_total") or 0


def test_what_is_recorded_is_with_the_system_within_half_a_second(start, model):
    assert WRITE_SECONDS <= 0.5
    log = start()
    record(log, model, 1)
    until(lambda: logged_records(log.folder), "the record, while the log goes on")


def test_too_many_are_dropped_and_counted(start, model, monkeypatch):
    monkeypatch.setattr("serving.request_log.writer.WRITE_SECONDS", 600)  # nothing is written
    log, before = start(), metric("dropped")
    long = model.predict(["good"] * 256)
    for _ in range(2000):
        log.record(request("a"), model, "sentiment", ["good"] * 256, long)
    log.stop()
    [segment] = log.folder.iterdir()
    assert segment.stat().st_size <= 8 << 20
    assert 0 < metric("dropped") - before == 2000 - len(logged_records(log.folder))


def test_a_home_that_cannot_be_written_is_reported_once_and_tried_again(
    start, model, tmp_path, caplog
):
    (tmp_path / "file").write_text("in the way of a folder")
    log, before = start(folder="file"), metric("dropped")
    for turn in (1, 2, 3):
        record(log, model, 5)
        until(lambda lost=before + 5 * turn: metric("dropped") == lost, "the loss")
    assert caplog.text.count("not logged") == 1
    (tmp_path / "file").unlink()
    record(log, model, 5)
    until(lambda: len(logged_records(log.folder)) == 5, "the records")


def test_inputs_are_kept_when_that_is_wanted(start, model):
    log = start(inputs=True)
    record(log, model, 1, "A good film.")
    record(log, model, 1, "good " * 20_000)
    log.stop()
    first, second = logged_records(log.folder)
    assert json.loads(first["input"]) == [{"text": "A good film."}]
    assert second["input"] is None


def test_no_log_where_none_is_wanted(start, model):
    log = start(megabytes=0)
    record(log, model, 3)
    log.stop()
    assert not log.folder.exists()


def test_whatever_is_recorded_nothing_is_raised(start, model):
    log = start()
    refusal = InputError("empty_text", "It is empty.")
    for inputs in ([None], [5], [], None, ["\ud800"], np.zeros((2, 16), np.int32)):
        log.record(request("odd"), model, "sentiment", inputs, refusal)
    log.record(request("odd"), model, "sentiment", ["good"], Problem(429, "busy", "It is."))
    log.record(request("odd"), model, "sentiment", ["good"], KeyError("ours"))
    log.stop()
    outcomes = {(one["status"], one["error"]) for one in logged_records(log.folder)}
    assert outcomes == {(422, "empty_text"), (429, "busy"), (500, "internal_error")}


def test_signals_and_a_challengers_answer_have_room(start, model):
    log, challenger = (
        start(),
        replace(model, pointer=model.pointer.model_copy(update={"version": "2"})),
    )
    (answer,) = model.predict(["good"])
    asked = model, "sentiment", ["good"], [answer]
    log.record(request("both"), *asked, signals={"entropy": 0.5}, challenger=(challenger, [answer]))
    error = InputError("no_finite_answer", "It has none.")
    log.record(request("failed"), *asked, challenger=(challenger, error))
    log.stop()
    both, failed = logged_records(log.folder)
    assert both["signals"] == {"entropy": 0.5}
    assert (both["version"], both["challenger"]["version"]) == ("1", "2")
    assert both["challenger"]["label"] == both["label"] == [answer["label"]]
    assert failed["challenger"]["error"] == "no_finite_answer"
    assert (failed["status"], "signals" in failed) == (200, False)


def test_a_batch_is_one_record(start, tmp_path):
    log, series = start(), np.array([tiny.history(), tiny.history()])
    series[1] += 1
    forecaster, classifier = loaded(tmp_path, "forecast"), loaded(tmp_path, "image")
    log.record(request("both"), forecaster, "forecast", series, forecaster.predict(series))
    pixels = np.zeros((300, 8, 8, 1), np.uint8)
    log.record(request("many"), classifier, "image", pixels, classifier.predict(pixels))
    log.stop()
    two, many = logged_records(log.folder)
    assert (two["inputs"], two["values"], len(two["familiar"])) == (2, tiny.HISTORY, 2)
    assert two["mean"] == pytest.approx(series.mean())
    assert two["std"] == pytest.approx(series.std())
    assert two["last"] == series[1, -1]
    assert (many["inputs"], many["width"], many["height"], many["bytes"]) == (300, 8, 8, 19200)
    assert len(many["label"]) == 256
