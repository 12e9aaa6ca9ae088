"""The pointers of the last two models that served, kept beside the one that is published.

A service that starts while the published model is no good serves one of these: their artifacts are
still there, since each lies in a folder named by its digest, and none is ever removed.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path


def of(pointer: Path) -> list[Path]:
    """The pointers that may stand in for this one, the latest first."""
    return [pointer.with_suffix(suffix) for suffix in (".last-good.json", ".good-before.json")]


def note(pointer: Path, content: Mapping) -> None:
    """Remember what this pointer said as the latest that served; raises OSError."""
    latest, before = of(pointer)
    text = json.dumps(dict(content), indent=2, sort_keys=True) + "\n"
    with pointer.with_suffix(".lock").open("w") as lock:
        # The second of two workers that take a model in must find what the first has noted.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _read(latest) == text:
            return
        beside = latest.with_suffix(f".{os.getpid()}")
        beside.write_text(text)
        if latest.exists():
            latest.replace(before)
        beside.replace(latest)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
