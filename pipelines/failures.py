"""How a command fails: one sentence for a person, the story in its log, an exit code."""

import errno
import os
import traceback

from pipelines.locks.lock import LockHeldError
from pipelines.runtime import console, environment
from pipelines.runtime.settings import UsageError

DONE, FAILED, USAGE, REFUSED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 75, 130


class StateError(RuntimeError):
    """The folder of state cannot be written to; the message says what to do."""


def report(error: Exception) -> int:
    """Print what went wrong for a person, then log it; returns the exit code."""
    from data.errors import GateRefused
    from models.errors import ParameterError
    from pipelines.commands.rollback import RollbackRefused

    codes = {
        GateRefused: REFUSED,
        RollbackRefused: REFUSED,
        LockHeldError: LOCKED,
        UsageError: USAGE,
        ParameterError: USAGE,
    }
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)
    console.err().print(f"espalier: {_cause(error) or error}", markup=False)
    if not console.log():
        return code
    try:
        traceback.print_exc()
        if code == FAILED:
            console.err().print(f"The whole story is in {console.log()}", markup=False)
    except OSError:  # the log's disk is full, and the interpreter would write there at its end
        _drop_output()
    return code


def _cause(error: BaseException) -> str:
    """What lies behind an error, where its own words do not name it; else nothing."""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    full = (errno.ENOSPC, errno.EDQUOT)
    if any(getattr(one, "errno", None) in full or "disk is full" in str(one) for one in chain):
        return (
            f"no space is left on the disk of {environment.home()}: free some, or set "
            "ESPALIER_HOME to a folder on another disk"
        )
    if os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http"):
        from pipelines.commands import doctor

        finding = doctor.mlflow_server()
        return f"{finding.what}: {finding.state}: {finding.mend}" if finding.mend else ""
    return ""


def _drop_output() -> None:
    """Send what libraries still print to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
