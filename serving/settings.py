"""What the environment says: the tasks to serve, where their models come from, what is logged, who
may ask."""

import difflib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from serving.champions.loading import TASKS
from serving.http.auth import OPEN

BESIDE = Path(__file__).resolve().parent.parent / "champions"  # inside a Bento
REGISTERED = re.compile(f"espalier-({'|'.join(TASKS)})-[A-Za-z0-9_.-]+")


def wanted_tasks() -> tuple[str, ...]:
    """The tasks that ESPALIER_TASKS names, comma separated.

    When it names none: those that are followed or whose champions a Bento carries, or all of them
    elsewhere.
    """
    named = _names("ESPALIER_TASKS", "tasks", TASKS)
    known = followed()
    had = tuple(task for task in TASKS if task in known or (BESIDE / f"{task}.json").is_file())
    return named or had or TASKS


def home() -> Path:
    """The folder of all state: ESPALIER_HOME, or `.espalier` when that is unset or empty."""
    return Path(os.environ.get("ESPALIER_HOME") or ".espalier").absolute()


def pointer_folders() -> list[Path]:
    """Where pointers are looked for: under ESPALIER_HOME first, then beside the code."""
    return [home() / ("followed" if followed() else "published"), BESIDE]


def followed() -> dict[str, str]:
    """Task → the registered model whose champion it serves: ESPALIER_FOLLOW, comma separated."""
    models = {}
    for name in _listed("ESPALIER_FOLLOW"):
        found = REGISTERED.fullmatch(name)
        if found is None:
            raise ValueError(
                f"ESPALIER_FOLLOW names {name!r}; a registered model is called "
                f"espalier-TASK-DATASET, where TASK is one of {', '.join(TASKS)}."
            )
        if models.setdefault(found[1], name) != name:
            raise ValueError(
                f"ESPALIER_FOLLOW names two models of {found[1]}; it takes one a task."
            )
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
    return _whole_number("ESPALIER_LOG_MB", 1024, 0, "megabytes, or 0 for no log")


def log_days() -> int:
    """Bound on the age of a record of the request log: ESPALIER_LOG_DAYS."""
    return _whole_number("ESPALIER_LOG_DAYS", 90, 1, "days, at least 1")


def log_inputs() -> bool:
    """Whether the request log keeps what was sent, texts and pictures too: ESPALIER_LOG_INPUTS."""
    said = os.environ.get("ESPALIER_LOG_INPUTS") or "0"
    if said not in ("0", "1"):
        raise ValueError(
            f"ESPALIER_LOG_INPUTS is {said!r}; it takes 1 to keep what is sent, or 0 not to."
        )
    return said == "1"


def api_token() -> str | None:
    """The token that ESPALIER_API_TOKEN sets for whoever asks; None leaves the service open.

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


def protected() -> tuple[str, ...]:
    """What ESPALIER_PROTECT, comma separated, puts behind the token as well: health, metrics."""
    named = _names("ESPALIER_PROTECT", "choices", tuple(OPEN))
    if named and api_token() is None:
        raise ValueError(
            f"ESPALIER_PROTECT names {', '.join(named)}, but no ESPALIER_API_TOKEN is set to ask "
            "for: set one, or unset ESPALIER_PROTECT."
        )
    return named


def _whole_number(variable: str, default: int, least: int, unit: str) -> int:
    value = os.environ.get(variable) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"{variable} is {value!r}; it takes a whole number of {unit}.")
    return int(value)


def _names(variable: str, what: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names in a variable, comma separated, each once; all must be known. what: in plural."""
    named = _listed(variable)
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise ValueError(
                f"{variable} names {name!r}; the {what} are {', '.join(known)}. "
                f"Did you mean {near!r}?"
            )
    return tuple(dict.fromkeys(named))


def _listed(variable: str) -> list[str]:
    named = [name.strip() for name in os.environ.get(variable, "").split(",")]
    return [name for name in named if name]
