"""What the service keeps to under load: rates, durations, swaps, overload, kills.

    make bench-load                          (python -m benchmarks.load, about 25 minutes)
    python -m benchmarks.load swaps end      (some steps alone)

The whole product answers with the published champions (after `make run`), by `bentoml serve`;
needs `wrk`, which finds the saturation, at 16 connections. Where a rate is named, requests leave
at fixed times (open_loop.py) and are a picture, a text of 250 words and a series in turn.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
from rich.table import Table

from benchmarks import open_loop
from benchmarks.open_loop import Outcome, milliseconds, statuses
from benchmarks.reigns import Reigns
from benchmarks.serve import WORDS, Asked
from models import artifact
from pipelines import console, environment, leash, publish, service, settings

RESULT = Path(__file__).parent / "load.json"
CONNECTIONS, SECONDS = 16, 5  # of wrk, for one look at the saturation
TEXTS = 64
WORKERS = "BENTOML_CONFIG_OPTIONS"
WRK = """
local requests, number = {{}}, 0
for _, one in ipairs({{{requests}}}) do
  local file = io.open(one.body, "rb")
  local body = file:read("*a")
  file:close()
  local headers = {{["Content-Type"] = one.type}}
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
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed: apt-get install wrk, or the like")
    for name in names:
        if name not in STEPS:
            raise SystemExit(f"There is no step {name!r}; the steps are {', '.join(STEPS)}.")
    told = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in names or STEPS:
        with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
            shutil.copytree(publish.folder(), publish.folder(Path(scratch)))
            rows = STEPS[name](Path(scratch))
        console.out().print(_table(name, rows))
        told[name] = [row._asdict() for row in rows]
        RESULT.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


class Service:
    """The service in a process of its own."""

    def __init__(self, home: Path, process: subprocess.Popen, port: int):
        self.home, self.process, self.port = home, process, port
        self.url = f"http://127.0.0.1:{port}"

    def supervisor(self) -> psutil.Process:
        return next(one for one in self._family() if "serve" in one.cmdline())

    def workers(self) -> list[psutil.Process]:
        return [one for one in self._family() if "_bentoml_impl.worker.service" in one.cmdline()]

    def _family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pauses(self) -> list[float]:
        """Milliseconds of each pause of the one worker's garbage collector since its start."""
        (worker,) = self.workers()
        lines = (self.home / str(worker.pid)).read_text().splitlines()
        return [float(line.split()[1]) for line in lines]


@contextmanager
def _running(home: Path, target: str = "benchmarks.watched:Espalier", **variables: str):
    """The service once it is ready, for the time of the block."""
    port = service.free_port()
    known = {"ESPALIER_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
    known |= {"PAUSES": str(home), "PYTHONPATH": str(environment.ROOT)}
    log = environment.home() / "logs" / "bench-load.log"
    command, everything = service.command(target, port), os.environ | known | variables
    with leash.started(command, log, cwd=environment.ROOT, env=everything) as process:
        running = Service(home, process, port)
        until(lambda: _ready(running.url), 60)
        yield running


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until `condition` holds; returns how long that took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise SystemExit(f"It was not so within {seconds} s.")
        time.sleep(0.01)
    return time.monotonic() - start


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def _asked(home: Path) -> list[Asked]:
    """A picture, a text and a series in turn; of the texts the service remembers the last few."""
    folder = publish.folder(home)
    folders = {task: folder / publish.read(task, home)["artifact"] for task in settings.TASKS}
    golden = {task: artifact.read_golden(place) for task, place in folders.items()}
    picture = base64.b64decode(golden["image"][0]["request"]["image"])
    words = " ".join(case["request"]["text"] for case in golden["sentiment"]).split()
    length = artifact.read_inputs(folders["forecast"]).history
    history = {"history": golden["forecast"][0]["request"]["history"][-length:]}
    asked = []
    for number in range(TEXTS):
        text = " ".join([str(number), *(words * WORDS)[: WORDS - 1]])
        asked += [
            Asked("/v1/image", picture, "image/png"),
            Asked("/v1/sentiment", json.dumps({"text": text}).encode()),
            Asked("/v1/forecast", json.dumps(history).encode()),
        ]
    return asked


def _requests(home: Path) -> list[bytes]:
    return [open_loop.request(one.path, one.body, one.media_type) for one in _asked(home)]


def _saturation(url: str, home: Path, seconds: int = SECONDS) -> tuple[float, float]:
    """Requests a second that 16 connections are answered, and the milliseconds of 99 % of them."""
    told = []
    for number, asked in enumerate(_asked(home)):
        body = home / f"body-{number}"
        body.write_bytes(asked.body)
        told.append(f'{{path="{asked.path}", type="{asked.media_type}", body="{body}"}}')
    script = home / "post.lua"
    script.write_text(WRK.format(requests=", ".join(told)))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"The service did not answer every request: {said}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), p99


def start(home: Path) -> list[Measured]:
    """Cold start to readiness with three models, and the memory of the worker then."""
    took, megabytes = [], []
    for _ in range(3):
        began = time.monotonic()
        with _running(home, service.CHECKOUT) as running:
            took.append(time.monotonic() - began)
            megabytes += [worker.memory_info().rss / 1e6 for worker in running.workers()]
    return [
        Measured("start to /readyz", "≤ 3 s", f"{_list(took)} s", min(took) <= 3),
        Measured("memory of a worker", "≤ 180 MB", f"{_list(megabytes)} MB", max(megabytes) <= 180),
    ]


def steady(home: Path, seconds: float = 600) -> list[Measured]:
    """Half the saturation load for ten minutes, beside what a bare server does for one."""
    with _running(home) as running:
        rate = _saturation(running.url, home)[0] / 2
        before = len(running.pauses())  # those of the start hold nobody up
        outcomes = open_loop.drive(running.port, _requests(home), rate, seconds)
        pauses = running.pauses()[before:]
    p50, p99 = milliseconds(outcomes, 50), milliseconds(outcomes, 99)
    with _bare(home) as (url, port):
        bare_rate = _saturation(url, home)[0] / 2
        bare = open_loop.drive(port, _requests(home), bare_rate, seconds / 10)
    bare_ratio = milliseconds(bare, 99) / milliseconds(bare, 50)
    longest = max(pauses, default=0.0)
    paused = f"{longest:.1f} ms, the longest of {len(pauses)}"
    said = f"{p99 / p50:.1f} ×: {p50:.2f} and {p99:.2f} ms at {rate:,.0f}/s, {statuses(outcomes)}"
    said += f"; bare server {bare_ratio:.1f} × at {bare_rate:,.0f}/s"
    kept = p99 <= 5 * p50 and set(statuses(outcomes)) == {200}
    return [
        Measured("p99 at half the saturation", "≤ 5 × p50", said, kept),
        Measured("pause of the collector", "≤ 10 ms", paused, longest <= 10),
    ]


@contextmanager
def _bare(home: Path) -> Iterator[tuple[str, int]]:
    """The bare Starlette app of benchmarks/rivals around the same graphs."""
    port, folder = service.free_port(), publish.folder(home)
    folders = {task: str(folder / publish.read(task, home)["artifact"]) for task in settings.TASKS}
    command = [sys.executable, "-m", "uvicorn", "benchmarks.rivals.bare:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    log = environment.home() / "logs" / "bench-load.log"
    variables = os.environ | {"MODELS": json.dumps(folders)}
    url = f"http://127.0.0.1:{port}"
    with leash.started(command, log, cwd=environment.ROOT, env=variables):
        until(lambda: _listens(url), 30)
        yield url, port


def _listens(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 404
    except httpx.TransportError:
        return False


def memory(home: Path, requests: int = 500_000) -> list[Measured]:
    """Memory and descriptors of the worker over half a million requests, as fast as they go."""
    with _running(home, service.CHECKOUT) as running:
        (worker,) = running.workers()
        _saturation(running.url, home)  # what is allocated once is there then
        time.sleep(1)  # until its connections are closed
        before, files = worker.memory_info().rss, worker.num_fds()
        answered = 0.0
        while answered < requests:
            answered += 30 * _saturation(running.url, home, 30)[0]
        time.sleep(1)
        grown, opened = (worker.memory_info().rss - before) / 1e6, worker.num_fds() - files
    said = f"{grown:+.1f} MB from {before / 1e6:.0f}, over {answered:,.0f} requests"
    return [
        Measured("memory over 500,000 requests", "< 20 MB more", said, grown < 20),
        Measured("file descriptors", "none more", f"{opened:+d} from {files}", opened <= 0),
    ]


def swaps(home: Path) -> list[Measured]:
    """200 swaps, every fifth a rollback, under 200 requests a second; with two workers too."""
    rows = []
    for workers in (1, 2):
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        with _running(home, **{WORKERS: f"services.Espalier.workers={workers}"}) as running:
            if len(running.workers()) != workers:
                raise SystemExit(f"{len(running.workers())} workers run, not {workers}.")
            reigns = Reigns()
            for task in settings.TASKS:
                _publish(home, reigns, task, f"{task}-0")
            time.sleep(5)
            before = open_loop.drive(running.port, _requests(home), 200, 30, CONNECTIONS)
            during = _under_swaps(running, home, reigns, 200)
        failed = sum(one.status != 200 for one in during)
        usual, p99 = milliseconds(before, 99), milliseconds(during, 99)
        behind = max(reigns.behind(one) for one in during if one.status == 200)
        of = f"of {len(during):,} requests, {len(reigns.began)} versions"
        times = f"{p99 / usual:.1f} ×: {p99:.1f} and {usual:.1f} ms"
        rows += [
            Measured(f"failed in 200 swaps, {name}", "0", f"{failed} {of}", failed == 0),
            Measured(f"p99 in swaps, {name}", "≤ 2 × steady", times, p99 <= 2 * usual),
            Measured(f"oldest answer, {name}", "≤ 5 s", f"{behind:.2f} s", behind <= 5),
        ]
    return rows


def _under_swaps(running: Service, home: Path, reigns: Reigns, count: int) -> list[Outcome]:
    going_on, outcomes = threading.Event(), []

    def ask() -> None:
        outcomes.extend(
            open_loop.drive(
                running.port,
                _requests(home),
                200,
                3600,
                CONNECTIONS,
                lambda: not going_on.is_set(),
            )
        )

    asker = threading.Thread(target=ask)
    asker.start()
    for number in range(1, count + 1):
        task = settings.TASKS[number % len(settings.TASKS)]
        before = number - len(settings.TASKS)
        version = f"{task}-{before - 3 if number % 5 == 0 and before > 3 else number}"
        _publish(home, reigns, task, version)
        time.sleep(0.5)
    time.sleep(6)  # whoever converges late is seen
    going_on.set()
    asker.join()
    return outcomes


def _publish(home: Path, reigns: Reigns, task: str, version: str) -> None:
    """Make `version` the champion, by the artifact that is there."""
    pointer = publish.folder(home) / f"{task}.json"
    beside = pointer.with_suffix(".next")
    beside.write_text(json.dumps(json.loads(pointer.read_text()) | {"version": version}))
    reigns.follow(task, version)
    beside.replace(pointer)


def overload(home: Path, seconds: float = 60) -> list[Measured]:
    """Four times the saturation for a minute, or as much of that as the driver can offer."""
    with _running(home, service.CHECKOUT) as running:
        rate, nominal = _saturation(running.url, home)
        outcomes = open_loop.drive(running.port, _requests(home), 4 * rate, seconds, 256)
        recovered = _recovery(running, home, nominal)
    known = statuses(outcomes)
    offered = len(outcomes) / (outcomes[-1].sent - outcomes[0].sent)
    p99 = milliseconds(outcomes, 99)
    # The driver itself falls behind, and where all connections are busy nothing can be sent.
    sent = milliseconds([one._replace(due=one.sent) for one in outcomes], 99)
    said = f"{known} at {offered:,.0f}/s, {offered / rate:.1f} × the saturation"
    times = f"{p99 / nominal:.1f} ×: {p99:.0f} and {nominal:.0f} ms; {sent:.0f} once it is sent"
    return [
        Measured("statuses under overload", "200, 429, 503", said, set(known) <= {200, 429, 503}),
        Measured("p99 of the accepted", "≤ 2 × nominal", times, p99 <= 2 * nominal),
        Measured("recovered", "≤ 5 s", f"{recovered} s", recovered <= 5),
    ]


def _recovery(running: Service, home: Path, nominal: float) -> int:
    """After how many seconds 100 requests a second are all answered within the nominal p99."""
    for second in range(30):
        answers = open_loop.drive(running.port, _requests(home), 100, 1, CONNECTIONS)
        if set(statuses(answers)) == {200} and milliseconds(answers, 95) <= nominal:
            return second
    return 30


def end(home: Path) -> list[Measured]:
    """A worker killed under load, and a service ended under load."""
    with _running(home, service.CHECKOUT) as running:
        back = [_kill(running) for _ in range(3)]
    home_two = home / "two"
    shutil.copytree(publish.folder(home), publish.folder(home_two))
    with _running(home_two, service.CHECKOUT) as running:
        outcomes: list[Outcome] = []
        asked = (running.port, _requests(home_two), 400, 4, 32)
        asker = threading.Thread(target=lambda: outcomes.extend(open_loop.drive(*asked)))
        asker.start()
        time.sleep(2)
        running.supervisor().terminate()
        asker.join()
    known = statuses(outcomes)
    kept = set(known) == {200, open_loop.REFUSED}
    said = f"{known}; {open_loop.REFUSED} stands for a connection refused afterwards"
    return [
        Measured("killed worker is back", "≤ 10 s", f"{_list(back)} s", max(back) <= 10),
        Measured("dropped at SIGTERM", "0", said, kept),
    ]


def _kill(running: Service) -> float:
    time.sleep(2)
    (worker,) = running.workers()
    worker.kill()
    time.sleep(0.1)
    return 0.1 + until(lambda: _ready(running.url), 60)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _table(name: str, rows: list[Measured]) -> Table:
    table = Table(title=name, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("bar", "asked", "kept", "measured"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.bar, row.asked, "yes" if row.kept else "NO", row.measured)
    return table


STEPS = {
    "start": start,
    "steady": steady,
    "memory": memory,
    "swaps": swaps,
    "overload": overload,
    "end": end,
}

if __name__ == "__main__":
    main(sys.argv[1:])
