"""What is installed, what it would talk to, what is wrong and how to mend it.

Each check is a function that returns a `Finding`; a check that cannot be made says why.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table

from pipelines.locks import state
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

NEEDED_GIB = 5  # the environment's packages aside: data, runs and artifacts of the default datasets
TOOLS = ("dvc", "great-expectations", "prefect", "keras", "tensorflow", "mlflow", "bentoml")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `mend` is empty when nothing is wrong with it."""

    what: str
    state: str
    mend: str = ""


def findings() -> list[dict]:
    """Every check's finding, in the order of the way of the data."""
    checks = (
        _python, _lock, _tools, _backend, _repository, _remote, _mlflow, _prefect, _home,
        _database, _disk, _telemetry, _champions,
    )  # fmt: skip
    return [asdict(check()) for check in checks]


def show(found: list[dict]) -> None:
    """Print the findings, and what to do about those that are wrong."""
    table = Table(box=None, show_header=False)
    for finding in found:
        table.add_row("✗" if finding["mend"] else "✓", finding["what"], finding["state"])
        if finding["mend"]:
            table.add_row("", "", f"→ {finding['mend']}")
    console.out().print(table)


def _python() -> Finding:
    state = f"{sys.version.split()[0]} in {sys.prefix}"
    right = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", state, "" if right else "rm -rf .venv && make setup PYTHON=python3.12")


def _lock() -> Finding:
    """Whether each package is the one that the lock names."""
    lock = (environment.ROOT / "requirements.lock").read_text()
    wanted: dict[str, set[str]] = {}
    for name, number in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!]+)", lock, re.MULTILINE):
        wanted.setdefault(name, set()).add(number)
    other = [
        f"{name} {found}, locked {' or '.join(sorted(numbers))}"
        for name, numbers in wanted.items()
        if (found := _version(name)) is not None and found not in numbers
    ]
    if other:
        return Finding("lock", "; ".join(other[:5]), "rm -f .venv/.ready* && make setup")
    return Finding("lock", "every installed package is the locked one")


def _tools() -> Finding:
    found = {tool: _version(tool) for tool in TOOLS}
    state = ", ".join(f"{tool} {number or 'missing'}" for tool, number in found.items())
    return Finding("tools", state, "" if all(found.values()) else "make setup")


def _backend() -> Finding:
    """Keras' backend and devices, asked in a process of its own: importing it takes seconds."""
    ask = (
        "import keras, json; print(json.dumps([keras.backend.backend(), "
        "keras.distribution.list_devices()]))"
    )
    asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    if asked.returncode:
        last = asked.stderr.strip().splitlines()[-1:] or ["no word"]
        return Finding("backend", last[0], "make setup, or unset KERAS_BACKEND")
    name, devices = json.loads(asked.stdout.splitlines()[-1])
    return Finding("backend", f"{name} on {', '.join(devices) or 'cpu'}")


def _repository() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "not found", "install git: DVC and the runs' commit need it")
    if not (environment.ROOT / ".git").exists():
        return Finding("git", f"{environment.ROOT} is no checkout", "git clone it, or git init")
    return Finding("git", f"checkout at {environment.ROOT}")


def _remote() -> Finding:
    asked = subprocess.run(
        ["dvc", "remote", "list"], cwd=environment.ROOT, capture_output=True, text=True
    )
    remotes = asked.stdout.split()
    if asked.returncode or not remotes:
        return Finding("DVC remote", "none", "dvc remote add --default NAME URL")
    return Finding("DVC remote", " ".join(remotes))


def _mlflow() -> Finding:
    uri = os.environ["MLFLOW_TRACKING_URI"]
    if not uri.startswith("http"):
        return Finding("MLflow", uri)
    return _server("MLflow", f"{uri}/health", "MLFLOW_TRACKING_URI")


def _prefect() -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Finding("Prefect", "none configured: each run starts a server on 127.0.0.1")
    return _server("Prefect", f"{url}/health", "PREFECT_API_URL")


def _server(what: str, url: str, variable: str) -> Finding:
    import httpx

    try:
        answer = httpx.get(url, timeout=5)
    except httpx.HTTPError as error:
        return Finding(what, f"{url}: {error}", f"start it, or unset {variable}")
    if not answer.is_success:
        return Finding(what, f"{url} answers {answer.status_code}", f"look at {variable}")
    return Finding(what, f"{url} answers")


def _home() -> Finding:
    home = environment.home()
    try:
        with tempfile.TemporaryFile(dir=home):
            return Finding("state", str(home))
    except OSError as error:
        return Finding(
            "state", f"{home}: {error.strerror}", "set ESPALIER_HOME to a folder of yours"
        )


def _database() -> Finding:
    """Where the ledger is kept."""
    try:
        return Finding("state database", str(state.connect().url))
    except state.DatabaseError as error:
        return Finding("state database", str(error), f"look at ESPALIER_HOME and {state.VARIABLE}")


def _disk() -> Finding:
    place = environment.home()
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    mend = "" if free >= NEEDED_GIB else f"free some space: {NEEDED_GIB} GiB are needed"
    return Finding("disk", f"{free:.0f} GiB free", mend)


def _telemetry() -> Finding:
    on = [name for name, value in environment.TELEMETRY_OFF.items() if os.environ[name] != value]
    if on:
        return Finding("telemetry", f"set otherwise: {', '.join(on)}", f"unset {' '.join(on)}")
    return Finding("telemetry", "off in all six tools")


def _champions() -> Finding:
    states, broken = [], []
    for task in settings.TASKS:
        pointer = publish.read(task)
        states.append(f"{pointer['name']}/{pointer['version']}" if pointer else f"no {task}")
        if pointer and not publish.intact(task):
            broken.append(task)
    mend = f"the artifact of {', '.join(broken)} is damaged: espalier run" if broken else ""
    return Finding("champions", ", ".join(states), mend)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
