"""Which disk is full: real ones, of a few kilobytes."""

import errno
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import disks
import pytest

from data.errors import DataError
from pipelines.runtime import disk


def by_file(place: Path) -> None:
    (place / "a").write_bytes(bytes(1 << 16))


def by_sqlite(place: Path) -> None:
    with closing(sqlite3.connect(place / "b.db")) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (zeroblob(100000))")
        database.commit()


def by_child(place: Path) -> None:
    write = f"with open({str(place / 'c')!r}, 'wb') as file: file.write(bytes(1 << 16))"
    done = subprocess.run([sys.executable, "-c", write], capture_output=True, text=True)
    raise DataError(f"bentoml could not build: {done.stderr.splitlines()[-1]}")


@pytest.mark.parametrize("write", [by_file, by_sqlite, by_child])
@pytest.mark.parametrize("folder", [".", "published"])
def test_the_disk_is_named_with_what_is_free(home, tmp_path, write, folder):
    with disks.mounted(home / folder, 8 << 10) as place:
        disks.fill(place, left=16)
        with pytest.raises((OSError, sqlite3.Error, DataError)) as raised:
            write(place)
        told = disk.full(raised.value)
        assert f"no space is left on the disk of {place.resolve()}, where 0.0 of 8.4 MB" in told
        assert "ESPALIER_HOME" in told


def test_a_file_that_is_named_is_believed(home, tmp_path):
    """Another disk may be full too."""
    disks_of = disks.mounted(home / "mlartifacts", 128), disks.mounted(tmp_path / "elsewhere", 128)
    with disks_of[0] as other, disks_of[1] as elsewhere:
        disks.fill(other)
        named = OSError(errno.ENOSPC, "No space left on device", str(elsewhere / "gone" / "file"))
        assert f"of {elsewhere}, where 0.1 of 0.1 MB" in disk.full(named)
        assert "ESPALIER_HOME" not in disk.full(named)
        unnamed = RuntimeError("failed to push: [Errno 28] No space left on device")
        assert f"of {other}, where 0.0 of 0.1 MB" in disk.full(unnamed)
        with pytest.raises(disk.DiskFullError) as raised, disk.writing(elsewhere):
            raise unnamed
        assert f"of {elsewhere}" in disk.full(raised.value)
        assert disk.full(RuntimeError("it failed")) == ""
