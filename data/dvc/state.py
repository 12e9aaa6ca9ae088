"""DVC's own files in a checkout, and what a kill leaves of them: its locks, and who holds what.

DVC truncates a dvc.lock before it writes it, so that a kill can cut it anywhere, and with it the
versions of all other datasets in it. A copy is kept while DVC runs, and restored.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import yaml

from data.declared import LOADER, OWN

LOCK = Path(".dvc/tmp/espalier.lock")  # of a checkout: one DVC call at a time
FILE = {"path", "hash", "md5", "size"}  # what DVC writes of each dependency and output


@contextmanager
def held(root: Path) -> Iterator[None]:
    """One DVC call at a time in this checkout, after what a killed one left is mended."""
    from filelock import FileLock

    folder = (root / LOCK).parent
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / "dvc.lock.writing"
    with FileLock(root / LOCK):
        for lock in locks(root):
            _restore(lock, _copy(lock, root), was_killed=marker.exists())
        table = folder / "rwlock"
        if table.exists() and not _is_held(table):
            table.unlink()
        marker.touch()
        yield
        for lock in locks(root):
            _keep(lock, _copy(lock, root))
        marker.unlink()


def remove_unfinished(root: Path, *stores: Path) -> None:
    """Remove what a DVC call of this checkout began to write into its cache or remote, and could
    not end: DVC leaves it, each time under another name."""
    from filelock import FileLock

    with FileLock(root / LOCK):
        for store in stores:
            for file in [*store.glob("*/**/.*.tmp")]:
                file.unlink(missing_ok=True)
                with suppress(OSError):  # in an empty folder of runs DVC looks for the newest
                    file.parent.rmdir()


def stages(root: Path, lock: Path) -> dict[str, dict]:
    """The stages of a checkout's lock by name; one that a kill has cut off is restored before."""
    entries = _entries(lock)
    if entries is None:
        with held(root):  # DVC may be just writing it
            entries = _entries(lock)
    return entries or {}


def is_whole(root: Path) -> bool:
    """Whether each dvc.lock can be read."""
    return all(_entries(lock) is not None for lock in locks(root))


def locks(root: Path) -> list[Path]:
    """The lock of the checkout, and that of each own dataset."""
    return [root / "dvc.lock", *sorted((root / OWN).glob("*/dvc.lock"))]


def is_left(root: Path) -> bool:
    """Whether DVC's table of locks names a process, and none of those runs."""
    table = root / ".dvc" / "tmp" / "rwlock"
    try:
        return bool(_holders(table)) and not _is_held(table)
    except FileNotFoundError:
        return False
    except ValueError:  # cut off by a kill
        return True


def _copy(lock: Path, root: Path) -> Path:
    """Where the copy of a lock is kept."""
    name = lock.relative_to(root).as_posix().replace("/", "-")
    return root / ".dvc" / "tmp" / f"{name}.kept"


def _restore(lock: Path, copy: Path, was_killed: bool) -> None:
    """Write a lock anew from the kept copy, or git's, when a kill has cut it off; else keep one.

    Cut off between two stages it can be read: then the copy has a stage that it lacks.
    """
    entries, kept = _entries(lock), _entries(copy) or {}
    if entries is not None and not (was_killed and kept.keys() - entries.keys()):
        _keep(lock, copy)
    elif kept:
        _replace(copy, lock)
    else:  # where git has none, every stage is made again, and gives the same hashes
        lock.rename(copy.with_name("dvc.lock.unreadable"))
        git = ["git", "-C", str(lock.parent), "restore", "--source=HEAD", lock.name]
        with suppress(FileNotFoundError):  # no git
            subprocess.run(git, capture_output=True)


def _keep(lock: Path, copy: Path) -> None:
    if _entries(lock):
        _replace(lock, copy)


def _replace(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _entries(path: Path) -> dict[str, dict] | None:
    """The stages of a lock file, none where there is no file; None when it is cut off."""
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), LOADER)["stages"]
        files = [
            file for entry in entries.values() for file in [*entry.get("deps", []), *entry["outs"]]
        ]
        return entries if all(file.keys() >= FILE for file in files) else None
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return None


def _is_held(table: Path) -> bool:
    """Whether a process that DVC's lock table names still runs.

    DVC asks for the process' number alone, which a zombie keeps and another process may be given.
    """
    try:
        holders = _holders(table)
    except ValueError:  # cut off by a kill
        return False
    return any(_runs(holder["pid"], table.stat().st_mtime) for holder in holders)


def _holders(table: Path) -> list[dict]:
    modes = json.loads(table.read_text(encoding="utf-8"))
    return [*modes.get("write", {}).values(), *chain(*modes.get("read", {}).values())]


def _runs(pid: int, since: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.NoSuchProcess:
        return False
