"""The pointers of the last two models that served, kept beside the one that is published.

A service that starts while the published model is damaged serves one of these: their artifacts are
still there, since each lies in a folder named by its digest, and none is ever removed.
"""

import fcntl
from pathlib import Path

from serving.inference.pointer import Pointer

SUFFIXES = (".last-good.json", ".good-before.json")  # as every version of the product named them


def paths(pointer: Path) -> list[Path]:
    """Return the fallbacks of a pointer, the latest first."""
    return [pointer.with_suffix(suffix) for suffix in SUFFIXES]


def remember(pointer: Path, content: Pointer) -> None:
    """Keep the pointer's content as that of the latest model that served; raises OSError."""
    latest, before = paths(pointer)
    with pointer.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        # The second of two workers that load a model must read what the first has written.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if latest.exists():
            if latest.read_text(encoding="utf-8") == content.to_json():
                return
            latest.replace(before)
        content.write(latest)
