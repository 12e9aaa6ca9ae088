"""The bounds of asking a challenger: how many requests wait, how much of a core it takes."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import tiny
from project import until
from prometheus_client import REGISTRY
from starlette.requests import Request

from models.inputs.texts import TextInputs
from serving.champions.loading import load
from serving.http.admission import InFlight
from serving.http.bodies import Uploads
from serving.http.request_id import BEGAN, REQUEST_ID
from serving.inference.loaded_model import TENSOR, Model
from serving.inference.trial import (
    BUSY_SECONDS,
    CORE_SHARE,
    DROPPED,
    MAX_WAITING,
    TIMED,
    WAIT_SECONDS,
    Answered,
    Challenger,
    Trials,
    _size,
    now,
)

TEXTS = ["good"]


class Records(list):
    """What the request log was given."""

    def record(self, request, model, task, inputs, answers, *, signals, challenger, at) -> None:
        second = challenger and challenger[0].pointer.version
        self.append((request.scope[REQUEST_ID], model.pointer.version, second, at))


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight(Uploads())


@pytest.fixture
def trials(records, in_flight) -> Iterator[Trials]:
    trials = Trials(records.record, in_flight)
    yield trials
    trials.stop()


@pytest.fixture(scope="module")
def champion(tmp_path_factory) -> Model:
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "sentiment")
    return load(home / "published" / "sentiment.json", "sentiment")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Model:
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "image")
    return load(home / "published" / "image.json", "image")


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Model:
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "forecast")
    return load(home / "published" / "forecast.json", "forecast")


def challenger(champion: Model, before) -> Challenger:
    """The champion under another version; before: called before each answer."""

    def run(tensor):
        before()
        return champion.run(tensor)

    pointer = champion.pointer.model_copy(update={"version": "2", "share": 0})
    return Challenger(replace(champion, pointer=pointer, run=run), champion)


def answer(champion: Model, number: int = 0) -> Answered:
    """A request that the champion has answered."""
    request = Request({"type": "http", REQUEST_ID: f"r{number}", BEGAN: time.perf_counter()})
    answers = champion.predict(TEXTS)
    return Answered(request, "sentiment", TEXTS, answers, {}, None, None, now(request))


def offer(trials: Trials, one: Challenger, count: int) -> None:
    """Have a shadow asked what so many requests asked."""
    for number in range(count):
        trials.shadow(one, answer(one.champion, number))


class Broken:
    """A model's graph that fails from a turn on; `turn` is how often it was asked."""

    def __init__(self, model: Model, first: int):
        self.model, self.first, self.turn = model, first, 0

    def __call__(self, tensor):
        self.turn += 1
        if self.turn >= self.first:
            raise RuntimeError("An operator failed.")
        return self.model.run(tensor)


def dropped() -> float:
    return REGISTRY.get_sample_value(f"{DROPPED}_total") or 0


def test_more_than_may_wait_are_dropped_and_logged_nonetheless(trials, records, champion):
    goes_on, before = threading.Event(), dropped()
    one = challenger(champion, goes_on.wait)
    offer(trials, one, 1)
    until(lambda: trials._waiting.empty(), "the first to be asked")
    offer(trials, one, MAX_WAITING + 10)
    assert dropped() == before + 10
    assert [second for *_, second, _ in records] == [None] * 10
    goes_on.set()
    trials.stop()
    assert len(records) == 1 + MAX_WAITING + 10


def test_at_the_end_what_waits_is_logged_and_asked_no_more(trials, records, champion):
    asked = []

    def ask() -> None:
        asked.append(1)
        time.sleep(0.2)

    one = challenger(champion, ask)
    offer(trials, one, 20)
    trials.stop()
    assert len(asked) < 20
    assert len(records) == 20
    assert {number for number, *_ in records} == {f"r{number}" for number in range(20)}
    offer(trials, one, 1)  # whoever is answered still
    assert len(records) == 21


def test_the_time_on_record_is_that_of_the_answer(trials, records, champion):
    began = time.perf_counter()
    offer(trials, challenger(champion, lambda: time.sleep(0.3)), 1)
    until(lambda: records, "a record")
    [(_, version, second, (_, seconds))] = records
    assert (version, second) == ("1", "2")
    assert seconds < time.perf_counter() - began - 0.3


@pytest.mark.parametrize(("first", "second"), [(1, None), (2, "1"), (3, "1")])
def test_where_the_champion_fails_the_canary_is_logged_and_goes_on(
    trials, records, champion, caplog, first, second
):
    one = challenger(champion, lambda: None)
    one.champion = replace(champion, run=Broken(champion, first))
    trials.answered(one, answer(champion))
    until(lambda: records, "a record")
    assert [(version, other) for _, version, other, _ in records] == [("2", second)]
    assert one.out is None
    assert not caplog.records


def test_where_the_champion_fails_while_it_is_timed_the_shadow_is_not_blamed(
    trials, records, champion, caplog
):
    one = challenger(champion, lambda: None)
    one.champion = replace(champion, run=Broken(champion, 3))  # the first turn is the answer's
    offer(trials, one, 2)
    until(lambda: len(records) == 2, "both records")
    assert [second for *_, second, _ in records] == ["2", "2"]
    assert (one.out, one.timed) == (None, 0)
    assert not caplog.records


def test_a_challenger_that_fails_while_it_is_timed_is_taken_out(trials, records, champion, caplog):
    one = challenger(champion, lambda: None)
    one.model = replace(one.model, run=Broken(champion, 2))
    offer(trials, one, 1)
    until(lambda: records, "a record")
    assert one.out == "it failed where the champion answers: internal_error"
    assert "An operator failed." in caplog.text  # the log says how; a client is not told
    offer(trials, one, 1)
    trials.stop()
    assert [second for *_, second, _ in records] == ["2", None]


def test_what_waits_takes_no_more_memory_than_is_counted():
    for text in ("a" * 5000, "é" * 5000, "😀" * 5000):
        assert _size([text]) > sys.getsizeof(text) - 100
    values = [number / 3 for number in range(5000)]
    held = sys.getsizeof(values) + sum(map(sys.getsizeof, values))
    assert _size([values]) > held * 0.95
    assert _size([b"bytes"]) == 5


def test_it_takes_a_share_of_a_core(trials, records, champion, monkeypatch):
    monkeypatch.setattr("serving.inference.trial.WAIT_SECONDS", 60)
    used, began = [], time.monotonic()

    def compute() -> None:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        used.append(0.01)

    rests: list[float] = []  # a busy machine alone would keep the share of a thread small

    class Noted(threading.Event):
        def wait(self, timeout=None):
            rests.append(timeout)
            return super().wait(timeout)

    trials._ending = Noted()
    offer(trials, challenger(champion, compute), 10)
    until(lambda: len(records) == 10, "ten records")
    assert len(used) == 10 * 3  # of the first requests it is timed too: twice more
    # All but the last one is followed by a rest, of which a busy machine takes a part.
    assert sum(rests) > sum(used[:-3]) * (1 / CORE_SHARE - 1) / 2
    assert sum(used[:-3]) / (time.monotonic() - began - sum(used[-3:])) < CORE_SHARE


def test_it_is_asked_while_nobody_is_answered_or_else_now_and_then(
    trials, records, in_flight, champion, monkeypatch
):
    monkeypatch.setattr("serving.inference.trial.WAIT_SECONDS", 60)
    in_flight.admitted, asked = 1, []
    one = challenger(champion, lambda: asked.append(time.monotonic()))
    one.timed = one.asked = 1000  # it is not timed
    for count in (1, 2):
        offered = time.monotonic()
        offer(trials, one, 1)
        until(lambda count=count: len(records) == count, "a record")
        assert asked[-1] - offered >= BUSY_SECONDS
        time.sleep(BUSY_SECONDS)  # what was before a request does not count
    monkeypatch.setattr("serving.inference.trial.BUSY_SECONDS", 60)
    offer(trials, one, 1)
    in_flight.admitted = 0
    until(lambda: len(records) == 3, "a record of the third")
    assert [second for *_, second, _ in records] == ["2"] * 3


def test_a_timing_whose_request_waited_too_long_is_made_of_a_later_one(
    trials, records, in_flight, champion, monkeypatch
):
    monkeypatch.setattr("serving.inference.trial.BUSY_SECONDS", 60)
    monkeypatch.setattr("serving.inference.trial.WAIT_SECONDS", 0)
    one, in_flight.admitted = challenger(champion, lambda: None), 1
    for number in range(TIMED + 1):
        trials.answered(one, answer(champion, number))
        until(lambda count=number + 1: len(records) == count, "a record")
    assert (one.timed, {second for *_, second, _ in records}) == (0, {None})
    monkeypatch.setattr("serving.inference.trial.WAIT_SECONDS", 60)
    in_flight.admitted = 0
    trials.answered(one, answer(champion, TIMED + 1))
    until(lambda: len(records) == TIMED + 2, "a record of the last")
    assert (one.timed, records[-1][2]) == (1, "1")


def test_what_waits_keeps_no_batch_in_memory(pictures):
    [first, *_] = pictures.predict([tiny.picture()] * 32, measured=32)
    given = Answered(None, "image", [b""], [], {}, None, first[TENSOR], (0, 0.0))
    assert given.tensor.base is None
    assert given.bytes == given.tensor.nbytes == 8 * 8 * 4
    np.testing.assert_array_equal(given.tensor, first[TENSOR])


def test_what_waits_too_long_is_logged_without_having_been_asked(trials, records, champion):
    before, rest = dropped(), WAIT_SECONDS / 2

    def compute() -> None:  # for a rest that is longer than anything may wait
        end = time.thread_time() + rest
        while time.thread_time() < end:
            pass

    one = challenger(champion, compute)
    one.timed = one.asked = 1000
    offer(trials, one, 5)
    until(lambda: len(records) == 5, "all records")
    assert [second for *_, second, _ in records] == ["2"] + [None] * 4
    assert dropped() == before + 4


def test_what_reads_otherwise_reads_for_itself(pictures):
    model = replace(pictures, inputs=replace(pictures.inputs, height=9, width=9))
    assert not Challenger(model, pictures).alike
    weighed = replace(pictures, inputs=replace(pictures.inputs, weights=(2.0,) + (1.0,) * 9))
    assert Challenger(weighed, pictures).alike
    given = Answered(None, "image", [tiny.picture()], [], {}, None, np.zeros((1, 2)), (0, 0.0))
    other = Challenger(replace(pictures, inputs=replace(pictures.inputs, channels=3)), pictures)
    assert other.predict(pictures, given) == pictures.predict(given.inputs)


def test_texts_are_read_alike_where_both_know_the_same_pairs_of_words(champion):
    def knowing(*pairs: list[tuple[int, int]]) -> Model:
        parts = [replace(champion.inputs, pairs=np.array(each, np.int32)) for each in pairs]
        return replace(champion, inputs=parts[0] if len(parts) == 1 else TextInputs.beside(parts))

    first, other, text = [(2, 3), (4, 5)], [(2, 3), (4, 6)], ["Good great, fine awful."]
    for ours, theirs in (([first], [other]), ([first, first], [first, other])):
        one, two = knowing(*ours), knowing(*theirs)
        assert one.reads_as(knowing(*ours))
        assert not one.reads_as(two)
        assert (one.inputs.to_tensor(text) != two.inputs.to_tensor(text)).any()


def test_series_are_read_alike_whatever_their_intervals_are(series):
    def other(**fields) -> Model:
        return replace(series, inputs=replace(series.inputs, **fields))

    wider = other(radii=series.inputs.radii * 2)
    assert wider.reads_as(series)
    assert wider.predict([tiny.history()]) == wider.predict(
        [tiny.history()], tensor=series.inputs.to_tensor([tiny.history()])
    )
    assert not other(mean=7.0).reads_as(series)
    assert not other(by_window=True).reads_as(series)


def test_a_canary_has_its_share_of_keys_and_each_version_others(champion):
    def taken(version: str, share: int) -> set[int]:
        pointer = champion.pointer.model_copy(update={"version": version, "share": share})
        one = Challenger(replace(champion, pointer=pointer), champion)
        return {key for key in range(10_000) if one.answers(str(key))}

    first, second = taken("2", 10), taken("3", 10)
    assert 900 < len(first) < 1100
    assert len(first & second) < 200  # a tenth of a tenth
    assert first < taken("2", 20)
    assert taken("2", 0) == set()
