"""What the environment says: which tasks to serve, where state is, and what is logged."""

import difflib
import os
from pathlib import Path

from serving.loading import TASKS

BESIDE = Path(__file__).resolve().parent.parent / "champions"  # inside a Bento


def wanted_tasks() -> tuple[str, ...]:
    """The tasks that ESPALIER_TASKS names, comma separated.

    When it names none: those whose champions a Bento carries, or all of them elsewhere.
    """
    named = [task.strip() for task in os.environ.get("ESPALIER_TASKS", "").split(",")]
    named = [task for task in named if task]
    for task in named:
        if task not in TASKS:
            near = difflib.get_close_matches(task, TASKS, n=1, cutoff=0)[0]
            raise ValueError(
                f"ESPALIER_TASKS names {task!r}; the tasks are {', '.join(TASKS)}. "
                f"Did you mean {near!r}?"
            )
    carried = tuple(task for task in TASKS if (BESIDE / f"{task}.json").is_file())
    return tuple(dict.fromkeys(named)) or carried or TASKS


def home() -> Path:
    """The folder of all state: ESPALIER_HOME."""
    return Path(os.environ.get("ESPALIER_HOME", ".espalier")).absolute()


def pointer_folders() -> list[Path]:
    """Where pointers are looked for: under ESPALIER_HOME first, then beside the code."""
    return [home() / "published", BESIDE]


def log_megabytes() -> int:
    """How large the request log may become: ESPALIER_LOG_MB, 0 for none of it."""
    said = os.environ.get("ESPALIER_LOG_MB") or "256"
    if not said.isdecimal():
        raise ValueError(
            f"ESPALIER_LOG_MB is {said!r}; it takes a whole number of megabytes, or 0 for no log."
        )
    return int(said)


def log_inputs() -> bool:
    """Whether the request log keeps what was sent, texts and pictures too: ESPALIER_LOG_INPUTS."""
    said = os.environ.get("ESPALIER_LOG_INPUTS") or "0"
    if said not in ("0", "1"):
        raise ValueError(
            f"ESPALIER_LOG_INPUTS is {said!r}; it takes 1 to keep what is sent, or 0 not to."
        )
    return said == "1"
