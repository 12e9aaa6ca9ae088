"""The command `clean`: what nothing needs any more goes, of the runs and files that are old; or the
rows of the request log that are to be forgotten.

Whatever it is killed at, what is left is whole: a run is marked as deleted before its files go, and
the next call removes what was marked.
"""

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data import declared
from data.dvc import remote
from data.prepared import NOTES, PREPARED
from data.report import REPORTS
from data.stored import RAW
from pipelines.commands.status import bytes_in
from pipelines.experiments import removal, shared_data
from pipelines.lineage import forget as rows
from pipelines.promotion import ledger, reconcile
from pipelines.release import bento, publish
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError

EMPTY_LOG_SECONDS = 86_400  # a command that runs may still write to its log


@dataclass(frozen=True)
class Part:
    """What goes: of which kind, how many, how many bytes."""

    what: str
    count: int
    bytes: int


@dataclass(frozen=True)
class Cleaned:
    """What went, or would go where nothing was removed; left: what stays, and why."""

    removed: bool
    parts: list[Part]
    left: list[str] = field(default_factory=list)


def clean(older_than: str, keep: int, remove: bool, shared: bool = False) -> Cleaned:
    """Find, and remove where asked to, what is old and what nothing needs any more.

    Args:
        older_than: an age, `30d` or `12h`; what is younger stays.
        keep: of each dataset the newest retrainings that stay, and of each name the Bentos.
        remove: else it is only looked for.
        shared: also on an MLflow server and in the DVC remote, which others may use.

    Raises:
        UsageError: the age is none.
        LockHeldError: a command works with what would be removed.
    """
    seconds, parts = settings.seconds_of(older_than, "dh"), []
    if seconds is None:
        raise UsageError(f"--older-than is {older_than!r}, expected days or hours: 30d, 12h or 0d")
    with reconcile.standstill() if remove else nullcontext():
        for what, found, size, delete in _found(time.time() - seconds, keep, shared):
            parts.append(Part(what, len(found), size))
            if found and remove:
                with console.stage(what) as say:
                    delete(found)
                    say(_amount(parts[-1]))
    return Cleaned(remove, parts, _not_looked_at(shared))


def forget(wanted: Mapping[str, str], remove: bool) -> Cleaned:
    """Find, and remove where asked to, rows of this home's request log, and of data that was
    collected from it; services may go on.

    Args:
        wanted: a field of the log's records, `client` or `request_id` → its value in the rows.
        remove: else they are only looked for.
    """
    went, left = rows.remove(wanted) if remove else (rows.held(wanted), [])
    count, size = sum(one.rows for one in went), sum(one.bytes for one in went)
    part = Part("rows of requests", count, size)
    if remove and count:
        console.line(part.what, _amount(part))
    return Cleaned(remove, [part], left)


def show(cleaned: Cleaned) -> None:
    """Print what went or would go, and how to let it go."""
    found = [part for part in cleaned.parts if part.count]
    if not cleaned.removed:
        for part in found:
            console.line(part.what, _amount(part))
    for reason in cleaned.left:
        console.line("left alone", reason)
    total = sum(part.bytes for part in found) / 1e6
    if not found:
        console.out().print("there is nothing to remove")
    elif cleaned.removed:
        console.out().print(f"{total:,.1f} MB are free again")
    else:
        console.out().print(f"{total:,.1f} MB would be free; with --yes it goes")


def _found(before: float, keep: int, shared: bool) -> Iterator["Found"]:
    """What may go, of each kind in turn; each is looked for after the one before is gone.

    Args:
        before: seconds since 1970; what is younger stays.
        keep: how many of the newest stay, of retrainings and of Bentos.
        shared: also what lies where others may use it.
    """
    found = removal.removable(before, keep, shared)
    yield "runs", found.runs, sum(run.bytes for run in found.runs), removal.remove
    bentos = bento.idle(before, keep)
    yield "Bentos", bentos, bytes_in(bentos), bento.delete
    home = environment.home()
    yield _paths("published", publish.unused(before), time.time())
    yield _paths("checkpoints", [*home.glob("checkpoints/*"), *home.glob("fetched/*")], before)
    logs = list(home.glob("logs/*.log"))
    empty = [log for log in logs if not log.stat().st_size]
    yield _paths("empty logs", empty, time.time() - EMPTY_LOG_SECONDS)
    yield _paths("logs", logs, before)
    yield _paths("data", _undeclared(), time.time())
    cached = remote.unused_in_cache()
    yield "DVC's cache", cached, bytes_in(cached), lambda _: remote.remove_unused_in_cache()
    if shared:
        entries = [entry for model in ledger.models() for entry in ledger.entries(model)]
        needed = found.datasets | {entry.dataset_hash or "" for entry in entries}
        needed |= shared_data.names()
        sent = remote.unused(needed)
        size = sum(sent.values())
        yield "DVC remote", sent, size, lambda _: remote.remove_unused(needed)


def _not_looked_at(shared: bool) -> list[str]:
    """Where others may have what they need, and what lets it be cleaned too."""
    if not shared:
        return ["the DVC remote, and an MLflow server: others may use them; --shared cleans them"]
    if removal.database() is None:
        return [f"the MLflow server's runs: {removal.DATABASE} has to name its database"]
    return []


# Of which kind, the things, their bytes, and what removes them.
Found = tuple[str, Collection, int, Callable[[Any], None]]


def _paths(what: str, paths: Iterable[Path], before: float) -> Found:
    """Those of the paths that were written before a time."""
    old = [path for path in sorted(paths) if path.exists() and path.stat().st_mtime < before]
    return what, old, bytes_in(old), _remove_paths


def _remove_paths(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _undeclared() -> Iterator[Path]:
    """What was made of datasets that are declared no more."""
    known = declared.params(environment.ROOT)["datasets"]
    for room in (RAW, PREPARED, REPORTS, NOTES):
        for path in (environment.ROOT / room).glob("[!.]*"):
            if path.stem not in known:
                yield path


def _amount(part: Part) -> str:
    return f"{part.count:,} of {part.bytes / 1e6:,.1f} MB"
