"""Each answer leaves one row, behind a kill too, and nothing of what was sent."""

import itertools
import json
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import tiny
from logged_rows import journal_rows, rows_that_count, stored_rows
from project import until
from prometheus_client import REGISTRY
from starlette.requests import Request

from models.inputs.errors import InputError
from pipelines.lineage import request_log
from serving import settings
from serving.api import v1
from serving.champions.loading import load
from serving.http.errors import Problem
from serving.http.request_id import BEGAN, REQUEST_ID
from serving.request_log.parquet import sweep
from serving.request_log.schema import COLUMNS
from serving.request_log.writer import WRITE_SECONDS, RequestLog

PNG = {"Content-Type": "image/png"}
MUCH = 1 << 28  # bytes: the folder may keep them all


def ended(log: RequestLog) -> None:
    """Stop a log, and wait for the process beside it."""
    log.stop()
    if log._sweeper:
        log._sweeper.wait()


@pytest.fixture(scope="module")
def logged(own_server) -> tuple[Path, dict[str, dict]]:
    """The folder of the log of a server that was asked some things, and the rows by id."""
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
    post("/v1/sentiment", "empty", json={"text": " "})
    post("/v1/forecast", "series", json={"history": [7777.125, *tiny.history()], "horizon": 2})
    post("/v1/forecast", "level", json={"history": tiny.history(), "level": 2})
    post("/v1/forecast", "word", json={"history": ["Xylophonic"] * 30})
    post("/v1/forecast", "digits", json={"history": ["5"] * 30})
    post("/v1/forecast", "truths", json={"history": [*tiny.history(), True]})
    for name, data in (("v2", ["good", "xylophonic"]), ("v2-empty", ["good", " "])):
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": data}
        post("/v2/models/sentiment/versions/1/infer", name, json={"inputs": [tensor]})
    folder = server.home / "requests"
    server.wait(lambda: len(journal_rows(folder)) == 12, 5)
    metrics = server.client.get("/metrics").text
    assert "espalier_request_log_rows_total 12.0" in metrics
    assert "espalier_request_log_dropped_total 0.0" in metrics
    return folder, {row["request_id"]: row for row in journal_rows(folder)}


def test_every_row_says_who_answered_and_how_fast(logged):
    _, rows = logged
    for row in rows.values():
        assert set(row) <= set(COLUMNS)
        inference = row["request_id"].startswith("v2")
        assert row["route"] == ("/v2/models/sentiment/infer" if inference else f"/v1/{row['task']}")
        assert row["model"] == f"espalier-{row['task']}-tiny"
        assert (row["version"], len(row["fingerprint"])) == ("1", 64)
        assert 0 < row["latency_ms"] < 5000
        assert abs(row["time"] / 1e6 - time.time()) < 120


def test_a_picture_has_a_size_and_a_label(logged):
    row = logged[1]["picture"]
    assert (row["width"], row["height"]) == (30, 30)
    assert row["bytes"] == len(tiny.picture("JPEG", 30, "RGB"))
    assert (row["status"], row["inputs"], len(row["label"])) == (200, 1, 1)
    assert 0 < row["probability"][0] <= 1
    assert 0 < row["familiarity"][0] <= 1


def test_texts_are_counted(logged):
    one, several, tensor = (logged[1][name] for name in ("text", "texts", "v2"))
    assert (tensor["inputs"], tensor["characters"], len(tensor["label"])) == (2, 14, 2)
    assert (one["inputs"], one["characters"], one["words"]) == (1, 25, 4)
    assert (several["inputs"], several["characters"], several["words"]) == (2, 32, 5)
    for name in ("label", "probability", "familiar", "familiarity"):
        assert len(several[name]) == 2


def test_a_series_is_summed_up_as_far_as_it_was_read(logged):
    row, history = logged[1]["series"], tiny.history()
    assert (row["values"], row["horizon"], row["level"]) == (25, 2, 0.95)
    assert row["mean"] == pytest.approx(np.mean(history))
    assert row["std"] == pytest.approx(np.std(history))
    assert (row["min"], row["max"]) == (min(history), max(history))
    assert row["last"] == history[-1]
    assert row["interval_width"] > 0
    assert {"forecast_mean", "forecast_last"} <= set(row)


def test_what_a_model_refused_is_there_with_its_status(logged):
    said = {
        name: (row["status"], row["error"])
        for name, row in logged[1].items()
        if row["status"] != 200
    }
    assert said == {
        "no-picture": (400, "not_an_image"),
        "empty": (422, "empty_text"),
        "v2-empty": (422, "empty_text"),
        "level": (422, "invalid_level"),
        "word": (422, "invalid_value"),
        "digits": (422, "invalid_value"),
        "truths": (422, "invalid_value"),
    }


@pytest.mark.parametrize(("name", "values"), [("word", 30), ("digits", 30), ("truths", 25)])
def test_what_is_no_series_of_numbers_has_no_statistics(logged, name, values):
    row = logged[1][name]
    assert row["values"] == values
    assert not {"mean", "std", "min", "max", "last"} & row.keys()


def test_nothing_of_what_was_sent_is_there(logged):
    content = b"".join(path.read_bytes() for path in logged[0].iterdir()).lower()
    for word in (b"xylophonic", b"7777"):
        assert word not in content


def test_a_killed_worker_loses_nothing_that_was_written_behind_it(own_server, logged, monkeypatch):
    """What it left becomes Parquet, in which each row is found once."""
    server, (folder, _) = own_server, logged
    names, done = (f"r{number}" for number in itertools.count()), threading.Event()

    def ask():
        with httpx.Client(base_url=server.client.base_url) as client:
            while not done.is_set():
                headers = {"X-Request-Id": next(names)}
                try:
                    client.post("/v1/sentiment", json={"text": "good"}, headers=headers)
                except httpx.TransportError:
                    return
                time.sleep(0.002)

    def written() -> set[str]:
        rows = journal_rows(folder)
        return {row["request_id"] for row in rows if row["request_id"].startswith("r")}

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: len(written()) > 500, "rows of many turns of writing")
    (worker,) = psutil.Process(server.process.pid).children()
    wanted = written()
    worker.send_signal(signal.SIGKILL)
    done.set()
    asker.join()
    worker.wait(10)  # until then the system holds its lock on the journal
    sweep(folder, MUCH)
    kept = [row["request_id"] for row in stored_rows(folder)]
    assert len(kept) == len(set(kept))
    assert wanted <= set(kept)
    monkeypatch.setenv("ESPALIER_HOME", str(server.home))
    [row] = request_log.find("r7")
    assert (row["status"], row["task"], row["words"]) == (200, "sentiment", 1)
    assert datetime.fromisoformat(row["time"]).tzinfo == UTC


class TestInProcess:
    """What a worker's log does with its rows, without the worker."""

    @pytest.fixture
    def model(self, tmp_path):
        tiny.publish(tmp_path / "home", "sentiment")
        return load(tmp_path / "home" / "published" / "sentiment.json", "sentiment")

    @pytest.fixture
    def asked(self):
        def ask(request_id: str) -> Request:
            scope = {"type": "http", "path": "/v1/sentiment", REQUEST_ID: request_id}
            return Request(scope | {BEGAN: time.perf_counter()})

        return ask

    @pytest.fixture
    def started(self, tmp_path):
        logs = []

        def start(megabytes: int = 1, inputs: bool = False, folder: str = "log") -> RequestLog:
            logs.append(RequestLog(tmp_path / folder, megabytes, inputs))
            logs[-1].start()
            return logs[-1]

        yield start
        for log in logs:
            ended(log)

    def record(self, log, asked, model, count: int, text="good") -> None:
        (answer,) = model.answers([text])
        for number in range(count):
            log.record(asked(f"r{number}"), model, "sentiment", [text], [answer])

    def counted(self, name: str) -> float:
        return REGISTRY.get_sample_value(f"espalier_request_log_{name}_total") or 0

    def test_a_full_journal_is_closed_and_becomes_parquet(self, started, asked, model):
        log = started()
        for number in (1, 2):
            self.record(log, asked, model, 500)
            deadline = time.monotonic() + 20
            while len(list(log.folder.glob("*.parquet"))) < number:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        ended(log)
        assert len(rows_that_count(log.folder)) == 1000

    def test_what_an_earlier_worker_left_becomes_parquet(self, started, tmp_path):
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "20261121T120000-000000-7.jsonl").write_text('{"request_id": "old"}\n')
        log, deadline = started(), time.monotonic() + 20
        while not list(log.folder.glob("*.parquet")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [row["request_id"] for row in stored_rows(log.folder)] == ["old"]

    def test_two_workers_write_into_one_folder(self, started, asked, model):
        logs = started(), started()
        for log in logs:
            self.record(log, asked, model, 3)
        for log in logs:
            ended(log)
        assert len({path.stem for path in log.folder.iterdir()}) == 2
        assert len(rows_that_count(log.folder)) == 6

    def test_what_is_left_at_the_end_is_written(self, started, asked, model):
        log = started()
        self.record(log, asked, model, 3)
        log.stop()
        assert len(journal_rows(log.folder)) == 3

    def test_too_many_are_dropped_and_counted(self, started, asked, model, monkeypatch):
        monkeypatch.setattr(
            "serving.request_log.writer.WRITE_SECONDS", 600
        )  # nothing is written meanwhile
        log, before = started(), self.counted("dropped")
        long = model.answers(["good"] * 256)
        for _ in range(2000):
            log.record(asked("a"), model, "sentiment", ["good"] * 256, long)
        assert len(log._buffer) <= 8 << 20
        log.stop()
        written = len(rows_that_count(log.folder))
        assert 0 < self.counted("dropped") - before == 2000 - written

    def test_a_home_that_cannot_be_written_is_said_once(
        self, started, asked, model, tmp_path, caplog
    ):
        (tmp_path / "file").write_text("in the way of a folder")
        log, before = started(folder="file"), self.counted("dropped")
        for turn in (1, 2, 3):
            self.record(log, asked, model, 5)
            until(lambda lost=before + 5 * turn: self.counted("dropped") == lost, "the loss")
        said = [record for record in caplog.records if "not logged" in record.message]
        assert len(said) == 1

    def test_what_was_sent_is_kept_when_that_is_asked_for(self, started, asked, model):
        log = started(inputs=True)
        self.record(log, asked, model, 1, "A good film.")
        self.record(log, asked, model, 1, "good " * 20_000)
        log.stop()
        first, second = journal_rows(log.folder)
        assert json.loads(first["input"]) == [{"text": "A good film."}]
        assert second["input"] is None

    def test_what_is_recorded_is_with_the_system_within_half_a_second(self, started, asked, model):
        assert WRITE_SECONDS <= 0.5
        log = started()
        self.record(log, asked, model, 1)
        until(lambda: journal_rows(log.folder), "the row, while the log goes on")

    def test_no_log_where_none_is_wanted(self, started, asked, model):
        log = started(megabytes=0)
        self.record(log, asked, model, 3)
        log.stop()
        assert not log.folder.exists()

    def test_whatever_is_recorded_nothing_is_raised(self, started, asked, model):
        log = started()
        refusal = InputError("empty_text", "It is empty.")
        for things in ([None], [5], [], None, ["\ud800"], np.zeros((2, 16), np.int32)):
            log.record(asked("odd"), model, "sentiment", things, refusal)
        log.record(asked("odd"), model, "sentiment", ["good"], Problem(429, "busy", "It is."))
        log.record(asked("odd"), model, "sentiment", ["good"], KeyError("ours"))
        log.stop()
        said = {(row["status"], row["error"]) for row in journal_rows(log.folder)}
        assert said == {(422, "empty_text"), (429, "busy"), (500, "internal_error")}

    def test_an_answer_that_is_kept_is_not_changed_afterwards(self, asked, model):
        """Its row is made later, maybe by another thread."""
        (answer,) = model.answers(["good"])
        before = dict(answer)
        told = json.loads(v1._respond(asked("a"), model, answer).body)
        assert told == before | {"model": model.identity, "request_id": "a"}
        assert answer == before

    def test_a_batch_is_one_row(self, started, asked, tmp_path):
        log, things = started(), np.array([tiny.history(), tiny.history()])
        things[1] += 1
        tiny.publish(tmp_path / "home", "forecast")
        model = load(tmp_path / "home" / "published" / "forecast.json", "forecast")
        log.record(asked("both"), model, "forecast", things, model.answers(things))
        pixels = np.zeros((300, 8, 8, 1), np.uint8)
        tiny.publish(tmp_path / "home", "image")
        model = load(tmp_path / "home" / "published" / "image.json", "image")
        log.record(asked("many"), model, "image", pixels, model.answers(pixels))
        log.stop()
        two, many = journal_rows(log.folder)
        assert (two["inputs"], two["values"], len(two["familiar"])) == (2, tiny.HISTORY, 2)
        assert two["mean"] == pytest.approx(things.mean())
        assert two["std"] == pytest.approx(things.std())
        assert two["last"] == things[1, -1]
        assert (many["inputs"], many["width"], many["height"], many["bytes"]) == (300, 8, 8, 19200)
        assert len(many["label"]) == 256

    def test_a_folder_that_is_removed_is_made_anew(self, started, asked, model):
        log = started()
        self.record(log, asked, model, 1)
        until(lambda: journal_rows(log.folder), "a journal")
        [path] = log.folder.iterdir()
        path.unlink()
        self.record(log, asked, model, 2)
        log.stop()
        assert len(journal_rows(log.folder)) == 2


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("ESPALIER_LOG_MB", "-1", settings.log_megabytes),
        ("ESPALIER_LOG_MB", "lots", settings.log_megabytes),
        ("ESPALIER_LOG_INPUTS", "yes", settings.log_inputs),
    ],
)
def test_a_setting_that_is_none_is_refused_by_name(monkeypatch, name, value, read):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} is '{value}'"):
        read()
