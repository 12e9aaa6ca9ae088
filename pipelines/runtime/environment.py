"""Where state lives, and the environment of our processes: one table of what is set and unset.

`apply()` is called once by each entry point: the command, and a flow that a worker started. A
tool's own variables win where they mean what their user set them for; what belongs to the user's
other work is removed. Child processes inherit the result.
"""

import getpass
import ipaddress
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipelines.runtime import keys

if TYPE_CHECKING:
    import httpx

ROOT = Path(__file__).resolve().parents[2]

# One table for all six tools and ONNX Runtime. Their own configuration files hold the same for
# native use: .dvc/config, [tool.prefect] in pyproject.toml, dvc.yaml, the preamble of
# serving/service.py.
TELEMETRY_OFF = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime sends to Microsoft's collector since 1.29
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}

# Set where the user set nothing.
DEFAULTS = {
    **TELEMETRY_OFF,
    # Else Dask draws from Python's `random` with every message, and Keras draws its seeds there.
    "DASK_DISTRIBUTED__COMM__OFFLOAD": "False",
    "KERAS_BACKEND": "tensorflow",  # else keras.json names it
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # One call outlasts a server that is away for a minute; the default blocks for four.
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # A journal is a store of its own, whose file goes: no connection to it must stay open.
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
    # The default of 10 s misses short fits; each second would cost a fit 3 % of its processor.
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
    "PYTHONUTF8": "1",  # of children: no file is read in the locale's encoding
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

# Set whatever the user has: figures go to files, a notebook's back end is not installed here; the
# number of threads changes weights, so it is a parameter of a fit (pipelines/processes/threads.py).
FIXED = {"MPLBACKEND": "Agg"} | dict.fromkeys(THREADS, "1")

# Unset: they belong to a run, an experiment or a repository of the user's other work. The names
# of git are those of `git rev-parse --local-env-vars`, which it sets for its hooks.
FOREIGN = (
    "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)  # fmt: skip

# Unset where they name nothing: an empty line of an env file, a certificate that is not there.
# Of the tokens, and of whom is trusted, an empty one stays: it is refused, since nothing must open
# by mistake.
KEPT_EMPTY = ("ESPALIER_API_TOKEN", "ESPALIER_TOKENS", keys.SIGNING_KEY, keys.TRUST)
PATHS = ("ESPALIER_TOKENS", keys.SIGNING_KEY, keys.TRUST)  # children start in other folders
TOOLS = ("BENTOML_", "ESPALIER_", "KERAS_", "MLFLOW_", "OMP_", "PREFECT_", "TF_")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")  # what httpx speaks
BACKENDS = ("tensorflow", "jax")
# The servers that a variable may name.
MLFLOW, PREFECT, CLUSTER = "MLFLOW_TRACKING_URI", "PREFECT_API_URL", "ESPALIER_CLUSTER"
RESOURCES = "ESPALIER_RESOURCES"
SERVERS = {MLFLOW: "MLflow server", PREFECT: "Prefect server", CLUSTER: "Dask scheduler"}
# The least status that is none of a server that is well: managed MLflow servers have no page of
# health.
UNWELL = {MLFLOW: 500, PREFECT: 400}
PROBE_SECONDS = 2  # for the first answer


class VariableError(RuntimeError):
    """A variable holds what no process can use; the message names it and what to do."""


class ServerError(RuntimeError):
    """A server that a variable names does not answer; the message names both and what to do."""


def home() -> Path:
    """The folder that holds all state: ESPALIER_HOME, or `.espalier` in the project."""
    return Path(os.environ.get("ESPALIER_HOME") or ROOT / ".espalier").resolve()


def apply() -> None:
    """Make the environment that this process and its children need.

    Raises:
        VariableError: a variable holds what no process can use, see `unusable`.
    """
    for name in _removed():
        del os.environ[name]
    folder = home()
    defaults = DEFAULTS | {
        "ESPALIER_HOME": str(folder),
        "BENTOML_HOME": str(folder / "bentoml"),
        "DASK_CONFIG": str(folder / "dask"),  # it writes there when it is imported
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}?timeout=60",
        "PREFECT_HOME": str(folder / "prefect"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    if os.path.expanduser("~") == "~":  # noqa: PTH111  (Path raises)
        defaults["HOME"] = str(folder)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name; DVC asks for one
        defaults["USER"] = f"user-{os.getuid()}"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    os.environ["ESPALIER_HOME"] = str(folder)  # children start in other folders
    for name in PATHS:
        if value := os.environ.get(name, "").strip():
            os.environ[name] = str(Path(value).absolute())
    os.environ.update(FIXED | _proxy())
    tools = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if path[0] != tools:
        os.environ["PATH"] = os.pathsep.join([tools, *path])
    if wrong := unusable():
        raise VariableError("; ".join(wrong.values()))


def unusable() -> dict[str, str]:
    """Variable → a sentence, for each that no process can use and that cannot be set aside."""
    wrong = {}
    backend = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if backend not in BACKENDS:
        wrong["KERAS_BACKEND"] = (
            f"KERAS_BACKEND is {backend!r}, expected one of {', '.join(BACKENDS)}: unset it"
        )
    if "?" in str(home()):  # a database's address has its options after it
        wrong["ESPALIER_HOME"] = (
            f"the folder of state, {home()}, has a `?` in its path, which SQLite's addresses "
            "cannot hold: set ESPALIER_HOME to another folder"
        )
    try:
        if resources() and not os.environ.get(CLUSTER):
            wrong[RESOURCES] = (
                f"{RESOURCES} is set, and {CLUSTER} names no scheduler whose workers would offer "
                "them: set both, or unset it"
            )
    except VariableError as error:
        wrong[RESOURCES] = str(error)
    return wrong | keys.unusable()


def resources() -> dict[str, float]:
    """What a fit asks of a worker of a named Dask scheduler: ESPALIER_RESOURCES, such as GPU=1.

    Raises VariableError.
    """
    return amounts(os.environ.get(RESOURCES, ""), RESOURCES)


def amounts(text: str, of: str) -> dict[str, float]:
    """NAME=AMOUNT, such as GPU=1, any number of them, as Dask's workers offer resources.

    of: the variable or option that holds it, for the message. Raises VariableError.
    """
    named = {}
    for part in filter(None, text.replace(",", " ").split()):
        name, _, amount = part.partition("=")
        try:
            named[name] = float(amount)
        except ValueError:
            named[name] = 0
        if not (name and 0 < named[name] < float("inf")):
            raise VariableError(
                f"{of} holds {part!r}, expected NAME=AMOUNT as `dask worker --resources` "
                "has it, such as GPU=1"
            )
    return named


def foreign() -> list[str]:
    """The variables that `apply` will unset or replace, for `doctor` to show."""
    replaced = {**FIXED, **_proxy()}
    others = (name for name in replaced if os.environ.get(name, "") not in ("", replaced[name]))
    return sorted({*_removed(), *others})


def git_problem() -> tuple[str, str] | None:
    """Why git gives no commit of this checkout, and what to do; None where it gives one."""
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(git, capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "git is not installed", "install git: DVC and the runs' commit need it"
    if done.returncode == 0:
        return None
    trust = f"git config --global --add safe.directory {ROOT}"
    remedy = trust if trust in done.stderr else "git clone it, or `git init` and `git commit` there"
    reason = done.stderr.strip().splitlines()[0].removeprefix("fatal: ")
    return f"git gives no commit of {ROOT}: {reason}", remedy


def client(url: str, timeout: float) -> "httpx.Client":
    """An HTTP client for `url`; what lies on loopback is reached without the user's proxy.

    Args:
        url: what will be asked; only its host counts.
        timeout: in seconds.
    """
    import httpx

    return httpx.Client(timeout=timeout, trust_env=urlsplit(url).hostname not in LOOPBACK)


def check_server(variable: str) -> None:
    """Raise ServerError where the variable names a server that does not answer: the tools' own
    clients try for minutes."""
    url = os.environ.get(variable, "")
    if problem := unanswered(variable):
        raise ServerError(
            f"the {SERVERS[variable]} {url} does not answer ({problem}): start it, correct "
            f"{variable}, or unset it for one of this machine"
        )


def unanswered(variable: str) -> str:
    """Why the server that the variable names does not answer as it should; empty where it does, and
    where none is named."""
    url = os.environ.get(variable, "")
    if not url or (variable == MLFLOW and not url.startswith("http")):  # a store of its own
        return ""
    if variable == CLUSTER:
        return _unanswered_by_dask(url)
    import httpx

    try:
        with client(url, PROBE_SECONDS) as asking:
            answer = asking.get(f"{url.rstrip('/')}/health")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return f"status {answer.status_code}" if answer.status_code >= UNWELL[variable] else ""


def _unanswered_by_dask(address: str) -> str:
    """A scheduler speaks first, unless it waits for a certificate; Dask's own client would wait for
    ever where nothing is said."""
    try:
        place = urlsplit(address)
        if place.scheme not in ("tcp", "tls") or not (place.hostname and place.port):
            return "expected tls://HOST:PORT, or tcp://127.0.0.1:PORT on this machine"
        if place.scheme == "tcp" and not _is_loopback(place.hostname):
            return "it is not on this machine, where Dask needs tls://: it runs what it is sent"
        with socket.create_connection((place.hostname, place.port), PROBE_SECONDS) as connection:
            return "" if place.scheme == "tls" or connection.recv(1) else "it hangs up"
    except (OSError, ValueError) as error:
        return str(error)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK


def _removed() -> list[str]:
    """The variables that are set, and that our processes must not see."""
    empty = [
        name
        for name, value in os.environ.items()
        if not value.strip() and name.startswith(TOOLS) and name not in KEPT_EMPTY
    ]
    missing = [
        name for name in CERTIFICATES if name in os.environ and not Path(os.environ[name]).exists()
    ]
    return [*(name for name in FOREIGN if name in os.environ), *empty, *missing]


def _proxy() -> dict[str, str]:
    """The user's proxy for remote hosts alone, in a form that every tool can read."""
    settings = {}
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        scheme, separator, rest = os.environ.get(name, "").partition("://")
        if scheme == "socks":  # what GNOME writes; httpx wants the version
            settings[name] = f"socks5://{rest}"
        elif separator and scheme.lower() not in PROXY_SCHEMES:
            settings[name] = ""
    excepted = ",".join(os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    hosts = [host for host in map(_readable, excepted.split(",")) if host]
    value = "*" if "*" in hosts else ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
    return settings | {"no_proxy": value, "NO_PROXY": value}


def _readable(host: str) -> str:
    """An entry of NO_PROXY as httpx can read it; a whole range of IPv6 it cannot: empty."""
    host = host.strip().strip("[]")
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        return host if host.count(":") < 2 else ""
    if network.version == 6:
        return str(network.network_address) if network.num_addresses == 1 else ""
    return host
