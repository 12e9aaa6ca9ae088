"""Real servers under requests that leave at fixed times: swaps, kills, an end, too many of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import orjson
import pytest
import tiny
from metrics_page import told

from benchmarks.champion_intervals import ChampionIntervals
from benchmarks.open_loop import Outcome, drive, request, statuses
from benchmarks.served import workers_of

pytestmark = pytest.mark.slow

REQUESTS = [
    request("/v1/image", tiny.picture(), "image/png"),
    request("/v1/sentiment", orjson.dumps({"text": "a good, great film"})),
    request("/v1/forecast", orjson.dumps({"history": tiny.history()})),
]
TASKS = tuple(tiny.REQUESTS)
BEHIND_SECONDS = 5


@contextmanager
def asked(server, rate: float, connections: int = 16) -> Iterator[list[Outcome]]:
    """Requests for the time of the block, and what became of them once it is left."""
    outcomes, done = [], threading.Event()

    def ask() -> None:
        going_on = lambda: not done.is_set()  # noqa: E731
        outcomes.extend(drive(server.port, REQUESTS, rate, 60, connections, going_on))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield outcomes
    finally:
        done.set()
        asker.join()


def follow(server, intervals: ChampionIntervals, count: int) -> bool:
    """Say whether each of so many workers has taken in the champions, by what it says itself."""
    said = server.log.read_text().splitlines()
    for worker, task in product(range(1, count + 1), TASKS):
        took = [line for line in said if f"Espalier:{worker}] Serving {task}:" in line]
        if not took or not took[-1].endswith(f" version {intervals.champions[task]}"):
            return False
    return True


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def swapped(request, fresh_server, tmp_path) -> tuple[ChampionIntervals, list[Outcome]]:
    """What became of requests while champions changed, each task's in turn, and went back."""
    intervals = ChampionIntervals()
    home = tmp_path / "home"
    for task in TASKS:
        intervals.follow(task, f"{task}-0")
        tiny.publish(home, task, f"{task}-0")
    options = f"services.Espalier.workers={request.param}"
    server = fresh_server(home, BENTOML_CONFIG_OPTIONS=options)
    server.wait(lambda: server.ready() and len(workers_of(server.process.pid)) == request.param)
    server.wait(lambda: follow(server, intervals, request.param))
    with asked(server, 100) as outcomes:
        for number in range(1, 21):
            for task in TASKS:
                swap(home, intervals, task, number)
                time.sleep(0.15)
        server.wait(lambda: follow(server, intervals, request.param), BEHIND_SECONDS)
        time.sleep(1)
    return intervals, outcomes


def swap(home: Path, intervals: ChampionIntervals, task: str, number: int) -> None:
    """Publish another model, or every fourth time the one before the champion again."""
    if number % 4 == 0:
        number -= 2
    intervals.follow(task, f"{task}-{number}")
    tiny.publish(home, task, f"{task}-{number}", seed=number)


def test_swaps_and_rollbacks_fail_nobody_and_every_worker_follows(swapped):
    intervals, outcomes = swapped
    assert set(statuses(outcomes)) == {200}
    assert max(intervals.behind(one) for one in outcomes) < BEHIND_SECONDS
    # Not merely the first and the last ones answered: swaps were taken as they came.
    assert len({one.version for one in outcomes}) > len(TASKS) * 10


def test_a_killed_worker_is_replaced(fresh_server, home):
    server = fresh_server(home)
    server.wait(server.ready)
    (worker,) = workers_of(server.process.pid)
    with asked(server, 50) as outcomes:
        time.sleep(1)
        worker.kill()
        killed = time.monotonic()
        server.wait(lambda: server.log.read_text().count("Service Espalier initialized") == 2)
        server.wait(server.ready)
        time.sleep(1)
    assert {one.status for one in outcomes if one.answered < killed} == {200}
    assert outcomes[-1].status == 200
    lost = [one for one in outcomes if one.status != 200]
    # Who is not answered was on a connection that the worker had: who comes anew waits.
    assert len(lost) <= 16


def test_more_than_can_be_answered_are_told_so_at_once(fresh_server, home):
    server = fresh_server(home)
    server.wait(server.ready)
    with asked(server, 20_000, connections=200) as outcomes:
        time.sleep(5)
        healthy = [server.client.get("/readyz").status_code for _ in range(20)]
    assert set(healthy) == {200}
    found = statuses(outcomes)
    assert found.keys() == {200, 429}
    server.wait(lambda: all(post(server) == 200 for _ in range(20)), seconds=5)
    page = server.client.get("/metrics").text
    counted = {
        status: sum(told(page, "request_total", f"/v1/{task}", status) for task in TASKS)
        for status in (200, 429)
    }
    assert counted[429] == found[429]
    assert counted[200] >= found[200]


def post(server) -> int:
    return server.client.post("/v1/forecast", json={"history": tiny.history()}).status_code


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    for task in TASKS:
        tiny.publish(folder, task)
    return folder
