"""One call of the command: where its output goes, and how it ends or fails."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import NoReturn

import typer

from pipelines.locks.lock import LockHeldError
from pipelines.processes import servers
from pipelines.runtime import console, disk, environment
from pipelines.runtime.settings import UsageError

DONE, FAILED, USAGE, REFUSED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 75, 130
# Servers that commands cannot do without: told before seconds of imports.
ASKS = {
    environment.MLFLOW: (
        "run",
        "up",
        "train",
        "compare",
        "card",
        "promote",
        "approve",
        "rollback",
        "trace",
    ),
    environment.PREFECT: ("run", "up", "notify"),
    environment.CLUSTER: ("run", "train"),
}


class StateError(RuntimeError):
    """The folder of state cannot be written to; the message says what to do."""


def begin(verb: str, as_json: bool) -> None:
    """Make the environment and send what libraries print to a log of this call."""
    environment.apply()
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    log = environment.home() / "logs" / f"{verb}-{stamp}-{os.getpid()}.log"
    try:
        console.divert(log, answers_only=as_json)
    except OSError as error:
        raise StateError(
            f"cannot write to {environment.home()} ({error.strerror}): "
            "set ESPALIER_HOME to a folder of yours"
        ) from None
    for variable, verbs in ASKS.items():
        if verb in verbs:
            environment.check_server(variable)
            if variable != environment.CLUSTER:  # a flow watches for workers
                servers.watch(variable)
    if verb in ("run", "train", "data-check") and (problem := environment.git_problem()):
        fail(": ".join(problem))


def end(
    as_json: bool,
    facts: dict,
    show: Callable[[], None],
    code: int = DONE,
    failure: str = "",
) -> NoReturn:
    """Print the outcome on standard output, what failed on standard error, and end.

    Args:
        as_json: print the facts, for a program.
        facts: the outcome as JSON.
        show: prints it for a person.
        code: the exit code.
        failure: why it is not DONE, where that was not told before.
    """
    if as_json:
        console.answer(json.dumps(facts))
    else:
        show()
    if failure:
        fail(failure)
    raise typer.Exit(code)


def fail(sentence: str) -> None:
    """Say on standard error what failed or was refused."""
    console.err().print(f"espalier: {sentence}", markup=False)


def leave(code: int) -> NoReturn:
    """End this process now, past the interpreter's own end.

    Steps may still run on threads: what they do while the interpreter is taken down can abort the
    process, and change its exit code. The processes that it started end with it.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    console.drop_empty_log()
    os._exit(code)


def report(error: Exception) -> int:
    """Print what went wrong for a person, then log it; returns the exit code."""
    from data.errors import GateRefused
    from models.errors import ParameterError
    from pipelines.commands.promote import RollbackRefused
    from pipelines.promotion.approval import ApprovalRefused

    codes = {
        GateRefused: REFUSED,
        ApprovalRefused: REFUSED,
        RollbackRefused: REFUSED,
        LockHeldError: LOCKED,
        UsageError: USAGE,
        ParameterError: USAGE,
    }
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)
    fail(_cause(error) or str(error) or type(error).__name__)
    if not console.log():
        return code
    if console.keep_traceback() and code == FAILED:
        console.err().print(f"The whole story is in {console.log()}", markup=False)
    return code


def _cause(error: BaseException) -> str:
    """What lies behind an error, where its own words do not name it; else nothing."""
    if full := disk.full(error):
        return full
    if isinstance(error, environment.ServerError):
        return ""
    try:  # what MLflow's client raises names neither
        environment.check_server(environment.MLFLOW)
    except environment.ServerError as dead:
        return str(dead)
    return ""
