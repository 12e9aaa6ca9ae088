"""What is installed, what it would talk to, what is wrong and how to mend it.

Each check is a function that returns a `Finding`; a check that cannot be made says why. Those that
wait for others run side by side.
"""

import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table

from data.dvc import remote
from data.dvc import state as dvc_state
from data.errors import DataError
from pipelines.commands import configuration, tokens
from pipelines.locks import state
from pipelines.processes import service
from pipelines.promotion import ledger
from pipelines.release import publish
from pipelines.runtime import console, environment, keys, known_bad, settings

NEEDED_GIB = 5  # the environment's packages aside: data, runs and artifacts of the default datasets
PORT = 3000  # of `espalier serve` and `espalier up`
CLOCK_SECONDS = 120  # that files of another machine may be ahead
ANSWER_SECONDS = 2  # of a server
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
    checks: tuple[Callable[[], Finding], ...] = (
        _python, _lock, _known_bad, _tools, lambda: _variables(set_aside), _locale, _clock, _keras,
        _backend, _repository, _dvc_lock, _dvc_locks, _remote, _mlflow, _prefect, _cluster, _port,
        _home, _database, _mlflow_database, _ledger, _telemetry, _champions, _signatures, _clients,
    )  # fmt: skip
    with ThreadPoolExecutor(len(checks)) as pool:
        answers = [pool.submit(check) for check in checks]
        faults = [Finding(*fault) for fault in configuration.faults()]
    declared = faults or [Finding("params.yaml", "as it should be, and so are the own datasets")]
    return [asdict(finding) for finding in [*declared, *(one.result() for one in answers)]]


def show(rows: list[dict]) -> None:
    """Print the findings, and what to do about those that are wrong."""
    table = Table(box=None, show_header=False)
    for finding in rows:
        table.add_row("✗" if finding["mend"] else "✓", finding["what"], finding["state"])
        if finding["mend"]:
            table.add_row("", "", f"→ {finding['mend']}")
    console.out().print(table)


def _python() -> Finding:
    """Whether it is one that the locks were made for."""
    from packaging.specifiers import SpecifierSet

    project = tomllib.loads((environment.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted, number = project["project"]["requires-python"], platform.python_version()
    if SpecifierSet(wanted).contains(number, prereleases=True):
        return Finding("Python", f"{number} in {sys.prefix}")
    mend = "rm -rf .venv && make PYTHON=python3.12 setup"
    return Finding("Python", f"{number} in {sys.prefix}, where {wanted} is expected", mend)


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


def _known_bad() -> Finding:
    """Whether versions are installed that are known to be bad together."""
    bad = known_bad.installed()
    if not bad:
        return Finding("versions", "none are known to be bad together")
    state = "; ".join(f"{' with '.join(one.together)}: {one.why}" for one in bad)
    mend = " ".join(f"'{one.instead}'" for one in bad)
    return Finding("versions", state, f".venv/bin/uv pip install {mend}")


def _tools() -> Finding:
    installed = {tool: _version(tool) for tool in TOOLS}
    state = ", ".join(f"{tool} {number or 'missing'}" for tool, number in installed.items())
    return Finding("tools", state, "" if all(installed.values()) else "make setup")


def _locale() -> Finding:
    """Whether the terminal's language is installed, and names of files are Unicode."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    said = next(
        (f"{name}={os.environ[name]}" for name in names if os.environ.get(name)), "none set"
    )
    before, mend = locale.setlocale(locale.LC_CTYPE), "export LC_ALL=C.UTF-8"
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        return Finding("locale", f"{said} is not installed", mend)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    if sys.getfilesystemencoding() != "utf-8":
        return Finding("locale", f"{said}: names of files are {sys.getfilesystemencoding()}", mend)
    return Finding("locale", said)


def _clock() -> Finding:
    """Whether the clock goes on from what was written last."""
    names = ("espalier.db", "mlflow.db", "published")
    written = [environment.home() / name for name in names] + [environment.ROOT / "dvc.lock"]
    latest = max((file.stat().st_mtime for file in written if file.exists()), default=0.0)
    now = time.time()
    if latest > now + CLOCK_SECONDS:
        state = f"{(latest - now) / 60:,.0f} minutes behind what was written last"
        return Finding("clock", state, "set the clock: timedatectl set-ntp true")
    return Finding("clock", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _keras() -> Finding:
    """Whether Keras can be imported with the user's file of settings; a fit sets its own."""
    file = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "keras.json"
    if not file.exists():
        return Finding("keras.json", "none")
    allowed = {
        "floatx": ("bfloat16", "float16", "float32", "float64"),
        "image_data_format": ("channels_last", "channels_first"),
    }
    mend = f"mend {file}, or remove it"
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        wrong = [
            f"{key} is {said[key]!r}"
            for key in allowed
            if said.get(key, allowed[key][0]) not in allowed[key]
        ]
        if not isinstance(said.get("epsilon", 1e-7), float):
            wrong.append(f"epsilon is {said['epsilon']!r}")
    except (ValueError, AttributeError, OSError) as error:
        return Finding("keras.json", f"{file} is no JSON object: {error}", mend)
    if wrong:
        return Finding("keras.json", f"Keras refuses {file}: {', '.join(wrong)}", mend)
    return Finding("keras.json", str(file))


def _backend() -> Finding:
    """Keras' backend; where there is a GPU its devices too, in a process of its own: the import
    takes seconds."""
    name = os.environ["KERAS_BACKEND"]
    if name not in environment.BACKENDS or find_spec(name) is None:
        state = f"{name} is not installed"
        return Finding("backend", state, "unset KERAS_BACKEND, or make setup EXTRA=jax")
    if not Path("/dev/nvidiactl").exists():
        return Finding("backend", f"{name} on cpu")
    code = (
        "import keras, json; print(json.dumps([keras.backend.backend(), "
        "keras.distribution.list_devices()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=environment.ROOT,  # a folder of the caller's may hold a `keras`
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
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


def _dvc_locks() -> Finding:
    """Whether DVC's table of locks names a process that has ended."""
    if dvc_state.is_left(environment.ROOT):
        state = "DVC's table of locks names a process that has ended"
        return Finding("DVC's locks", state, "espalier run, which clears it")
    return Finding("DVC's locks", "none is left over")


def _remote() -> Finding:
    """Whether the default remote takes what is sent, and gives it back."""
    try:
        place = remote.check()
    except DataError as error:
        return Finding("DVC remote", str(error), "dvc remote modify, or the variables of its keys")
    if not place:
        return Finding("DVC remote", "none", "dvc remote add --default NAME URL")
    return Finding("DVC remote", place)


def _mlflow() -> Finding:
    """Whether the configured MLflow server answers, or where its database lies."""
    uri = os.environ[environment.MLFLOW]
    return _server(environment.MLFLOW) if uri.startswith("http") else Finding("MLflow", uri)


def _prefect() -> Finding:
    if not os.environ.get(environment.PREFECT):
        return Finding("Prefect", "none configured: each run starts a server on 127.0.0.1")
    return _server(environment.PREFECT)


def _cluster() -> Finding:
    if not os.environ.get(environment.CLUSTER):
        return Finding("Dask", "none configured: each run starts a cluster of this machine")
    return _server(environment.CLUSTER)


def _server(variable: str) -> Finding:
    what, url = environment.SERVERS[variable].split()[0], os.environ[variable]
    if problem := environment.unanswered(variable):
        return Finding(what, f"{url}: {problem}", f"start it, or unset {variable}")
    return Finding(what, f"{url} answers")


def _port() -> Finding:
    """Whether the service's port is free, or the service is there already."""
    import httpx

    if service.is_free(PORT):
        return Finding("port", f"{PORT} is free")
    url, title = f"http://127.0.0.1:{PORT}/docs.json", None  # which needs no token
    wrong = httpx.HTTPError, ValueError, KeyError, TypeError
    with suppress(*wrong), environment.client(url, ANSWER_SECONDS) as client:
        title = client.get(url).raise_for_status().json()["info"]["title"]
    if title == "Espalier":
        return Finding("port", f"{PORT}: the service answers there")
    mend = f"end it, or espalier serve --port {PORT + 1}"
    return Finding("port", f"{PORT} is taken by another process", mend)


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
    """Where the ledger is kept, and whether it can be read."""
    mend = f"look at ESPALIER_HOME and {state.VARIABLE}; a damaged file needs a copy of before"
    try:
        url = state.connect().url
    except state.DatabaseError as error:
        return Finding("state database", str(error), mend)
    if url.get_backend_name() == "sqlite" and (damage := state.damage(Path(str(url.database)))):
        return Finding("state database", f"{url}: {damage}", mend)
    return Finding("state database", str(url))


def _mlflow_database() -> Finding:
    file = environment.home() / "mlflow.db"
    if file.exists() and (damage := state.damage(file)):
        mend = "put back a copy of before, or move it away: what it records is then made anew"
        return Finding("MLflow's database", f"{file}: {damage}", mend)
    return Finding("MLflow's database", "whole" if file.exists() else "none yet")


def _ledger() -> Finding:
    """Whether every decision on record is what was written."""
    try:
        models = ledger.models()
        broken = [
            f"{model}: {why}" for model in models if (why := ledger.verify(ledger.entries(model)))
        ]
    except (state.DatabaseError, ValueError) as error:
        return Finding("ledger", str(error), "mend the state database first")
    if broken:
        return Finding("ledger", "; ".join(broken), "espalier trace, which shows every entry")
    return Finding("ledger", f"whole, of {len(models)} models")


def _telemetry() -> Finding:
    on = [name for name, value in environment.TELEMETRY_OFF.items() if os.environ[name] != value]
    if on:
        return Finding("telemetry", f"set otherwise: {', '.join(on)}", f"unset {' '.join(on)}")
    return Finding("telemetry", "off in all six tools")


def _champions() -> Finding:
    try:
        endpoints = list(settings.endpoints())
    except (settings.UsageError, DataError):
        return Finding("champions", "not known while params.yaml is wrong")
    pointers = {name: publish.read(name) for name in endpoints}
    states = [
        f"{pointer.name}/{pointer.version}" if pointer else f"no {name}"
        for name, pointer in pointers.items()
    ]
    broken = [name for name, pointer in pointers.items() if pointer and not publish.intact(name)]
    mend = f"the artifact of {', '.join(broken)} is damaged: espalier run" if broken else ""
    return Finding("champions", ", ".join(states), mend)


def _signatures() -> Finding:
    """By which key champions are signed here, whose are trusted, and which one is not."""
    if keys.unusable():
        return Finding("signatures", "not known while a variable names no key")
    named = {variable: os.environ.get(variable) for variable in keys.EXPECTED}
    if not any(named.values()):
        return Finding("signatures", "champions are not signed here, and all are trusted")
    # A name with two dots is what a service noted beside a pointer.
    files = [one for one in publish.folder().glob("*.json") if "." not in one.stem]
    pointers = {file.stem: publish.read_file(file) for file in files}
    untrusted = [
        name
        for name, one in pointers.items()
        if one is not None and not keys.are_trusted(one.signature, one.manifest_sha256)
    ]
    mend = f"{', '.join(untrusted)} must not serve: espalier promote signs" if untrusted else ""
    states = ", ".join(f"{name} is {value or 'not set'}" for name, value in named.items())
    return Finding("signatures", states, mend)


def _clients() -> Finding:
    """Who may ask a service, and whose token has ended."""
    try:
        clients = tokens.listed()
    except settings.UsageError as error:
        return Finding("clients", str(error), f"remove {tokens.file()}, and issue the tokens anew")
    if clients is None and "ESPALIER_TOKENS" in os.environ:
        mend = "espalier token add, or unset ESPALIER_TOKENS"
        return Finding(
            "clients", f"ESPALIER_TOKENS names {tokens.file()}, which is not there", mend
        )
    if clients is None:
        return Finding("clients", "a service here is open, unless ESPALIER_API_TOKEN closes it")
    states = [f"{one.name}{' (expired)' if one.expired else ''}" for one in clients]
    return Finding("clients", ", ".join(states) or "none: a service here is closed to everybody")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
