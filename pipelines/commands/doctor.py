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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table

from data.dvc import state as dvc_state
from data.errors import DataError
from pipelines.locks import state
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

NEEDED_GIB = 5  # the environment's packages aside: data, runs and artifacts of the default datasets
TOOLS = ("dvc", "great-expectations", "prefect", "keras", "tensorflow", "mlflow", "bentoml")


@dataclass(frozen=True)
class Finding:
    """The result of one check; `mend` is empty when nothing is wrong."""

    what: str
    state: str
    mend: str = ""


def findings(set_aside: Sequence[str] = ()) -> list[dict]:
    """Every check's finding, in the order of the way of the data.

    Args:
        set_aside: the variables that `environment.apply` unset or replaced.
    """
    checks = (
        _python, _lock, _tools, lambda: _variables(set_aside), _backend, _repository, _dvc_lock,
        _remote, _mlflow, _prefect, _home, _database, _telemetry, _champions,
    )  # fmt: skip
    return [asdict(check()) for check in checks]


def show(rows: list[dict]) -> None:
    """Print the findings, and what to do about those that are wrong."""
    table = Table(box=None, show_header=False)
    for finding in rows:
        table.add_row("✗" if finding["mend"] else "✓", finding["what"], finding["state"])
        if finding["mend"]:
            table.add_row("", "", f"→ {finding['mend']}")
    console.out().print(table)


def _python() -> Finding:
    return Finding("Python", f"{sys.version.split()[0]} in {sys.prefix}")


def _lock() -> Finding:
    """Whether each package is the one that the lock names."""
    lock = (environment.ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!]+)", lock, re.MULTILINE))
    installed = {name: _version(name) for name, _ in sorted(pins)}
    other = [
        f"{name} {number}"
        for name, number in installed.items()
        if number is not None and (name, number) not in pins
    ]
    if other:
        state = f"not the locked versions: {', '.join(other[:5])}"
        return Finding("lock", state, "rm -f .venv/.ready* && make setup")
    return Finding("lock", "every installed package is the locked one")


def _tools() -> Finding:
    installed = {tool: _version(tool) for tool in TOOLS}
    state = ", ".join(f"{tool} {number or 'missing'}" for tool, number in installed.items())
    return Finding("tools", state, "" if all(installed.values()) else "make setup")


def _backend() -> Finding:
    """Keras' backend and devices, read in a process of its own: the import takes seconds."""
    code = (
        "import keras, json; print(json.dumps([keras.backend.backend(), "
        "keras.distribution.list_devices()]))"
    )
    done = _output([sys.executable, "-c", code])
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        return Finding("backend", last[0], "make setup, or unset KERAS_BACKEND")
    name, devices = json.loads(done.stdout.splitlines()[-1])
    return Finding("backend", f"{name} on {', '.join(devices) or 'cpu'}")


def _variables(set_aside: Sequence[str]) -> Finding:
    """What the user's environment holds that our processes cannot use, or do not see."""
    if wrong := environment.unusable():
        return Finding("variables", "; ".join(wrong.values()), f"unset {' '.join(wrong)}")
    names = ", ".join(set_aside)
    return Finding("variables", f"set aside here: {names}" if names else "none is in the way")


def _repository() -> Finding:
    problem = environment.git_problem()
    return Finding("git", *(problem or (f"checkout at {environment.ROOT}",)))


def _dvc_lock() -> Finding:
    """Whether dvc.lock can be read; the next command that needs it restores it."""
    if dvc_state.is_whole(environment.ROOT):
        return Finding("dvc.lock", "whole")
    return Finding("dvc.lock", "cut off, as by a kill", "espalier run, which restores it")


def _remote() -> Finding:
    done = _output([sys.executable, "-m", "dvc", "remote", "list"])
    remotes = done.stdout.split()
    if done.returncode or not remotes:
        return Finding("DVC remote", "none", "dvc remote add --default NAME URL")
    return Finding("DVC remote", " ".join(remotes))


def _output(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=environment.ROOT, capture_output=True, encoding="utf-8", errors="replace"
    )


def _mlflow() -> Finding:
    """Whether the configured MLflow server answers, or where its database lies."""
    uri = os.environ[environment.MLFLOW]
    return _server(environment.MLFLOW) if uri.startswith("http") else Finding("MLflow", uri)


def _prefect() -> Finding:
    if not os.environ.get(environment.PREFECT):
        return Finding("Prefect", "none configured: each run starts a server on 127.0.0.1")
    return _server(environment.PREFECT)


def _server(variable: str) -> Finding:
    what, url = environment.SERVERS[variable][0], os.environ[variable]
    if problem := environment.unanswered(variable):
        return Finding(what, f"{url}: {problem}", f"start it, correct {variable}, or unset it")
    return Finding(what, f"{url} answers")


def _home() -> Finding:
    """Where state is kept, and whether there is room for more."""
    home = environment.home()
    try:
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free / 2**30
    except OSError as error:
        mend = "set ESPALIER_HOME to a folder of yours"
        return Finding("state", f"{home}: {error.strerror}", mend)
    mend = "" if free >= NEEDED_GIB else f"free some space: {NEEDED_GIB} GiB are needed"
    return Finding("state", f"{home}, {free:.0f} GiB free", mend)


def _database() -> Finding:
    """Where the ledger is kept."""
    try:
        return Finding("state database", str(state.connect().url))
    except state.DatabaseError as error:
        return Finding("state database", str(error), f"look at ESPALIER_HOME and {state.VARIABLE}")


def _telemetry() -> Finding:
    on = [name for name, value in environment.TELEMETRY_OFF.items() if os.environ[name] != value]
    if on:
        return Finding("telemetry", f"set otherwise: {', '.join(on)}", f"unset {' '.join(on)}")
    return Finding("telemetry", "off in all six tools")


def _champions() -> Finding:
    try:
        endpoints = list(settings.endpoints())
    except (settings.UsageError, DataError) as error:
        return Finding("champions", str(error), "mend params.yaml")
    pointers = {name: publish.read(name) for name in endpoints}
    states = [
        f"{pointer.name}/{pointer.version}" if pointer else f"no {name}"
        for name, pointer in pointers.items()
    ]
    broken = [name for name, pointer in pointers.items() if pointer and not publish.intact(name)]
    mend = f"the artifact of {', '.join(broken)} is damaged: espalier run" if broken else ""
    return Finding("champions", ", ".join(states), mend)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
