"""A disk that is full, in words: which one, and how much of it is free."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.runtime import environment

NEARLY = 16 << 20  # bytes: a disk with less free has no room
FULL = (errno.ENOSPC, errno.EDQUOT)
# What we say of it, and SQLite; and of what a child process raised the text alone is left.
NO_SPACE = "no space is left on the disk of"
WORDS = (NO_SPACE, "disk is full", *map(os.strerror, FULL))


class DiskFullError(RuntimeError):
    """There was no room for what was to be written; the message says on which disk."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise DiskFullError where the block, which writes below the folder, finds no room: what
    `write` raises names no file."""
    try:
        yield
    except Exception as error:
        if any(map(_says_so, _chain(error))):
            raise DiskFullError(_sentence(_shown(folder.absolute()))) from error
        raise


def check_room(folder: Path, size: int) -> None:
    """Raise DiskFullError where so many bytes find no room below a folder."""
    if size > shutil.disk_usage(folder).free:
        raise DiskFullError(_sentence(_shown(folder.absolute())))


def full(error: BaseException) -> str:
    """Which disk of this machine is full, where an error says that one is; else nothing.

    Where no file is named, it is the disk with the least free of those that processes write to.
    """
    causes = [one for one in _chain(error) if _says_so(one)]
    told = next((str(one) for one in causes if isinstance(one, DiskFullError)), "")
    if told or not causes:
        return told
    if file := next(filter(None, map(_file, causes)), None):
        return _sentence(_shown(file))
    place = _fullest()
    # With more free it is a disk of another machine, which the error's own words name.
    return _sentence(place) if shutil.disk_usage(place).free < NEARLY else ""


def _sentence(place: Path) -> str:
    usage, home = shutil.disk_usage(place), environment.home()
    of_home = place.is_relative_to(home) or home.is_relative_to(place)
    elsewhere = ", or set ESPALIER_HOME to a folder on another disk" if of_home else ""
    return (
        f"{NO_SPACE} {place}, where {usage.free / 1e6:,.1f} of {usage.total / 1e6:,.1f} MB are "
        f"free: free some{elsewhere}"
    )


def _chain(error: BaseException) -> list[BaseException]:
    """An error, and what lies behind it."""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    return chain


def _says_so(error: BaseException) -> bool:
    return getattr(error, "errno", None) in FULL or any(words in str(error) for words in WORDS)


def _file(error: BaseException) -> Path | None:
    """The file that an error names; of two the one that was written."""
    names = (getattr(error, name, None) for name in ("filename2", "filename"))
    return next((Path(name).absolute() for name in names if isinstance(name, str)), None)


def _shown(file: Path) -> Path:
    """Where a person looks for the disk of a file: of several folders on it the first."""
    while not file.exists():  # it was removed, half written
        file = file.parent
    return _disks().get(file.stat().st_dev, file)


def _fullest() -> Path:
    """Where a person looks for the disk with the least free."""
    return min(_disks().values(), key=lambda place: shutil.disk_usage(place).free)


def _disks() -> dict[int, Path]:
    """The disks that our processes write to, by number, each by the first folder on it."""
    disks: dict[int, Path] = {}
    for place in _written():
        with suppress(OSError):  # it may not be looked into
            if place.is_dir():
                disks.setdefault(place.stat().st_dev, place)
    return disks


def _written() -> Iterator[Path]:
    """The folders that our processes write to, each of which may lie on a disk of its own."""
    home, root = environment.home(), environment.ROOT
    yield from (home, root)
    for parent in (home, root / ".dvc", root / "data"):
        yield from sorted(parent.glob("*/"))
    yield Path(os.environ.get("BENTOML_HOME", home))
    yield Path(os.environ.get("TMPDIR", "/tmp"))
    yield Path()
