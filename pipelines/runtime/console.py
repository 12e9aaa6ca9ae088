"""What a person sees: a line a stage with its time, a live bar while training, the last screen.

Libraries write to standard output and error as they please; `divert` sends all of that to a file
and keeps the terminal for the lines printed here.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TimeElapsedColumn
from rich.table import Table

SAID_SECONDS = 3  # until a wait is told
PAGE_COLUMNS = 120  # of a table that goes to a file or a pipe


@dataclass
class _Streams:
    """Where our own lines go; None means wherever standard output points now."""

    progress: TextIO | None = None
    answers: TextIO | None = None
    errors: TextIO | None = None
    log: Path | None = None


_streams = _Streams()
_part: ContextVar[str] = ContextVar("part", default="")
_reader: ContextVar[Callable[[str], object] | None] = ContextVar("reader", default=None)


@dataclass(frozen=True)
class Line:
    """A line of progress that another process hands back, for this one to print.

    failed: it says what failed or was refused, which goes to standard error.
    """

    name: str
    text: str
    seconds: float | None = None
    failed: bool = False


def figure(value: float, form: str = ".4f") -> str:
    """A number for a person. An error relative to that of a naive forecast without any, as the
    largest float stands for it, has no end.
    """
    return f"{value:{form}}" if abs(value) < 1e9 else "−∞" if value < 0 else "∞"


def divert(log: Path, answers_only: bool = False) -> None:
    """Send this process' standard output and error to the file `log`, our own lines excepted.

    With `answers_only` progress goes to the terminal's standard error, so that standard output
    holds nothing but what `answer` prints.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    _streams.answers, _streams.errors, _streams.log = _duplicate(1), _duplicate(2), log
    _streams.progress = _streams.errors if answers_only else _streams.answers
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)


def drop_empty_log() -> None:
    """Remove the log of this process where nothing was written to it."""
    with suppress(OSError):
        if _streams.log and not _streams.log.stat().st_size:
            _streams.log.unlink()


def keep_traceback() -> bool:
    """Log the exception that is being handled; whether the log has room for it."""
    try:
        traceback.print_exc()
        return True
    except OSError:  # the log's disk is full, and the interpreter would write there at its end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        return False


def out() -> Console:
    """The console for progress and results."""
    return _console(_streams.progress or sys.stdout)


def err() -> Console:
    """The console for what went wrong."""
    return _console(_streams.errors or sys.stderr)


def log() -> Path | None:
    """The file that libraries write to, once `divert` was called."""
    return _streams.log


def answer(text: str) -> None:
    """Print a machine's answer on standard output, unwrapped and unstyled."""
    print(text, file=_streams.answers or sys.stdout, flush=True)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Begin each line of this thread with `name`, as several parts of a run print in turn."""
    token = _part.set(name)
    try:
        yield
    finally:
        _part.reset(token)


@contextmanager
def read_by(reader: Callable[[str], object]) -> Iterator[None]:
    """Hand each line that is shown in the block to `reader` too."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


@contextmanager
def stage(name: str) -> Iterator[Callable[[str], None]]:
    """A line for the work of the block, with its time; call what it yields with what came out."""
    texts: list[str] = []
    start = time.monotonic()
    if out().is_terminal and not _part.get():  # one spinner at a time
        with out().status(f"{name} …"):
            yield texts.append
    else:
        yield texts.append
    line(name, " ".join(texts), time.monotonic() - start)


@contextmanager
def epochs(name: str, total: int) -> Iterator[Callable[[int, dict], None]]:
    """A live bar over the epochs of a fit; call what it yields after each: (epoch from 1, metrics).

    The validation loss is shown beside the bar, or that of a refit. Without a terminal nothing is
    drawn.
    """
    text = "epoch {task.completed}/{task.total} {task.fields[loss]}"
    columns = (f"  {name:<19}", BarColumn(bar_width=30), text, TimeElapsedColumn())
    drawn = out().is_terminal
    with Progress(*columns, console=out(), transient=True, disable=not drawn) as progress:
        bar = progress.add_task(name, total=total, loss="")

        def advance(epoch: int, metrics: dict) -> None:
            name = "val_loss" if "val_loss" in metrics else "loss"
            progress.update(bar, completed=epoch, loss=f"{name} {metrics[name]:.4f}")

        yield advance


@contextmanager
def announced(text: str) -> Iterator[None]:
    """Say what is waited for, where the block takes longer than a moment."""
    say = copy_context().run
    timer = threading.Timer(SAID_SECONDS, say, (line, "waiting", text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def line(name: str, text: str, seconds: float | None = None, failed: bool = False) -> None:
    """One plain line: a name, what came out, how long it took; see `Line`."""
    show(Line(name, text, seconds, failed))


def show(*lines: Line) -> None:
    """Print lines one below the other."""
    for one in lines:
        part = f"{_part.get():<10}" if _part.get() else ""
        took = "" if one.seconds is None else f"{one.seconds:.1f} s"
        text = f"{one.name:<13}{took:>8}  {one.text}".rstrip()
        console = err() if one.failed else out()
        console.print(f"  {part}{text}", markup=False)
        if reader := _reader.get():
            reader(text)


def reused(fits: int, missing: int) -> None:
    """Say how many of the fits need not be done again."""
    if missing < fits:
        line("reused", f"{fits - missing} of {fits} fits are on record")


def named(values: Mapping) -> str:
    """`{"units": 64, "learning_rate": 0.00312}` → `units=64 learning_rate=0.00312`."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def table(title: str) -> Table:
    """A table without lines, its title on the left."""
    return Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)


def heading(text: str) -> None:
    """A line that opens a part."""
    out().print(f"\n[bold]{text}[/bold]")


@cache
def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else PAGE_COLUMNS
    return Console(file=stream, highlight=False, soft_wrap=width is not None, width=width)


def _duplicate(descriptor: int) -> TextIO:
    return os.fdopen(os.dup(descriptor), "w", buffering=1, encoding="utf-8")
