"""The settings of the service, from the environment: the tasks, where their models come from, what
is logged, who may ask.

A model has the name of its slot: a task, or a task and a dataset, such as image-fashion.
"""

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from models.artifact.signature import Trusted, read_trusted
from models.inputs.errors import did_you_mean
from serving.champions import served
from serving.champions.loading import TASKS
from serving.http.auth import OPEN
from serving.http.clients import Clients
from serving.http.host_check import HOST

BESIDE = Path(__file__).resolve().parent.parent / "champions"  # inside a Bento
ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
REGISTERED = re.compile(f"espalier-({'|'.join(TASKS)})-[A-Za-z0-9_.-]+")


def wanted_tasks() -> tuple[str, ...]:
    """The tasks of the models that are required; all of them where none is."""
    return tuple(dict.fromkeys(map(served.task_of, required_models()))) or TASKS


def required_models() -> tuple[str, ...]:
    """The models without which the service is not ready: none where it serves all by default.

    They are those that ESPALIER_TASKS names, comma separated; where it names none, those that are
    followed, or that a Bento carries.
    """
    rule = f"the tasks are {', '.join(TASKS)}, and TASK-DATASET names one dataset of a task"
    named = _names("ESPALIER_TASKS", TASKS, rule, served.task_of)
    return named or tuple(sorted({*followed(), *carried()}, key=_rank))


def carried() -> list[str]:
    """The models of the Bento that this is."""
    names = list(TASKS)
    with suppress(OSError):  # of before there was more than one dataset a task
        names += served.names(served.read(BESIDE), TASKS)
    return [name for name in names if (BESIDE / f"{name}.json").is_file()]


def home() -> Path:
    """The folder of all state: ESPALIER_HOME, or `.espalier` when that is unset or empty."""
    return Path(os.environ.get("ESPALIER_HOME") or ".espalier").absolute()


def pointer_folders() -> list[Path]:
    """Where pointers are looked for: under ESPALIER_HOME first, then beside the code."""
    return [home() / ("followed" if followed() else "published"), BESIDE]


def followed() -> dict[str, str]:
    """Model → the registered model whose champion it is: ESPALIER_FOLLOW, comma separated.

    The first one of a task is the task's own, each other one its dataset's.
    """
    models: dict[str, str] = {}
    for registered in dict.fromkeys(_listed("ESPALIER_FOLLOW")):
        match = REGISTERED.fullmatch(registered)
        if match is None:
            raise ValueError(
                f"ESPALIER_FOLLOW names {registered!r}; a registered model is called "
                f"espalier-TASK-DATASET, where TASK is one of {', '.join(TASKS)}."
            )
        name = registered.removeprefix("espalier-") if match[1] in models else match[1]
        models[name] = registered
    return models


def registry() -> str:
    """The MLflow server that is followed: MLFLOW_TRACKING_URI."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(uri).scheme not in ("http", "https"):
        raise ValueError(
            "ESPALIER_FOLLOW is set, but MLFLOW_TRACKING_URI names no server to follow: it takes "
            "an address such as http://mlflow:5000."
        )
    return uri


def log_megabytes() -> int:
    """Bound on the size of the request log: ESPALIER_LOG_MB, 0 for no log."""
    return _number("ESPALIER_LOG_MB", 1024, 0, "a whole number of megabytes, or 0 for no log")


def log_days() -> int:
    """Bound on the age of a record of the request log: ESPALIER_LOG_DAYS."""
    return _number("ESPALIER_LOG_DAYS", 90, 1, "a whole number of days, at least 1")


def log_inputs() -> bool:
    """Whether the request log keeps what was sent, texts and pictures too: ESPALIER_LOG_INPUTS."""
    value = os.environ.get("ESPALIER_LOG_INPUTS") or "0"
    if value not in ("0", "1"):
        raise ValueError(
            f"ESPALIER_LOG_INPUTS is {value!r}; it takes 1 to keep what is sent, or 0 not to."
        )
    return value == "1"


def max_requests() -> int:
    """How many requests are admitted at a time: ESPALIER_MAX_REQUESTS."""
    return _number("ESPALIER_MAX_REQUESTS", 64, 1, "a whole number of requests, at least 1")


def hosts() -> tuple[str, ...]:
    """The hosts beside those of loopback: ESPALIER_HOSTS, comma separated; ports are ignored."""
    names = []
    for name in _listed("ESPALIER_HOSTS"):
        match = HOST.fullmatch(name.encode("utf-8"))
        if match is None:
            raise ValueError(
                f"ESPALIER_HOSTS names {name!r}; a host is a name such as espalier.example.org or "
                "an address such as 10.0.0.7 or [fd00::7]."
            )
        names.append(match[1].decode("ascii"))
    return tuple(names)


def api_token() -> str | None:
    """The token of the client `default`: ESPALIER_API_TOKEN; None: there is no such client.

    One that is set and could never match a header is an error: an empty one would leave the
    service open, one with a line's end from a file would shut it to everybody.
    """
    token = os.environ.get("ESPALIER_API_TOKEN")
    if token is None or re.fullmatch(r"[!-~]+", token):
        return token
    received = f"has {len(token)} characters, of which some are not" if token else "is empty"
    raise ValueError(
        f"ESPALIER_API_TOKEN {received}; it must consist of visible ASCII characters without any "
        "space or line's end. Unset it to serve without a token."
    )


def clients() -> Clients:
    """The clients that are known: those of the token file, and whoever has ESPALIER_API_TOKEN.

    The file is the one that ESPALIER_TOKENS names, which must be there; else tokens.json in
    ESPALIER_HOME, where it is there.
    """
    named = os.environ.get("ESPALIER_TOKENS")
    if named is None:
        return Clients(home() / "tokens.json", api_token())
    if not (Path(named).is_absolute() and Path(named).exists()):
        raise ValueError(
            f"ESPALIER_TOKENS is {named!r}, expected the absolute path of a file that is there: "
            "make it with `espalier token add`, or unset ESPALIER_TOKENS."
        )
    return Clients(Path(named), api_token())


def trusted() -> Trusted | None:
    """Whose champions serve: the public keys of ESPALIER_TRUST, a file or a folder of *.pem.

    None: everybody's. An empty one is an error: it would leave the service open by mistake.
    """
    named = os.environ.get("ESPALIER_TRUST")
    if named is None:
        return None
    try:
        if not Path(named).is_absolute():
            raise ValueError("it is no absolute path")
        return read_trusted(Path(named))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"ESPALIER_TRUST is {named!r}, expected the absolute path of a public key in PEM, or "
            f"of a folder of such *.pem ({error}): name one, or unset ESPALIER_TRUST."
        ) from error


def protected(clients: Clients) -> tuple[str, ...]:
    """What ESPALIER_PROTECT, comma separated, closes as well: health, metrics."""
    named = _names("ESPALIER_PROTECT", OPEN, f"the choices are {', '.join(OPEN)}")
    if named and clients.is_open():
        raise ValueError(
            f"ESPALIER_PROTECT names {', '.join(named)}, but there is no token to ask for: make "
            "one with `espalier token add`, set ESPALIER_API_TOKEN, or unset ESPALIER_PROTECT."
        )
    return named


def origins() -> tuple[str, ...]:
    """The origins whose pages may read answers in a browser: ESPALIER_ORIGINS, comma separated."""
    named = tuple(_listed("ESPALIER_ORIGINS"))
    for origin in named:
        default = ":443" if origin.startswith("https:") else ":80"
        if not ORIGIN.fullmatch(origin) or origin.endswith(default):
            raise ValueError(
                f"ESPALIER_ORIGINS names {origin!r}; an origin is what a browser sends, a scheme, "
                "a host in lower case and a port that is not its scheme's own, such as "
                "https://app.example.org."
            )
    return named


def _rank(name: str) -> tuple[int, bool]:
    """A key that sorts the names of models by task, the task's own first."""
    task = served.task_of(name)
    return TASKS.index(task), name != task


def _number(variable: str, default: int, least: int, rule: str) -> int:
    """Return a whole number from a variable; an empty one has the default."""
    value = os.environ.get(variable) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"{variable} is {value!r}; it takes {rule}.")
    return int(value)


def _names(
    variable: str, choices: Collection[str], rule: str, part: Callable[[str], str] = str
) -> tuple[str, ...]:
    """The names in a variable, comma separated, each once.

    Args:
        variable: The name of the variable.
        choices: What a name may be.
        rule: Says so.
        part: Returns the part of a name that must be a choice; all of it by default.

    Raises:
        ValueError: A name is none.
    """
    names = dict.fromkeys(_listed(variable))
    for name in names:
        if part(name) not in choices:
            raise ValueError(f"{variable} names {name!r}{did_you_mean(name, choices)}; {rule}.")
    return tuple(names)


def _listed(variable: str) -> list[str]:
    names = [name.strip() for name in os.environ.get(variable, "").split(",")]
    return [name for name in names if name]
