"""What the environment says: which tasks to serve, and where champions are published."""

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


def pointer_folders() -> list[Path]:
    """Where pointers are looked for: under ESPALIER_HOME first, then beside the code."""
    home = Path(os.environ.get("ESPALIER_HOME", ".espalier")).absolute()
    return [home / "published", BESIDE]
