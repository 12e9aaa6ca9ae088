"""Labelled requests, logged by a service's own writer, become rows that DVC versions."""

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import tiny
import watched
from checkouts import Checkout, reviews, working_in
from encoded import file_of
from forked import started
from killing import kill_after
from starlette.requests import Request

from data import classes, prepared, versions
from data.dvc import calls
from data.sources import collected
from data.stored import COLLECTED
from pipelines.commands import data as commands
from pipelines.lineage import forget, request_log
from pipelines.monitoring import collect, feedback, retrain, watch
from pipelines.runtime import environment, settings
from pipelines.runtime.sections import Collect
from serving.champions.loading import load
from serving.http.auth import CLIENT
from serving.http.request_id import BEGAN, REQUEST_ID
from serving.inference.loaded_model import Model
from serving.request_log.records import SERIES, NamedSeries
from serving.request_log.writer import RequestLog

GOOD, BAD = "positive", "negative"  # what tiny's model of texts knows
MICROSECONDS = 1_000_000
INBOX = {"task": "sentiment", "kind": "csv", "path": "mine/inbox.csv"}
INBOX |= {"columns": {"text": "text", "label": "label"}}


@pytest.fixture
def checkout(tmp_path, home, monkeypatch) -> Checkout:
    """A checkout in which the commands run, with `inbox`, texts of its user."""
    made = working_in(tmp_path / "checkout", monkeypatch)
    made.declare("inbox", **INBOX)
    rows = "".join(f"{text},{GOOD if kind == 'good' else BAD}\n" for text, kind in reviews())
    (made.folder / "mine").mkdir()
    (made.folder / "mine/inbox.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    return made


class Service:
    """A worker's model and log; each request is logged as the worker does."""

    def __init__(self, home: Path, task: str, dataset: str, inputs: bool = True):
        self.task, self.model = task, self.loaded(home, task, dataset)
        self.log = RequestLog(home / "requests", 1, inputs)
        self.log.start()

    @staticmethod
    def loaded(home: Path, task: str, dataset: str) -> Model:
        tiny.publish(home, task, dataset=dataset)
        return load(home / "published" / f"{task}.json", task)

    def ask(self, request_id: str, *sent, client: str | None = None, **scope) -> list[dict]:
        scope |= {"type": "http", "path": f"/v1/{self.task}", REQUEST_ID: request_id}
        scope |= {BEGAN: time.perf_counter(), CLIENT: client}
        answers = self.model.predict(list(sent))
        self.log.record(Request(scope), self.model, self.task, list(sent), answers)
        return answers

    def label(self, request_id: str, **label) -> None:
        line = {"time": time.time_ns() // 1000, "request_id": request_id} | label
        self.log.labels.append(orjson.dumps(line) + b"\n")


@pytest.fixture
def serve(home):
    """A function that starts the log of a service of this home; `stop` writes what is pending."""
    running = []

    def start(task: str, dataset: str, **options) -> Service:
        running.append(Service(home, task, dataset, **options))
        return running[-1]

    yield start
    for service in running:
        service.log.stop()


def parts(checkout: Checkout, dataset: str) -> dict[str, bytes]:
    place = checkout.folder / COLLECTED / dataset
    return {part.name: part.read_bytes() for part in collected.parts(place)}


def rows(checkout: Checkout, task: str, dataset: str) -> list[dict]:
    return collected.read(task, collected.parts(checkout.folder / COLLECTED / dataset)).to_pylist()


def read() -> feedback.Answers:
    return feedback.answers(feedback.stored())


def waiting(task: str, dataset: str) -> int:
    return collect.waiting(task, dataset, read())


def splits(checkout: Checkout, dataset: str) -> dict[str, dict[str, np.ndarray]]:
    return prepared.read(checkout.folder / prepared.PREPARED / dataset).splits


def test_labelled_texts_become_rows_once(checkout, serve):
    service = serve("sentiment", "inbox")
    [answer] = service.ask("r1", "a good story of our own", client="shop")
    service.label("r1", label=answer["label"])
    _, second_answer = service.ask("r2", "a dull one", "one more that is good", client="other")
    wrong = BAD if second_answer["label"] == GOOD else GOOD
    service.label("r2", index=1, label=wrong)
    service.ask("r3", "nobody says what this was")
    service.label("r9", label=GOOD)  # of no request here
    service.log.stop()
    assert waiting("sentiment", "inbox") == 2
    taken = collect.collect("sentiment", "inbox")
    assert (taken.added, taken.changed, taken.removed, taken.rows) == (2, 0, 0, 2)
    first, second = sorted(rows(checkout, "sentiment", "inbox"), key=lambda row: row["index"])
    assert (first["request_id"], first["text"], first["client"]) == (
        "r1", "a good story of our own", "shop",
    )  # fmt: skip
    assert first["label"] == first["predicted"]
    assert (second["text"], second["version"]) == ("one more that is good", "1")
    assert (second["label"], second["predicted"]) == (wrong, second_answer["label"])

    before = parts(checkout, "inbox")
    assert waiting("sentiment", "inbox") == 0
    assert collect.collect("sentiment", "inbox").added == 0
    assert parts(checkout, "inbox") == before
    service.label("r1", label=BAD if first["label"] == GOOD else GOOD)
    again = collect.collect("sentiment", "inbox")
    assert (again.added, again.changed, again.rows) == (0, 1, 2)
    assert {row["label"] == row["predicted"] for row in rows(checkout, "sentiment", "inbox")} == {
        False
    }
    shutil.rmtree(request_log.folder())  # the log forgets sooner than the data
    shutil.rmtree(request_log.labels())
    assert collect.collect("sentiment", "inbox") == collect.Collected(
        "sentiment", "inbox", added=0, changed=0, removed=0, rows=2, without_input=0
    )


def test_a_request_id_that_was_used_twice_means_the_newest(checkout, serve):
    service = serve("sentiment", "inbox")
    service.ask("r1", "the first")
    service.ask("r1", "the second")
    service.label("r1", label=GOOD)
    service.log.stop()
    collect.collect("sentiment", "inbox")
    assert [row["text"] for row in rows(checkout, "sentiment", "inbox")] == ["the second"]


def test_a_request_id_that_is_used_again_brings_its_own_input_with_its_label(checkout, serve):
    def collected_as(*expected: tuple[str, str]) -> collect.Collected:
        taken = collect.collect("sentiment", "inbox")
        found = rows(checkout, "sentiment", "inbox")
        assert sorted((row["text"], row["label"]) for row in found) == sorted(expected)
        assert taken.rows == len(expected)
        return taken

    first = serve("sentiment", "inbox")
    for request_id in ("r1", "r2", "r3"):
        first.ask(request_id, f"the first of {request_id}")
        first.label(request_id, label=GOOD)
    first.log.stop()
    old = [(f"the first of r{number}", GOOD) for number in (1, 2, 3)]
    assert collected_as(*old).added == 3
    again = serve("sentiment", "inbox")
    again.ask("r1", "the second of r1")
    again.ask("r2", "nobody has labelled this")
    again.log.stop()
    other = serve("sentiment", "imdb")
    other.ask("r3", "asked of another model")
    other.log.stop()
    again.label("r1", label=BAD)
    other.label("r3", label=BAD)
    assert waiting("sentiment", "inbox") == 0
    new = [("the second of r1", BAD), *old[1:]]
    taken = collected_as(*new)
    assert (taken.added, taken.changed, taken.removed) == (0, 1, 0)
    assert collected_as(*new).changed == 0


def test_a_label_without_an_index_says_nothing_of_several_inputs(checkout, serve):
    service = serve("sentiment", "inbox")
    service.ask("r1", "a good one", "and a dull one")
    service.label("r1", index=0, label=GOOD)
    service.log.stop()
    assert collect.collect("sentiment", "inbox").added == 1
    service.label("r1", label=BAD)
    assert collect.collect("sentiment", "inbox").changed == 0
    assert [row["label"] for row in rows(checkout, "sentiment", "inbox")] == [GOOD]


def test_without_inputs_there_is_nothing_to_learn_from(checkout, serve):
    service = serve("sentiment", "inbox", inputs=False)
    service.ask("r1", "a good one")
    service.label("r1", label=GOOD)
    service.log.stop()
    taken = collect.collect("sentiment", "inbox")
    assert (taken.added, taken.without_input) == (0, 1)
    assert waiting("sentiment", "inbox") == 0
    other = serve("sentiment", "imdb")
    other.ask("r2", "a good one")
    other.label("r2", label=GOOD)
    other.log.stop()
    assert collect.collect("sentiment", "inbox").added == 0  # it is another dataset's


def test_rows_that_are_old_or_too_many_go_and_do_not_come_back(checkout, serve, monkeypatch):
    now = time.time_ns() // 1000
    for number in range(6):
        record = {"time": now - number * collect.DAY, "request_id": f"r{number}"}
        record |= {"status": 200, "model": "espalier-sentiment-inbox", "version": "1", "inputs": 1}
        record |= {"label": [GOOD], "input": f'[{{"text": "number {number}"}}]'}
        watched.write(environment.home(), "requests", record)
        label = {"time": now, "request_id": f"r{number}", "label": GOOD}
        watched.write(environment.home(), "labels", label)

    def taken(**limits) -> tuple[int, int, list[str]]:
        monkeypatch.setattr(settings, "collect", lambda dataset: Collect(**limits))
        counts = collect.collect("sentiment", "inbox")
        kept = sorted(row["text"] for row in rows(checkout, "sentiment", "inbox"))
        assert counts.rows == len(kept)
        return counts.added, counts.removed, kept

    all_six = [f"number {number}" for number in range(6)]
    assert taken() == (6, 0, all_six)
    assert len(parts(checkout, "inbox")) == 6  # a day each
    assert taken(days=3) == (0, 3, all_six[:3])
    assert taken(days=3) == (0, 0, all_six[:3])
    assert taken(rows=2) == (0, 1, all_six[:2])
    assert waiting("sentiment", "inbox") == 0
    assert len(parts(checkout, "inbox")) == 2
    assert taken(rows=0) == (0, 2, [])  # another checkout collects them
    assert waiting("sentiment", "inbox") == 0


def test_what_is_forgotten_leaves_the_data_and_does_not_come_back(checkout, serve):
    service = serve("sentiment", "inbox")
    for number, client in enumerate(["shop", "shop", "other"]):
        service.ask(f"r{number}", f"text number {number}", client=client)
        service.label(f"r{number}", label=GOOD, client=client)
    service.log.stop()
    collect.collect("sentiment", "inbox")
    [part] = collected.parts(checkout.folder / COLLECTED / "inbox")
    assert [one.rows for one in forget.held({"client": "shop"}) if one.file == part] == [2]
    went, left = forget.remove({"client": "shop"})
    assert (sum(one.rows for one in went), left) == (6, [])  # two requests, labels and rows each
    assert [row["request_id"] for row in rows(checkout, "sentiment", "inbox")] == ["r2"]
    assert collect.collect("sentiment", "inbox").added == 0
    assert forget.held({"client": "shop"}) == []
    forget.remove({"request_id": "r2"})
    assert parts(checkout, "inbox") == {}


def test_forgetting_waits_for_a_collect_under_way(checkout):
    place = checkout.folder / COLLECTED / "inbox"
    place.mkdir(parents=True, exist_ok=True)
    row = {"request_id": "r1", "time": 1, "client": "shop", "index": 0, "text": "a text of its own"}
    forgetting = threading.Thread(target=forget.remove, args=({"client": "shop"},))
    with collected.locked(place):  # the log was read before the request was forgotten
        forgetting.start()
        forgetting.join(1)
        table = pa.Table.from_pylist([row], schema=collected.schema("sentiment"))
        collected.write(place / "2026-12-01.parquet", table)
    forgetting.join(60)
    assert not forgetting.is_alive()
    assert parts(checkout, "inbox") == {}


def _killed(root: Path, writes: int) -> None:
    environment.ROOT = calls.ROOT = root
    kill_after(writes, [(Path, "replace"), (collected.pq, "write_table")])
    collect.collect("sentiment", "inbox")


@pytest.mark.parametrize("writes", [1, 2, 3, 4])
def test_killed_at_any_write_the_next_call_brings_the_rest(checkout, home, writes):
    now = time.time_ns() // 1000
    for number in range(2):
        record = {"time": now - number * collect.DAY, "request_id": f"r{number}"}
        record |= {"status": 200, "model": "espalier-sentiment-inbox", "version": "1", "inputs": 1}
        record |= {"label": [GOOD], "input": f'[{{"text": "number {number}"}}]'}
        watched.write(home, "requests", record)
        watched.write(home, "labels", {"time": now, "request_id": f"r{number}", "label": GOOD})
    process = started(home, _killed, checkout.folder, writes)
    process.join(60)
    assert process.exitcode == -9
    whole = rows(checkout, "sentiment", "inbox")  # no part is cut
    assert len(whole) == writes // 2
    assert collect.collect("sentiment", "inbox").added == 2 - writes // 2
    kept = sorted(row["text"] for row in rows(checkout, "sentiment", "inbox"))
    assert kept == ["number 0", "number 1"]
    assert [path.name for path in (checkout.folder / COLLECTED).glob(".inbox*")] == []


def test_a_named_series_grows_by_its_histories_and_what_came(checkout, serve):
    service = serve("forecast", "glucose")
    minutes = 300 * MICROSECONDS
    first = 1_770_000_000 * MICROSECONDS
    history = tiny.history()  # 24 readings

    def ask(request_id: str, later: int, **more) -> None:
        values = [value + later for value in history]
        named = NamedSeries("a", first + later * minutes, minutes)
        service.ask(request_id, values, **more, **{SERIES: named})

    ask("r1", 0)
    ask("r2", 3)
    ask("r3", 0, client="shop")
    service.ask("r4", history)  # of no series
    service.label("r1", values=[7.0, None, 9.0])
    service.log.stop()
    assert waiting("forecast", "glucose") == 24 + 3 + 24
    taken = collect.collect("forecast", "glucose")
    assert (taken.added, taken.rows) == (51, 51)
    kept = {
        (row["series"], (row["at"] - first) // minutes): row
        for row in rows(checkout, "forecast", "glucose")
    }
    assert kept["a", 0]["value"] == history[-1]
    assert kept["a", -23]["value"] == history[0]
    assert (kept["a", 1]["value"], kept["a", 1]["request_id"]) == (7.0, "r1")
    assert kept["a", 2]["request_id"] == "r2"
    assert kept["shop/a", -3]["client"] == "shop"
    assert collect.collect("forecast", "glucose").added == 0
    late = serve("forecast", "glucose")
    service = late
    ask("r5", 4)
    late.log.stop()
    assert collect.collect("forecast", "glucose").added == 1


def test_readings_of_which_each_request_has_another_time_are_taken_once(checkout, serve):
    """A client that says `time=now()` is never asked at the very same second of its interval."""
    service, minutes, count = serve("forecast", "glucose"), 300 * MICROSECONDS, 30
    draw = np.random.default_rng(0)
    late = draw.integers(-20, 20, count) * MICROSECONDS + 150 * MICROSECONDS  # at a half of it
    for number in range(count):
        at = 1_770_000_000 * MICROSECONDS + number * minutes + int(late[number])
        values = [value + number for value in tiny.history()]
        service.ask(f"r{number}", values, **{SERIES: NamedSeries("a", at, minutes)})
    service.log.stop()
    assert collect.collect("forecast", "glucose").added == 24 + count - 1
    times = np.sort([row["at"] for row in rows(checkout, "forecast", "glucose")])
    assert np.abs(np.diff(times) - minutes).max() <= 40 * MICROSECONDS


def test_no_more_readings_are_held_than_are_kept(checkout, serve, monkeypatch):
    service, minutes = serve("forecast", "glucose"), 300 * MICROSECONDS
    for number in range(6):
        named = NamedSeries(f"s{number}", 1_770_000_000 * MICROSECONDS, minutes)
        service.ask(f"r{number}", tiny.history(), **{SERIES: named})
    service.log.stop()
    monkeypatch.setattr(settings, "collect", lambda dataset: Collect(rows=30))
    assert len(collect._gain("forecast", "glucose", read()).rows) <= 60
    assert collect.collect("forecast", "glucose").rows == 30
    names = {row["series"] for row in rows(checkout, "forecast", "glucose")}
    assert names == {"s4", "s5"}  # the youngest


def test_values_are_of_the_newest_request_of_an_id(checkout, serve):
    service, minutes = serve("forecast", "glucose"), 300 * MICROSECONDS
    for name in ("a", "b"):
        named = NamedSeries(name, 1_770_000_000 * MICROSECONDS, minutes)
        service.ask("r1", tiny.history(), **{SERIES: named})
    service.label("r1", values=[7.0])
    service.log.stop()
    collect.collect("forecast", "glucose")
    came = [row for row in rows(checkout, "forecast", "glucose") if row["value"] == 7.0]
    assert [row["series"] for row in came] == ["b"]


def test_of_trading_days_nobody_knows_the_times(checkout, serve):
    service = serve("forecast", "stocks")
    service.ask("r1", tiny.history(), **{SERIES: NamedSeries("a", 0, 86_400 * MICROSECONDS)})
    service.log.stop()
    assert collect.collect("forecast", "stocks").added == 0


def test_the_rule_counts_what_waits(home, tmp_path, monkeypatch):
    watched.champion(tmp_path / "fits" / "1")
    sent = '[{"image": ""}]'
    records = [watched.answered(number, input=sent) for number in range(30)]
    now = time.time_ns() // 1000
    watched.write(home, "requests", *(record | {"time": now} for record in records))
    watched.write(home, "labels", *(watched.labelled(number) for number in range(30)))
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(settings, "collect", lambda dataset: Collect())
    counted = []
    monkeypatch.setattr(retrain, "decide", lambda *of, **facts: counted.append(facts["labelled"]))
    monkeypatch.setattr(watch.drift, "of", lambda *of: watch.Signals())
    watch.judge("image", "digits", None, None, feedback.answers(feedback.stored()))
    assert counted == [30]


@pytest.mark.slow
def test_dvc_names_the_version_that_requests_make(checkout, serve):
    """Gate, splits and failures; forgotten again, the data is that of before."""
    before = commands.check("inbox")["dataset_hash"]
    old = splits(checkout, "inbox")
    assert commands.collect({"sentiment": "inbox"})[0]["dataset_hash"] is None
    service = serve("sentiment", "inbox")
    wrong = 0
    for number in range(60):
        [answer] = service.ask(f"r{number}", f"request number {number} is good")
        label = BAD if number % 3 else GOOD
        service.label(f"r{number}", label=label)
        wrong += answer["label"] != label
    service.log.stop()
    [grown] = commands.collect({"sentiment": "inbox"})
    assert (grown["added"], grown["rows"]) == (60, 60)
    assert grown["dataset_hash"] not in (None, before)
    new = splits(checkout, "inbox")
    for split, columns in old.items():
        assert columns["text"].tolist() == new[split]["text"][: len(columns["text"])].tolist()
        assert len(new[split]["text"]) > len(columns["text"])
        assert not new[split]["failure"][: len(columns["text"])].any()
    assert sum(one["failure"].sum() for one in new.values()) == wrong > 0
    facts = prepared.read(checkout.folder / prepared.PREPARED / "inbox").facts
    assert facts["collected"] == {name: int(one["collected"].sum()) for name, one in new.items()}
    [again] = commands.collect({"sentiment": "inbox"})
    assert (again["added"], again["dataset_hash"]) == (0, grown["dataset_hash"])
    assert not versions.source_changed("inbox")
    for number in range(60):
        forget.remove({"request_id": f"r{number}"})
    assert versions.source_changed("inbox")
    assert commands.check("inbox")["dataset_hash"] == before


@pytest.mark.slow
def test_pictures_of_requests_join_a_dataset_that_ships(checkout, serve):
    service = serve("image", "digits")
    draw = np.random.default_rng(0)
    for number in range(20):
        large = draw.integers(0, 256, (30, 20), dtype=np.uint8)
        service.ask(f"r{number}", file_of(large, "JPEG" if number % 2 else "PNG"))
        service.label(f"r{number}", label=str(number % 10))
    service.log.stop()
    [grown] = commands.collect({"image": "digits"})  # makes the version first, for the shape
    assert grown["rows"] == 20
    new = splits(checkout, "digits")
    assert sum(len(one["label"]) for one in new.values()) == 1817
    assert new["train"]["image"].shape[1:] == (8, 8, 1)
    names = classes.digests(new["test"]["image"])
    assert len(set(names)) == len(names)
