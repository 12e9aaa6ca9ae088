"""What the service keeps to under load: rates, durations, swaps, overload, kills.

    make bench-load                          (python -m benchmarks.load, about 7 minutes)
    python -m benchmarks.load swaps end      (some steps alone)

The whole product answers with the published champions (after `make run`), by `bentoml serve`;
needs `wrk`, which finds the saturation, at 16 connections. Where a rate is named, requests leave
at fixed times (open_loop.py) and are a picture, a text of 250 words and a series in turn.
"""

import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import open_loop, wrk
from benchmarks.champion_intervals import ChampionIntervals
from benchmarks.open_loop import Outcome, milliseconds, statuses
from benchmarks.serve import Asked, artifacts, raw
from benchmarks.served import Served, is_ready, served, until
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

RESULT = Path(__file__).parent / "load.json"
CONNECTIONS, SECONDS = 16, 5  # of wrk, to find the saturation
WORKERS = "BENTOML_CONFIG_OPTIONS"
WRK = """
local requests, number = {{}}, 0
for _, one in ipairs({{{requests}}}) do
  local file = io.open(one.body, "rb")
  local body = file:read("*a")
  file:close()
  local headers = {{["Host"] = "127.0.0.1", ["Content-Type"] = one.type}}
  table.insert(requests, wrk.format("POST", one.path, headers, body))
end
function request()
  number = number + 1
  return requests[number % #requests + 1]
end
"""


class Measured(NamedTuple):
    """A bar, what was asked, what was measured, and whether that keeps it."""

    bar: str
    asked: str
    measured: str
    kept: bool


def main(names: list[str]) -> None:
    environment.apply()
    wrk.require()
    for name in names:
        if name not in STEPS:
            raise SystemExit(f"There is no step {name!r}; the steps are {', '.join(STEPS)}.")
    told = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in names or STEPS:
        with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
            shutil.copytree(publish.folder(), publish.folder(Path(scratch)))
            rows = STEPS[name](Path(scratch))
        for row in rows:
            verdict = "kept" if row.kept else "NOT KEPT"
            console.out().print(f"{name}: {row.bar} ({row.asked}): {row.measured}: {verdict}")
        told[name] = [row._asdict() for row in rows]
        RESULT.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _asked(home: Path) -> list[Asked]:
    """A picture, a text and a series in turn; of the texts the service remembers the last few."""
    picture, words, history = raw(artifacts(home))
    asked = []
    for number in range(64):
        text = " ".join([str(number), *words])
        asked += [
            Asked("/v1/image", picture, "image/png"),
            Asked("/v1/sentiment", json.dumps({"text": text}).encode()),
            Asked("/v1/forecast", json.dumps({"history": history}).encode()),
        ]
    return asked


def _requests(home: Path) -> list[bytes]:
    return [open_loop.request(one.path, one.body, one.media_type) for one in _asked(home)]


def _saturation(url: str, home: Path) -> float:
    """Requests a second that 16 connections are answered."""
    told = []
    for number, asked in enumerate(_asked(home)):
        body = home / f"body-{number}"
        body.write_bytes(asked.body)
        told.append(f'{{path="{asked.path}", type="{asked.media_type}", body="{body}"}}')
    script = home / "post.lua"
    script.write_text(WRK.format(requests=", ".join(told)))
    return wrk.asked(url, CONNECTIONS, SECONDS, script)["requests_per_second"]


def start(home: Path) -> list[Measured]:
    """Cold start to readiness with three models, and the memory of the worker then."""
    took, megabytes = [], []
    for _ in range(3):
        began = time.monotonic()
        with served(home) as running:
            took.append(time.monotonic() - began)
            megabytes += [worker.memory_info().rss / 1e6 for worker in running.workers()]
    return [
        Measured("start to /readyz", "≤ 3 s", f"{_list(took)} s", statistics.median(took) <= 3),
        Measured("memory of a worker", "≤ 180 MB", f"{_list(megabytes)} MB", max(megabytes) <= 180),
    ]


def swaps(home: Path) -> list[Measured]:
    """200 swaps, every fifth a rollback, under 200 requests a second; with two workers too."""
    rows = []
    for workers in (1, 2):
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        with served(home, **{WORKERS: f"services.Espalier.workers={workers}"}) as running:
            if len(running.workers()) != workers:
                raise SystemExit(f"{len(running.workers())} workers run, not {workers}.")
            intervals = ChampionIntervals()
            for task in settings.TASKS:
                _publish(home, intervals, task, f"{task}-0")
            time.sleep(5)
            before = open_loop.drive(running.port, _requests(home), 200, 30, CONNECTIONS)
            during = _under_swaps(running, home, intervals, 200)
        failed = sum(one.status != 200 for one in during)
        usual, p99 = milliseconds(before, 99), milliseconds(during, 99)
        behind = max(intervals.behind(one) for one in during if one.status == 200)
        of = f"of {len(during):,} requests, {len(intervals.began)} versions"
        times = f"{p99 / usual:.1f} ×: {p99:.1f} and {usual:.1f} ms"
        rows += [
            Measured(f"failed in 200 swaps, {name}", "0", f"{failed} {of}", failed == 0),
            Measured(f"p99 in swaps, {name}", "≤ 2 × steady", times, p99 <= 2 * usual),
            Measured(f"oldest answer, {name}", "≤ 5 s", f"{behind:.2f} s", behind <= 5),
        ]
    return rows


def _under_swaps(
    running: Served, home: Path, intervals: ChampionIntervals, count: int
) -> list[Outcome]:
    going_on, outcomes = threading.Event(), []
    load = (running.port, _requests(home), 200, 3600, CONNECTIONS)

    def ask() -> None:
        outcomes.extend(open_loop.drive(*load, lambda: not going_on.is_set()))

    asker = threading.Thread(target=ask)
    asker.start()
    for number in range(1, count + 1):
        task = settings.TASKS[number % len(settings.TASKS)]
        before = number - len(settings.TASKS)
        version = f"{task}-{before - 3 if number % 5 == 0 and before > 3 else number}"
        _publish(home, intervals, task, version)
        time.sleep(0.5)
    time.sleep(6)  # whoever converges late is seen
    going_on.set()
    asker.join()
    return outcomes


def _publish(home: Path, intervals: ChampionIntervals, task: str, version: str) -> None:
    """Make `version` the champion, by the artifact that is there."""
    pointer = publish.folder(home) / f"{task}.json"
    beside = pointer.with_suffix(".next")
    beside.write_text(json.dumps(json.loads(pointer.read_text()) | {"version": version}))
    intervals.follow(task, version)
    beside.replace(pointer)


def overload(home: Path, seconds: float = 60) -> list[Measured]:
    """Twice the saturation for a minute, or as much of that as the driver can offer."""
    with served(home) as running:
        rate = _saturation(running.url, home)
        outcomes = open_loop.drive(running.port, _requests(home), 2 * rate, seconds, 256)
        time.sleep(5)
        after = open_loop.drive(running.port, _requests(home), 100, 1, CONNECTIONS)
    counts = statuses(outcomes)
    took = outcomes[-1].answered - outcomes[0].sent
    goodput, p99 = counts.get(200, 0) / took / rate, milliseconds(outcomes, 99)
    offered = f"{counts} at {len(outcomes) / took:,.0f}/s, the saturation is {rate:,.0f}/s"
    kept = set(counts) <= {200, 429, 503}
    return [
        Measured("statuses under overload", "200, 429, 503", offered, kept),
        Measured("goodput", "≥ 0.8 of the saturation", f"{goodput:.2f}", goodput >= 0.8),
        Measured("p99 of the admitted", "≤ 250 ms", f"{p99:.0f} ms", p99 <= 250),
        Measured("5 s later", "200 alone", f"{statuses(after)}", set(statuses(after)) == {200}),
    ]


def end(home: Path) -> list[Measured]:
    """A worker killed under load; tests/deploy/test_nginx.py ends services under load."""
    with served(home) as running:
        back = [_kill(running) for _ in range(3)]
    return [Measured("killed worker is back", "≤ 20 s", f"{_list(back)} s", max(back) <= 20)]


def _kill(running: Served) -> float:
    time.sleep(2)
    (worker,) = running.workers()
    worker.kill()
    time.sleep(0.1)
    return 0.1 + until(lambda: is_ready(running.url), 60)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


STEPS = {"start": start, "swaps": swaps, "overload": overload, "end": end}

if __name__ == "__main__":
    main(sys.argv[1:])
