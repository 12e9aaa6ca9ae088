"""Where your own files lie: the path of an entry, and the names below it."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data.errors import DataError

# What systems, viewers and NAS put beside files, in lower case; and all names with . or @ first.
SYSTEM = ["__macosx", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini"]
SYSTEM += ["$recycle.bin", "#recycle", "system volume information", "icon\r"]


def local(path: str | Path) -> Path:
    """`path:` of an entry, with `~` expanded.

    Raises:
        DataError: it is the address of another machine; or nothing, or a pipe or such, is there.
    """
    if re.match(r"\w\w+:/", str(path)):  # a Path has made one slash of two
        raise DataError(f"{path} is an address, expected a file or folder: fetch it, and name that")
    found = Path(path).expanduser()
    if not found.exists():
        raise DataError(f"there is no file or folder {path}")
    if not found.is_file() and not found.is_dir():  # to read a pipe would wait for ever
        raise DataError(f"{path} is neither a file nor a folder: write what it gives into a file")
    return found


def check(path: str | Path) -> None:
    """Look at what lies below `path` before DVC does.

    Raises:
        DataError: nothing is there, or see `below`.
    """
    root = local(path)
    if root.is_dir():
        for _ in below(root):
            pass


def below(root: Path) -> Iterator[tuple[PurePosixPath, bool]]:
    """All files and folders below `root`, relative to it, and whether each is a folder.

    Raises:
        DataError: a name is not UTF-8, which DVC cannot record; a link leads nowhere; or one leads
            to a folder, in which DVC sees no change.
    """
    for folder, folders, files in os.walk(root, onerror=_refuse):
        inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
        for name, is_folder in (dict.fromkeys(folders, True) | dict.fromkeys(files, False)).items():
            _check_name(folder, name)
            relative = inside / name
            if not is_hidden(relative):
                _check_kind(Path(folder, name))
            yield relative, is_folder


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a file or folder, or one that it lies in, is hidden or a system's own."""
    return any(part[0] in ".@" or part.lower() in SYSTEM for part in path.parts)


def shown(path: Path) -> str:
    """A path for a message: signs that a terminal would obey are escaped."""
    return str(path) if str(path).isprintable() else repr(str(path))


def _check_name(folder: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{os.fsencode(folder)!r} holds a name that is not UTF-8, {os.fsencode(name)!r}:"
            " rename it"
        ) from None


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error


def _check_kind(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    if path.is_symlink() and not path.exists():
        raise DataError(f"{path} is a link to {path.readlink()}, which is missing: remove the link")
    if path.is_symlink() and path.is_dir():
        raise DataError(
            f"{path} is a link to a folder, and a change in it would go unnoticed: copy that folder"
            " here, or let `path` name the real one"
        )
    if not path.is_file() and not path.is_dir():
        raise DataError(f"{path} is neither a file nor a folder: remove it")
