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
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil

from benchmarks.hostile import Hostile, requests
from benchmarks.served import served
from pipelines.release import publish
from pipelines.runtime import console, environment

TRIES = 5
SLOW_UPLOADS, SLOW_SECONDS = 200, 20  # the service gives an upload 15 s


def main() -> None:
    environment.apply()
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        home = Path(scratch)
        shutil.copytree(publish.folder(), publish.folder(home))
        with socket.create_server(("127.0.0.1", 0)) as trap, served(home) as running:
            (worker,) = running.workers()
            hostile = list(requests(f"127.0.0.1:{trap.getsockname()[1]}"))
            refused(hostile[0], running.port)  # the first of all finds a cold server
            for one in hostile:
                before = worker.memory_info().rss / 2**20
                forget_highest(worker)
                seconds, statuses, _ = zip(
                    *(refused(one, running.port) for _ in range(TRIES)), strict=True
                )
                times = (
                    f"{statistics.median(seconds) * 1000:.1f} ms, worst {max(seconds) * 1000:.1f}"
                )
                memory = f"{highest_megabytes(worker) - before:.0f} MB more at most"
                console.out().print(f"{one.path}  {one.what}: {set(statuses)}, {times}, {memory}")
            given_up, answered, share = slow_uploads(running.port)
        console.out().print(
            f"{caught(trap)} connections to the URLs in them. {given_up} of {SLOW_UPLOADS} slow "
            f"uploads got 408 or 429; of {answered:,} requests meanwhile {share:.2%} were answered."
        )


def refused(one: Hostile, port: int) -> tuple[float, int, bytes]:
    """Send a request; returns the seconds to the answer, its status and its beginning."""
    head = [f"POST {one.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(one.body)}"]
    head += [f"{name}: {value}" for name, value in one.headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "\r\n"]).encode() + one.body)
        began = time.perf_counter()
        answer = connection.recv(1 << 16)
        return time.perf_counter() - began, int(answer[9:12]), answer


def forget_highest(process: psutil.Process) -> None:
    """Let the highest memory of the process be that from now on."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def highest_megabytes(process: psutil.Process) -> float:
    """The highest resident memory of the process, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


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
