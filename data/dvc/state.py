"""DVC's own files in a checkout, and what a kill leaves of them: dvc.lock, and who holds what.

DVC truncates dvc.lock before it writes it, so that a kill can cut it anywhere, and with it the
versions of all other datasets. A copy is kept while DVC runs, and restored.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import yaml

from data.declared import LOADER

ENTRY = {"path", "hash", "md5", "size"}  # what DVC writes of each dependency and output


@contextmanager
def held(root: Path) -> Iterator[None]:
    """One DVC call at a time in this checkout, after what a killed one left is mended."""
    from filelock import FileLock

    folder = root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "espalier.lock"):
        restore(root)
        table = folder / "rwlock"
        if table.exists() and not _is_held(table):
            table.unlink()
        _marker(root).touch()
        yield
        _keep(root)
        _marker(root).unlink()


def stages(root: Path) -> dict[str, dict]:
    """The stages of dvc.lock by name; one that a kill has cut off is restored beforehand."""
    entries = _entries(root / "dvc.lock")
    if entries is None:
        with held(root):  # DVC may be just writing it
            entries = _entries(root / "dvc.lock")
    return entries or {}


def is_whole(root: Path) -> bool:
    """Whether dvc.lock can be read, where there is one."""
    return _entries(root / "dvc.lock") is not None


def restore(root: Path) -> None:
    """Write dvc.lock anew from the kept copy, or git's, when a kill has cut it off."""
    lock = root / "dvc.lock"
    entries, kept = _entries(lock), _entries(_copy(root))
    was_killed = _marker(root).exists()
    if entries is None or (was_killed and kept and not kept.keys() <= entries.keys()):
        if not kept:
            _copy_of_git(root)
        if not _entries(_copy(root)):
            lock.rename(root / ".dvc" / "tmp" / "dvc.lock.unreadable")
            return
        _replace(_copy(root), lock)
    _keep(root)


def _keep(root: Path) -> None:
    if _entries(root / "dvc.lock"):
        _replace(root / "dvc.lock", _copy(root))


def _copy_of_git(root: Path) -> None:
    git = ["git", "-C", str(root), "show", "HEAD:./dvc.lock"]
    try:
        done = subprocess.run(git, capture_output=True)
    except FileNotFoundError:
        return
    if done.returncode == 0:
        _copy(root).write_bytes(done.stdout)


def _copy(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "dvc.lock.kept"


def _marker(root: Path) -> Path:
    """There while DVC runs, and after a kill."""
    return root / ".dvc" / "tmp" / "dvc.lock.writing"


def _replace(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def _entries(path: Path) -> dict[str, dict] | None:
    """The stages of a lock file, none where there is no file; None when it is cut off."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    entries = content.get("stages") if isinstance(content, dict) else None
    return entries if isinstance(entries, dict) and all(map(_whole, entries.values())) else None


def _whole(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("outs"), list):
        return False
    files = [*(entry.get("deps") or []), *entry["outs"]]
    return all(isinstance(file, dict) and file.keys() >= ENTRY for file in files)


def _is_held(table: Path) -> bool:
    """Whether a process that DVC's lock table names still runs.

    DVC asks for the process' number alone, which a zombie keeps and another process may be given.
    """
    try:
        modes = json.loads(table.read_text(encoding="utf-8"))
    except ValueError:  # cut off by a kill
        return False
    holders = [*modes.get("write", {}).values(), *chain(*modes.get("read", {}).values())]
    return any(_runs(holder["pid"], table.stat().st_mtime) for holder in holders)


def _runs(pid: int, since: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.NoSuchProcess:
        return False
