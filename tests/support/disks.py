"""Disks that are full: file systems in memory, mounted for the time of a block."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = ".filler"


@contextmanager
def mounted(place: Path, kilobytes: int = 8192) -> Iterator[Path]:
    """A disk of that size over the folder, which is made where it is missing; what lies in the
    folder lies on the disk, and is gone afterwards."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting takes root on Linux")
    place.mkdir(parents=True, exist_ok=True)
    aside = shutil.copytree(place, place.with_name(f"{place.name}.aside"), symlinks=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        shutil.copytree(aside, place, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int = 0) -> None:
    """Leave so many kilobytes free of a mounted disk; more is a number of pages of 4."""
    (disk / FILLER).write_bytes(bytes(shutil.disk_usage(disk).free - 1024 * left))


def free(disk: Path) -> None:
    """Make room again."""
    (disk / FILLER).unlink()


def files(folder: Path) -> dict[str, bytes]:
    """All that lies below a folder, by path, without what fills its disk and what locks it."""
    paths = (path for path in folder.rglob("*") if path.name != FILLER and path.suffix != ".lock")
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes() for path in paths
    }
