"""DVC's and git's command lines, called in the checkout; what they print, and why they failed."""

import errno
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from data.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
NO_SPACE = os.strerror(errno.ENOSPC)  # in what DVC prints of a full disk


def output(*arguments: str) -> str:
    """The standard output of a call that must go well; raises DataError."""
    done = dvc(*arguments)
    if done.returncode != 0:
        raise DataError(error(done))
    return done.stdout


def dvc(
    *arguments: str, seconds: float | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One call; the `python` of the stages is the one that runs this. seconds: it may take."""
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "data.dvc.command", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ
            | {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
            | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {seconds:.0f} s")


def error(done: subprocess.CompletedProcess[str]) -> str:
    """DVC's own last word on a call that failed; of a full disk the line that says so."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    full = [line for line in errors if NO_SPACE in line]
    silent = f"DVC ended with status {done.returncode} and no message"
    return (full or errors or lines or [silent])[-1]


def is_full(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a call failed since a disk is full."""
    return NO_SPACE in done.stderr


def settings() -> dict[str, str]:
    """DVC's settings of this checkout by name. Of one that stands twice the later counts:
    .dvc/config.local comes after .dvc/config."""
    lines = output("config", "--list").splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def git(*arguments: str) -> str:
    """The standard output of git in this checkout; raises DataError."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise DataError("git is not installed") from error
    if done.returncode != 0:
        raise DataError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
