"""How fast and at what memory the service refuses what strangers send.

    python -m benchmarks.refusals        (after `make run`)

Each request of `hostile.py` goes to a service of its own five times, on a new connection each. The
time is from the last byte sent to the first of the answer; the memory that of the worker after all
five, and at its highest during them, beside that before them. Then 200 uploads that never end are
held open while a client goes on asking.
"""

import shutil
import socket
import statistics
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import psutil
from rich.table import Table

from benchmarks.hostile import Hostile, requests
from benchmarks.served import Served, served
from pipelines.release import publish
from pipelines.runtime import console, environment

TRIES = 5
SLOW_UPLOADS, SLOW_SECONDS = 200, 20  # the service gives an upload 15 s


def main() -> None:
    environment.apply()
    with (
        tempfile.TemporaryDirectory(prefix="espalier-") as scratch,
        socket.create_server(("127.0.0.1", 0)) as trap,
        _published(Path(scratch)) as running,
    ):
        port, (worker,) = running.port, running.workers()
        asked = list(requests(f"127.0.0.1:{trap.getsockname()[1]}"))
        _measure(asked[0], port, worker)  # the first of all finds a cold server
        before = _megabytes(worker)
        table = _table([_measure(one, port, worker) for one in asked])
        console.out().print(table)
        given_up, answered, share = slow_uploads(port)
        grown = _megabytes(worker) - before
        console.out().print(
            f"{len(asked)} requests, {caught(trap)} connections to the URLs in them. "
            f"{given_up} of {SLOW_UPLOADS} slow uploads got 408 or 429; of {answered:,} requests "
            f"meanwhile {share:.2%} were answered. The worker grew by {grown:.0f} MB in all."
        )


def _published(home: Path) -> AbstractContextManager[Served]:
    """Serve a copy of what is published."""
    shutil.copytree(publish.folder(), publish.folder(home))
    return served(home)


def refused(one: Hostile, port: int) -> tuple[float, int, bytes]:
    """Send a request; returns the seconds to the answer, its status and its beginning."""
    head = [f"POST {one.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(one.body)}"]
    head += [f"{name}: {value}" for name, value in one.headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "\r\n"]).encode() + one.body)
        began = time.perf_counter()
        answer = connection.recv(1 << 16)
        return time.perf_counter() - began, int(answer[9:12]), answer


def _measure(one: Hostile, port: int, worker: psutil.Process) -> list:
    """Return a row of the table."""
    before = _megabytes(worker)
    forget_highest(worker)
    seconds, statuses, _ = zip(*(refused(one, port) for _ in range(TRIES)), strict=True)
    kept, peak = _megabytes(worker) - before, highest_megabytes(worker) - before
    times = statistics.median(seconds) * 1000, max(seconds) * 1000
    return [one.path, one.what, len(one.body), *set(statuses), *times, kept, peak]


def forget_highest(process: psutil.Process) -> None:
    """Let the highest memory of the process be that from now on."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def highest_megabytes(process: psutil.Process) -> float:
    """The highest resident memory of the process, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _megabytes(worker: psutil.Process) -> float:
    return worker.memory_info().rss / 2**20


def _table(rows: list[list]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("path", "what was sent", "bytes", "status", "ms", "worst", "MB kept", "at most"):
        table.add_column(name, justify="left" if name in ("path", "what was sent") else "right")
    for path, what, size, status, *numbers in sorted(rows, key=lambda row: -row[4]):
        figures = [f"{number:.1f}" for number in numbers]
        table.add_row(path, what, f"{size:,}", str(status), *figures)
    return table


def slow_uploads(port: int) -> tuple[int, int, float]:
    """Hold slow uploads open while somebody else asks.

    Returns how many of them got 408 or 429, how often the other asked, and which share of that was
    answered.
    """
    answers, until = [], time.monotonic() + SLOW_SECONDS

    def ask() -> None:
        url = f"http://127.0.0.1:{port}/v1/sentiment"
        with httpx.Client() as client:
            while time.monotonic() < until:
                answers.append(client.post(url, json={"text": "a good film"}).status_code == 200)

    head = b"POST /v1/image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    with ExitStack() as opened:
        uploads = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(SLOW_UPLOADS)
        ]
        asking = threading.Thread(target=ask)
        asking.start()
        for number in range(100):  # a few bytes at a time, for ten seconds
            for upload in uploads:
                upload.sendall(b"0" if number else head + b"Content-Length: 100000\r\n\r\n")
            time.sleep(0.1)
        asking.join()
        # 429: so many that begin in one moment are a crowd.
        given_up = sum(
            upload.recv(100).startswith((b"HTTP/1.1 408", b"HTTP/1.1 429")) for upload in uploads
        )
    return given_up, len(answers), sum(answers) / len(answers)


def caught(trap: socket.socket) -> int:
    """Return how many have connected to a listening socket."""
    trap.setblocking(False)
    count = 0
    while True:
        try:
            trap.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


if __name__ == "__main__":
    main()
