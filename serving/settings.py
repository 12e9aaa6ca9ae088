"""What the environment says: the tasks to serve, where champions are published, where runs show."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

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


def run_page(manifest: Mapping) -> str | None:
    """Where MLflow shows the run that a model came from, for a browser to open.

    None where MLFLOW_TRACKING_URI names no server, or an older manifest no run.
    """
    server = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if server.scheme not in ("http", "https") or "run_id" not in manifest:
        return None
    host = server.netloc.rpartition("@")[2]  # a password in it is for us alone
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/#/runs/{manifest['run_id']}"
