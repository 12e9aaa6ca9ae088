"""Start the HTTP service as a process of its own, and ask it what a client would ask.

The service is named by its import string or a Bento's tag; this room never imports it.
"""

import base64
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from models.artifact import artifact
from pipelines.processes import child_process
from pipelines.runtime import environment, keys

CHECKOUT = "serving.service:Espalier"
START_SECONDS = 60
# Of a service that others ask, not of one that is started here for a candidate.
OTHERS = (
    "ESPALIER_API_TOKEN", "ESPALIER_TOKENS", "ESPALIER_PROTECT", "ESPALIER_FOLLOW",
    keys.TRUST,  # a candidate is signed when it is promoted
)  # fmt: skip


class ServiceError(RuntimeError):
    """The service did not start, or did not answer as its champions must."""


class WrongModelError(ServiceError):
    """The service is up, and what it was given is not a model that may be served."""


def command(target: str, port: int) -> list[str]:
    """The command line that serves `target` (import string or Bento tag) on loopback."""
    return ["bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]


@dataclass(frozen=True)
class Running:
    """A service that answers: its base URL, and the process that began it."""

    url: str
    process: subprocess.Popen

    def memory_mb(self) -> float:
        """Resident memory of its largest process: of the worker that holds the models."""
        import psutil

        family = psutil.Process(self.process.pid).children(recursive=True)
        return max(process.memory_info().rss for process in family) / 1e6


@contextmanager
def running(target: str, endpoints: list[str], home: Path | None = None) -> Iterator[Running]:
    """A service that is ready to answer on `endpoints`, for the time of the block.

    home: where its champions are published; without one it has those that its Bento carries.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = environment.home() / "logs" / "service.log"
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        # It is there for us alone, who ask without a token, and about the models of `home`.
        kept = {name: value for name, value in os.environ.items() if name not in OTHERS}
        variables = kept | {
            "ESPALIER_HOME": str(home or scratch),
            "ESPALIER_TASKS": ",".join(endpoints),
            # Nor is what we ask anything to remember, in a folder that is gone in a moment.
            "ESPALIER_LOG_MB": "0",
            # A service empties its metrics' folder at the start: not that of one that is serving.
            "BENTOML_HOME": scratch,
        }
        # A Bento brings its own code, which the checkout's must not stand in front of.
        place = environment.ROOT if target == CHECKOUT else scratch
        with child_process.started(command(target, port), log, cwd=place, env=variables) as process:
            _wait(url, process, log)
            yield Running(url, process)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    """Return once the service is ready; raises `ServiceError` when it says that it cannot be."""
    import httpx

    deadline, answered = time.monotonic() + START_SECONDS, "no answer"
    with environment.client(url, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.TransportError):
                answer = client.get(f"{url}/readyz")
                if answer.is_success:
                    return
                answered = answer.text
                if "was refused" in answered:  # final: the pointer does not change here
                    raise WrongModelError(f"{answered}; the service's log is {log}")
            time.sleep(0.05)
    raise ServiceError(f"the service was not ready: {answered}; its log is {log}")


def replay(url: str, task: str, folder: Path) -> int:
    """Send the golden requests of the artifact in `folder` over HTTP; returns how many.

    Raises `WrongModelError` naming the first whose answer is not the expected one.
    """
    inputs, golden = artifact.read_inputs(folder), artifact.read_golden(folder)
    for number, case in enumerate(golden, start=1):
        answer = ask(url, task, case["request"])
        if not artifact.agree(inputs, case["answer"], answer):
            raise WrongModelError(
                f"golden request {number} of {len(golden)} for {task} was answered {answer}, "
                f"expected {case['answer']}"
            )
    return len(golden)


def latency_ms(url: str, task: str, folder: Path, requests: int = 100) -> float:
    """The median time of one request over HTTP, of the golden ones of the artifact in `folder`."""
    bodies = [_body(task, case["request"]) for case in artifact.read_golden(folder)]
    seconds = []
    with environment.client(url, timeout=10) as client:
        for number in range(requests):
            start = time.perf_counter()
            client.post(f"{url}/v1/{task}", **bodies[number % len(bodies)]).raise_for_status()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000


def smoke(url: str, endpoint: str, champions: Path) -> dict:
    """The answer to one request, the first golden one of the champion that must give it.

    champions: the folder with the endpoint's pointer and the artifact that it names.
    """
    pointer = json.loads((champions / f"{endpoint}.json").read_text(encoding="utf-8"))
    golden = artifact.read_golden(champions / pointer["artifact"])
    answer = ask(url, endpoint, golden[0]["request"])
    served = answer["model"]
    if (served["name"], served["version"]) != (pointer["name"], pointer["version"]):
        raise ServiceError(
            f"{endpoint} was answered by {served['name']}/{served['version']}, "
            f"expected {pointer['name']}/{pointer['version']}"
        )
    return answer


def ask(url: str, endpoint: str, request: dict) -> dict:
    """The service's answer to one request in the form of golden.json."""
    with environment.client(url, timeout=10) as client:
        answer = client.post(url + path_of(endpoint), **_body(endpoint, request))
    if not answer.is_success:
        raise ServiceError(f"{endpoint} was answered {answer.status_code}: {answer.text}")
    return answer.json()


def path_of(endpoint: str) -> str:
    """Where an endpoint is asked: `/v1/image`, or `/v1/image/fashion` of `image-fashion`."""
    return f"/v1/{endpoint.replace('-', '/', 1)}"


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        # As the service itself binds: a port that was just given up is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port on loopback that nothing listens on, and that is given to no other for a minute.

    A connection was closed on it, whose rest (TIME_WAIT) keeps the system from choosing it again;
    servers may take it, as they all set SO_REUSEADDR.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            probe.accept()[0].close()
    return port


def _body(endpoint: str, request: dict) -> dict:
    """What httpx sends for a request in the form of golden.json."""
    if endpoint.partition("-")[0] != "image":
        return {"json": request}
    return {
        "content": base64.b64decode(request["image"]),
        "headers": {"Content-Type": request.get("content_type", "image/png")},
    }
