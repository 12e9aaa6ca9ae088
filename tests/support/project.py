"""A copy of the project in a folder of its own, and the command run in it as a user would."""

import atexit
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import httpx
import psutil
import yaml
from filelock import FileLock

from pipelines.processes import child_process
from pipelines.processes.service import free_port

ROOT = Path(__file__).parents[2]
# There is memory for one worker, which imports TensorFlow once. Dask reads this limit; Linux does
# not enforce it.
ON_A_SMALL_MACHINE = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_RSS, (4 * 2**30, 4 * 2**30))
os.execv(sys.argv[1], sys.argv[1:])
"""
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")


def copied(to: Path) -> Path:
    """Copy what git tracks, and what it would, into the new folder `to`, as a commit there; but
    not the own datasets of the person who works here."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("data/own/"):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it stands"]):
        subprocess.run([*GIT, *step], cwd=to, check=True)
    return to


def variables(**more: str) -> dict[str, str]:
    """The environment of a user who has set nothing, and `more`."""
    ours = ("ESPALIER_", "MLFLOW_", "PREFECT_", "BENTOML_", "PYTEST_", "GX_", "DVC_", "ORT_")
    # ONNX Runtime is on its best behaviour where it finds one of these.
    theirs = ("CI", "GITHUB_", "GITLAB_", "TF_BUILD", "TRAVIS", "JENKINS_", "CODEBUILD_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours + theirs)} | more


def command(*arguments: str) -> tuple[str, ...]:
    """The `espalier` command line of the project in the working folder."""
    return (sys.executable, "-m", "pipelines.cli", *arguments)


@cache
def prefect_server() -> str:
    """The API of a Prefect server that ends with this process: of all its runs, since a server
    takes as long to start as such a run to fit."""
    port, home = free_port(), Path(tempfile.mkdtemp(prefix="prefect-"))
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    server += ["--port", str(port), "--no-ui"]
    running, environment = ExitStack(), variables(PREFECT_HOME=str(home))
    running.callback(shutil.rmtree, home)
    running.enter_context(child_process.started(server, home / "log", env=environment))
    atexit.register(running.close)
    api = f"http://127.0.0.1:{port}/api"
    until(lambda: answers(f"{api}/health"), "the Prefect server's health")
    return api


def espalier(
    project: Path, *arguments: str, prefix: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess:
    """Run the command in the project, as on a small machine of a team that has a Prefect server.

    `prefix` goes before it, `more` into its environment: PREFECT_API_URL="" for a server of its
    own.
    """
    if arguments[0] == "run":
        more = {"PREFECT_API_URL": prefect_server()} | more
    return subprocess.run(
        [*prefix, sys.executable, "-c", ON_A_SMALL_MACHINE, *command(*arguments)],
        cwd=project,
        env=variables(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def answer(done: subprocess.CompletedProcess) -> dict:
    """The JSON on the last line of standard output."""
    assert done.stdout, f"nothing on standard output; exit {done.returncode}; {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def outcomes(project: Path, *arguments: str, **more) -> dict:
    """What a run says of its tasks; it must end well. `more` is what `espalier` takes."""
    done = espalier(project, "run", *arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return answer(done)["tasks"]


@contextmanager
def parameters(project: Path) -> Iterator[dict]:
    """The project's params.yaml, to be changed in the block."""
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text())
    yield params
    path.write_text(yaml.safe_dump(params, sort_keys=False))


# The architectures of a short run, and the guard of familiarity.
KEPT = {
    "image": ("perceptron", "ann", "cnn"),
    "sentiment": ("perceptron", "lstm"),
    "forecast": ("perceptron", "ann"),
}


def small(to: Path) -> Path:
    """A copy of the project whose `run` is short: digits are served, two or three
    architectures a task are known, and two epochs are enough."""
    project = copied(to)
    for task, kept in KEPT.items():
        for file in (project / "models" / task).glob("[!_]*.py"):
            if file.stem not in (*kept, "autoencoder"):
                file.unlink()
    with parameters(project) as params:
        params["serve"]["image"] = "digits"
        params["profiles"]["quick"] = {
            task: {arch: {"all": {"epochs": 2}} for arch in kept} for task, kept in KEPT.items()
        }
    return project


def prepared(folder: Path) -> None:
    """Make a short project in which the digits are versioned, and their guard and one architecture
    are fitted, by one process alone; what calls this at the same time waits for the first."""
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            making = small(folder)
            done = espalier(making, "train", "--task", "image", "--arch", "cnn")
            assert done.returncode == 0, done.stderr


def declare_reviews(project: Path) -> Path:
    """Own reviews, served: texts that one word decides, in a CSV; returns its path."""
    columns = {"text": "review", "label": "verdict"}
    entry = {"task": "sentiment", "kind": "csv", "path": "own/reviews.csv", "columns": columns}
    with parameters(project) as params:
        params["datasets"]["reviews"] = entry
        params["serve"]["sentiment"] = "reviews"
        for arch in params["profiles"]["quick"]["sentiment"].values():
            arch["all"]["epochs"] = 10  # two do not learn a word from so few rows
    return write_reviews(project / entry["path"], good="wonderful", bad="dreadful")


def write_reviews(path: Path, **word: str) -> Path:
    """200 reviews, good and bad in turn, each with the word that its verdict has in `word`."""
    draw, filler = random.Random(0), ["film", "plot", "scene", "story", "light", "music", "voice"]
    lines = [
        f"{' '.join(draw.choices(filler, k=8))} {row} {word[verdict]},{verdict}"
        for row, verdict in zip(range(200), itertools.cycle(word), strict=False)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["review,verdict", *lines, ""]))
    return path


def declare_series(project: Path, values: Iterable[float]) -> Path:
    """An own series, served: a value every five minutes, in a CSV; returns its path."""
    columns = {"time": "time", "value": "level"}
    entry = {"task": "forecast", "kind": "csv", "path": "own/levels.csv", "columns": columns}
    entry |= {"interval": 300, "history": 24, "horizon": 4, "season": 24}
    with parameters(project) as params:
        params["datasets"]["levels"] = entry
        params["serve"]["forecast"] = "levels"
    start, step = datetime(2026, 1, 1), timedelta(seconds=300)
    lines = [f"{start + row * step},{value:.4f}" for row, value in enumerate(values)]
    path = project / entry["path"]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["time,level", *lines, ""]))
    return path


def waves() -> list[float]:
    """1,000 values of a wave with some noise: what no naive forecast follows."""
    draw = random.Random(0)
    return [10 * math.sin(row / 5) + draw.gauss(0, 0.5) for row in range(1000)]


def store(project: Path, home: str = ".espalier"):
    """A client of the project's MLflow database."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{project / home / 'mlflow.db'}")


def runs(
    project: Path, task: str, dataset: str, kind: str | None = None, home: str = ".espalier"
) -> list:
    """The MLflow runs of a dataset, oldest first: all, or those of one kind (fit, retrain …)."""
    client = store(project, home)
    experiment = client.get_experiment_by_name(f"espalier/{task}/{dataset}")
    if experiment is None:
        return []
    chosen = f"tags.`espalier.kind` = '{kind}'" if kind else ""
    order = ["attributes.start_time ASC"]
    return list(client.search_runs([experiment.experiment_id], chosen, order_by=order))


def kept(run, path: str) -> Path:
    """Where the store keeps an artifact of the run."""
    return Path(url2pathname(urlparse(run.info.artifact_uri).path)) / path


def pointer(project: Path, task: str) -> tuple[dict, Path]:
    """The task's published pointer, and the artifact that it names."""
    published = project / ".espalier" / "published"
    facts = json.loads((published / f"{task}.json").read_text())
    return facts, published / facts["artifact"]


def until(found: Callable, what: str, seconds: float = 120, pause: float = 0.02):
    """Ask again and again until `found()` is truthy, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextmanager
def begun(
    project: Path, *command: str, log: Path, **more: str
) -> Iterator[tuple[subprocess.Popen, Callable[[], list[psutil.Process]]]]:
    """A command running in the project, and a function that finds its living processes.

    Those are known by a variable in their environment, so that orphans are found as well. The
    command's output goes to `log`; what lives at the end of the block is killed.
    """
    mark = uuid.uuid4().hex

    def alive() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _has(process, mark)]

    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=project,
            env=variables(ESPALIER_TEST=mark, **more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, alive
    finally:
        for left in alive():
            with suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether a server there says that it is well."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def listening(processes: Iterable[psutil.Process]) -> set[str]:
    """The addresses on which one of the processes listens."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            sockets = process.net_connections(kind="inet")
            found |= {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN}
    return found


@contextmanager
def serving(project: Path, *command: str, log: Path, **more: str) -> Iterator[str]:
    """The URL of a service started by `command` and a free port, once it is ready to answer."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with begun(project, *command, "--port", str(port), log=log, **more) as (process, alive):

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return answers(f"{url}/readyz")

        until(ready, "a ready service")
        yield url
        assert listening(alive()) == {"127.0.0.1"}


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        living = process.status() != psutil.STATUS_ZOMBIE
        return living and process.environ().get("ESPALIER_TEST") == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
