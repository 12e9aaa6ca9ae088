"""Where your own files lie: the path of an entry, and what no tool can follow below it."""

import os
from pathlib import Path

from data.errors import DataError


def local(path: str | Path) -> Path:
    """`path:` of an entry, with `~` expanded.

    Raises:
        DataError: it is the address of another machine, or nothing is there.
    """
    if "://" in str(path):
        raise DataError(f"{path} is an address, expected a file or folder: fetch it, and name that")
    found = Path(path).expanduser()
    if not found.exists():
        raise DataError(f"{path} is missing: `path:` in params.yaml names it")
    return found


def check(path: str | Path) -> None:
    """Look at the names below `path` before DVC does.

    Raises:
        DataError: there is no such path; a name is not UTF-8, which DVC cannot record; or a link
            to a folder is among them, behind which DVC sees no change.
    """
    root = local(path)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            _check_name(Path(folder), name)
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise DataError(
                    f"{Path(folder) / name} is a link to a folder, and a change behind it would go"
                    " unnoticed: copy that folder here, or make `path` the real one"
                )


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{str(folder)!r} holds a name that is not UTF-8, {os.fsencode(name)!r}: rename it"
        ) from None
