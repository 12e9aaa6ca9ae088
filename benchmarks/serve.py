"""How fast the endpoints answer, beside other servers around the same graphs.

    make bench-serve        (python -m benchmarks.serve, after `make run`; needs `wrk`)

The whole product answers: request log, familiarity, limits, metrics. Every server has one worker
and one thread for its graph; each rival's own environment is made from its requirements.txt. In a
round each server is asked in turn, for some seconds by one `wrk` thread; figures are medians of
rounds. Pictures are answered by the `cnn`, fitted by the retraining that made the champions.
"""

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.table import Table

from benchmarks import wrk
from models.artifact import artifact
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.processes import child_process, service
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

RIVALS = Path(__file__).parent / "rivals"
RESULT = Path(__file__).parent / "serve.json"
ROUNDS, SECONDS, START_SECONDS = 3, 4, 90
OURS, BARE = "espalier", "bare Starlette"
WORDS = 250
# Triton brings an interpreter of its own, older than the newest standard library of its version.
PYTHON = {"pytriton": "/usr/bin/python3"}
WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "{media_type}"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
if wrk.body:find("NUMBER") then
  local body, number = wrk.body, 0
  request = function()
    number = number + 1
    return wrk.format(nil, nil, nil, (body:gsub("NUMBER", number)))
  end
end
"""


@dataclass(frozen=True)
class Asked:
    """A request, as often as it can be answered."""

    path: str
    body: bytes
    media_type: str = "application/json"


@dataclass(frozen=True)
class Case:
    """The same question to several servers, over so many connections at once."""

    name: str
    asked: dict[str, Asked]
    connections: int = 16


def main() -> None:
    environment.apply()
    wrk.require()
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch, ExitStack() as running:
        home = Path(scratch)
        folders = _publish(home)
        commands = _commands()
        cases = _cases(folders, commands)
        urls = {
            name: running.enter_context(started(name, home, folders, *command))
            for name, command in commands.items()
        }
        measured = [_measure(case, urls, home) for case in cases]
    for case, figures in zip(cases, measured, strict=True):
        console.out().print(_table(case, figures))
    told = {case.name: figures for case, figures in zip(cases, measured, strict=True)}
    RESULT.write_text(json.dumps(told, indent=2) + "\n")


def _publish(home: Path) -> dict[str, Path]:
    """Put what is to answer into a home of its own; returns each task's artifact there."""
    for task, [dataset, *_] in settings.served().items():
        version = registry.champion(task, dataset)
        if version is None:
            raise SystemExit(f"{task} has no champion yet: make run")
        if task == "image":
            data = DatasetVersion(task, dataset, version.dataset_hash)
            fits = tracking.records(data)
            cnn = [fit for fit in fits if fit.arch == "cnn" and not fit.look]
            version = registry.preview(task, dataset, ranking.best(data, cnn))
        (home / "published").mkdir(exist_ok=True)
        publish.publish(task, version, home)
    return artifacts(home)


def artifacts(home: Path) -> dict[str, Path]:
    """The folder of each task's artifact that is published in `home`."""
    folder = publish.folder(home)
    return {
        task: folder / publish.read_file(folder / f"{task}.json").artifact
        for task in settings.TASKS
    }


def _commands() -> dict[str, tuple[list[str], Path, str]]:
    """Server → its command line with PORT in it, where it is started, and a path that answers."""
    uvicorn = [sys.executable, "-m", "uvicorn", "--no-access-log", "--loop", "uvloop"]
    uvicorn += ["--http", "httptools", "--log-level", "warning", "--port", "PORT"]
    bentoml = ["bentoml", "serve", "--host", "127.0.0.1", "--port", "PORT"]
    found = {
        OURS: ([*bentoml, service.CHECKOUT], environment.ROOT, "/readyz"),
        BARE: ([*uvicorn, "benchmarks.rivals.bare:app"], environment.ROOT, "/"),
    }
    for place in sorted(file.parent for file in RIVALS.glob("*/requirements.txt")):
        if programs := _environment(place):
            command = [str(programs / "python"), "app.py", "PORT"]
            if (place / "settings.json").exists():
                command = [str(programs / place.name), "start", "."]
            found[place.name] = (command, place, "/v2/models/image/ready")
    return found


def _environment(place: Path) -> Path | None:
    """The programs of a rival's own environment; None where it cannot be made here."""
    folder = environment.home() / "rivals" / place.name
    python = folder / "bin" / "python"
    made = ["uv", "venv", "-q", "--python", PYTHON.get(place.name, sys.executable), str(folder)]
    filled = ["uv", "pip", "install", "-q", "--python", str(python)]
    filled += ["-r", str(place / "requirements.txt")]  # nothing to do where all of it is there
    for command in [filled] if python.exists() else [made, filled]:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            console.line("left out", f"{place.name}: {done.stderr.strip().splitlines()[-1]}")
            return None
    return folder / "bin"


@contextmanager
def started(
    name: str, home: Path, folders: dict[str, Path], command: list[str], place: Path, path: str
) -> Iterator[str]:
    """The URL of a server that answers, for the time of the block."""
    port = str(service.free_port())
    variables = os.environ | {
        "ESPALIER_HOME": str(home),
        "BENTOML_HOME": str(home / name.replace(" ", "-")),
        "MODELS": json.dumps({task: str(folder) for task, folder in folders.items()}),
        "MLSERVER_HTTP_PORT": port,
        "MLSERVER_GRPC_PORT": str(service.free_port()),
        "MLSERVER_METRICS_PORT": str(service.free_port()),
    }
    if place == environment.ROOT:
        variables["PYTHONPATH"] = str(place)
    filled = [port if word == "PORT" else word for word in command]
    url = f"http://127.0.0.1:{port}"
    log = environment.home() / "logs" / f"bench-{name.replace(' ', '-')}.log"
    with child_process.started(filled, log, cwd=place, env=variables) as process:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(url + path, timeout=2).status_code in (200, 404):
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        else:
            raise SystemExit(f"{name} did not start: look into {log}")
        yield url


def raw(folders: dict[str, Path]) -> tuple[bytes, list[str], list[float]]:
    """A picture, the words of a text but for its first one, and a history, as long as is read."""
    golden = {task: artifact.read_golden(folder) for task, folder in folders.items()}
    picture = base64.b64decode(golden["image"][0]["request"]["image"])
    words = " ".join(case["request"]["text"] for case in golden["sentiment"]).split()
    length = artifact.read_inputs(folders["forecast"]).history
    history = golden["forecast"][0]["request"]["history"][-length:]
    return picture, (words * WORDS)[: WORDS - 1], history


def _cases(folders: dict[str, Path], servers: Iterable[str]) -> list[Case]:
    picture, words, values = raw(folders)
    (pixels,) = artifact.read_inputs(folders["image"]).to_tensor([picture]) * 255
    tensor = {"name": "image", "shape": [1, *pixels.shape], "datatype": "FP32"}
    infer = {"inputs": [tensor | {"data": pixels.round().ravel().tolist()}]}
    # No text twice: the words of those that were just read are remembered.
    review = {"text": " ".join(["NUMBER", *words])}
    history = {"history": values}
    png = dict.fromkeys((OURS, BARE), Asked("/v1/image", picture, "image/png"))
    text = dict.fromkeys((OURS, BARE), Asked("/v1/sentiment", _json(review)))
    series = dict.fromkeys((OURS, BARE), Asked("/v1/forecast", _json(history)))
    tensors = Asked("/v2/models/image/infer", _json(infer))
    protocol = dict.fromkeys(servers, tensors)
    return [
        Case("JSON tensor", protocol),
        Case("PNG", png),
        Case(f"{WORDS} words", text),
        Case(f"{len(values)} values", series),
        Case("PNG, one connection", png, 1),
        Case(f"{WORDS} words, one connection", text, 1),
        Case(f"{len(values)} values, one connection", series, 1),
    ]


def _json(content: dict) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _measure(case: Case, urls: dict[str, str], scratch: Path) -> dict[str, dict]:
    """Server → requests a second and the milliseconds of half and of 99 % of the requests."""
    rounds = {name: [] for name in case.asked}
    body, script = scratch / "body", scratch / "post.lua"
    for _ in range(ROUNDS):
        for name, asked in case.asked.items():
            body.write_bytes(asked.body)
            script.write_text(WRK.format(media_type=asked.media_type, body=body))
            url = urls[name] + asked.path
            rounds[name].append(wrk.asked(url, case.connections, SECONDS, script))
    return {
        name: {key: statistics.median(one[key] for one in told) for key in told[0]}
        for name, told in rounds.items()
    }


def _table(case: Case, figures: dict[str, dict]) -> Table:
    table = Table(
        title=case.name, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    table.add_column("server", min_width=16)
    for name in ("req/s", "p50 ms", "p99 ms", "ours ×"):
        table.add_column(name, justify="right")
    ours = figures[OURS]["requests_per_second"]
    for name, told in figures.items():
        rate = told["requests_per_second"]
        ratio = f"{ours / rate:.2f}" if ours else ""
        table.add_row(name, f"{rate:,.0f}", f"{told['p50_ms']:.2f}", f"{told['p99_ms']:.2f}", ratio)
    return table


if __name__ == "__main__":
    main()
