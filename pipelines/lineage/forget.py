"""Rows of the request log, labels, and rows of data that are to be forgotten: of one client, or one
request id.

A file is replaced by one without them, whole or not at all. A service may be writing to it: who
appends and who replaces hold the file's lock meanwhile, and a service that finds its file replaced
writes the same lines to a new one (serving/request_log/segment.py). So no other row is lost.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from data.errors import DataError
from data.stored import COLLECTED
from pipelines.lineage import request_log
from pipelines.lineage.request_log import PARQUET, SEGMENT
from pipelines.runtime import environment

MAKING = ".partial"  # of a file that is being written; a service removes old ones with the log

FEW = 8  # names that are looked for in a line before it is parsed

Wanted = Mapping[str, str]  # a field of the record → its value in the rows that go
Values = Mapping[str, set[str]]  # the same, of one folder: of a field any of these values


@dataclass(frozen=True)
class Held:
    """How many of the rows a file of the log holds, and their bytes as lines of JSON."""

    file: Path
    rows: int
    bytes: int


def held(wanted: Wanted) -> list[Held]:
    """The files of this home's request log, of its labels, and of what was collected, that hold
    such rows."""
    logged = [one for folder, values in _folders(wanted) for one in _held(folder, values)]
    return logged + [one for part in _parts() if (one := _collected(part, wanted))]


def _parts() -> list[Path]:
    """What was collected; a collect under way is waited for, since it has read the log before."""
    from data.sources import collected

    listed = []
    for place in sorted((environment.ROOT / COLLECTED).glob("*/")):
        with suppress(FileNotFoundError), collected.locked(place):
            listed += collected.parts(place)
    return listed


def _collected(part: Path, wanted: Wanted, remove: bool = False) -> Held | None:
    """The rows of a part that are meant, which go where that is asked for; None where none are."""
    from data.sources import collected

    with collected.locked(part.parent):
        if not part.exists():
            return None
        meant, others = collected.matching(part, wanted)
        if not len(meant):
            return None
        if remove:
            collected.write(part, others)
    return Held(part, len(meant), meant.nbytes)


def _folders(wanted: Wanted) -> list[tuple[Path, Values]]:
    """The folders, and what goes of each: whoever sent it, a label goes with its request.

    Labels come first: killed after them, the next call finds by the requests what is left of them.
    """
    values = {field: {value} for field, value in wanted.items()}
    of_labels = values | {"request_id": values.get("request_id", set()) | _requests_of(values)}
    return [(request_log.labels(), of_labels), (request_log.folder(), values)]


def _requests_of(wanted: Values) -> set[str]:
    """The ids of the requests whose rows go."""
    ids = set()
    for file in request_log.files():
        with suppress(FileNotFoundError):  # a service has just removed it, as the oldest
            for line in _lines(file):
                if _goes(line, wanted) and (record := _record(line)):
                    ids.add(record.get("request_id", ""))
    return ids


def _held(folder: Path, wanted: Values) -> list[Held]:
    files = []
    for file in request_log.files(folder):
        try:
            sizes = [len(line) for line in _lines(file) if _goes(line, wanted)]
        except FileNotFoundError:  # a service has just removed it, as the oldest
            continue
        if sizes:
            files.append(Held(file, len(sizes), sum(sizes)))
    return files


def remove(wanted: Wanted) -> tuple[list[Held], list[str]]:
    """Remove the rows, while services go on writing; one call at a time.

    Returns:
        What went of each file, and why a file could not be replaced: that one stays as it was.
    """
    went: list[Held] = []
    left: list[str] = []
    for folder, values in _folders(wanted):
        if not folder.is_dir():
            continue
        with _locked(folder):
            for path in folder.glob(f"*{MAKING}"):  # of a call that was killed
                path.unlink()
            for one in _held(folder, values):
                try:
                    went.append(_remove(one.file, values))
                except OSError as error:
                    left.append(f"{one.rows} rows of {one.file}: {error.strerror}")
    for part in _parts():  # at last: what was collected meanwhile goes too
        try:
            went += filter(None, [_collected(part, wanted, remove=True)])
        except (OSError, DataError) as error:
            left.append(f"rows of {part}: {error}")
    return went, left


def _remove(file: Path, wanted: Values) -> Held:
    """Remove the rows from a file, and the file where no other row is in it.

    Its times stay, since a service removes files by their age. What was Parquet becomes JSON.
    """
    rows = size = 0
    making, segment = file.with_suffix(MAKING), file.with_suffix(SEGMENT)
    try:
        with _locked(file):
            with making.open("wb") as target:
                for line in _lines(file):
                    if _goes(line, wanted):
                        rows, size = rows + 1, size + len(line)
                    else:
                        target.write(line)
                target.flush()
                os.fsync(target.fileno())  # before it takes the place of the only other copy
            shutil.copystat(file, making)
            if making.stat().st_size:
                making.replace(segment)
            else:
                segment.unlink(missing_ok=True)
            if file != segment:
                file.unlink()
    except FileNotFoundError:  # a service has just removed it, as the oldest
        pass
    finally:
        making.unlink(missing_ok=True)
    return Held(file, rows, size)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder for the time of the block."""
    opened = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _lines(file: Path) -> Iterator[bytes]:
    if file.suffix == PARQUET:
        for record in request_log.in_parquet(file):
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    else:
        with file.open("rb") as lines:
            yield from lines


def _goes(line: bytes, wanted: Values) -> bool:
    # Few lines need to be parsed. Neither a client's name nor a request id needs an escape in JSON.
    if sum(map(len, wanted.values())) <= FEW and not _names(line, wanted):
        return False
    if (record := _record(line)) is None:  # torn by a kill: no reader takes it
        return _names(line, wanted)
    return any(record.get(field) in values for field, values in wanted.items())


def _names(line: bytes, wanted: Values) -> bool:
    return any(os.fsencode(value) in line for values in wanted.values() for value in values)


def _record(line: bytes) -> dict | None:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
