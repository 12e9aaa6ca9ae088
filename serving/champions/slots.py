"""The models that serve, one slot a task, and the thread that keeps them up to date.

Five times a second the thread compares the times and inodes of the published pointers. A new model
is loaded beside the one that serves; when everything is proven one assignment replaces the old one,
and requests that hold the old one finish with it. A refused pointer is not read again until it
changes, unless the system failed: then it is retried. Where the published model is refused at the
start, its fallbacks are tried.
"""

import logging
import math
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from serving.champions import fallback
from serving.champions.loading import Refused, load
from serving.http.errors import Problem
from serving.http.metrics import counter
from serving.inference.loaded_model import Model

POLL_SECONDS = 0.2
# Between two attempts at what the system failed to load: twice as long each time.
RETRY_SECONDS, MAX_RETRY_SECONDS = 2, 60
SWAPS, REFUSALS = "espalier_model_swaps", "espalier_model_refusals"

log = logging.getLogger("bentoml.espalier")

Signature = tuple[int, int, int]  # of a pointer: modification time, inode and size


@dataclass(frozen=True)
class Slot:
    """A task's model, and why the published one was refused, if it was: both change at once."""

    model: Model | None = None
    refused: str | None = None


@dataclass
class Attempts:
    """What was tried since a task's pointers changed."""

    signatures: tuple[Signature | None, ...] | None = None
    retry_at: float = 0.0  # when the pointers are read again though they have not changed
    retry_seconds: float = RETRY_SECONDS
    reported: set[tuple[Path, str]] = field(default_factory=set)  # refusals


class Champions:
    """The slots of some tasks, kept up to date with the folders of published pointers.

    Args:
        tasks: Those that are mounted.
        required: Those without which the service is not ready.
    """

    def __init__(self, tasks: Iterable[str], required: Collection[str] = ()):
        self.slots = {task: Slot() for task in tasks}
        self.required = required
        self._attempts = {task: Attempts() for task in self.slots}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folders: list[Path]) -> None:
        """Load what is published, then go on watching; an earlier folder wins over a later one."""
        for task in self.slots:
            for name in (SWAPS, REFUSALS):
                counter(name, "task").labels(task)  # on the metrics page from the start
        self.refresh(folders)
        self._thread = threading.Thread(target=self._watch, args=(folders,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the models go on serving."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def refresh(self, folders: list[Path]) -> None:
        """Load each task whose pointers have changed, or whose retry is due."""
        for task in self.slots:
            pointers = [folder / f"{task}.json" for folder in folders]
            signatures = tuple(map(_signature, pointers))
            attempts = self._attempts[task]
            if signatures != attempts.signatures:
                attempts = self._attempts[task] = Attempts(signatures)
            elif time.monotonic() < attempts.retry_at:
                continue
            attempts.retry_at = time.monotonic() + attempts.retry_seconds  # if loading itself fails
            if not self._fill(task, pointers, attempts):
                attempts.retry_at = math.inf
            attempts.retry_seconds = min(2 * attempts.retry_seconds, MAX_RETRY_SECONDS)

    def serving(self, task: str) -> Model:
        """Return the model of a task; raises Problem 503 while it has none."""
        model = self.slots[task].model
        if model is None:
            raise Problem(503, "no_model", f"No model serves {task} yet.", {"Retry-After": "1"})
        return model

    def require_ready(self) -> None:
        """Raise Problem 503 unless every task has a model that must have one, and some task has.

        A task whose first champion is yet to come keeps nobody from the others, unless it is
        required; a task whose published champion was refused does.
        """
        missing = self.missing()
        awaited = [task for task in missing if task in self.required or self.slots[task].refused]
        if awaited or len(missing) == len(self.slots):
            reasons = "; ".join(f"{task}: {reason}" for task, reason in missing.items())
            raise Problem(503, "not_ready", f"A model is missing. {reasons}.")

    def missing(self) -> dict[str, str]:
        """Return each task without a model, and why it has none."""
        return {
            task: f"the published one was refused: {slot.refused}"
            if slot.refused
            else "none has been published"
            for task, slot in self.slots.items()
            if slot.model is None
        }

    def _watch(self, folders: list[Path]) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.refresh(folders)
            except Exception:  # whatever it is, the next turn may succeed
                log.exception("The published models could not be read.")

    def _fill(self, task: str, pointers: list[Path], attempts: Attempts) -> bool:
        """Load what the first pointer publishes, or into an empty slot what stands in for it.

        Returns:
            Whether the system failed, so that it is to be tried again.
        """
        slot, refusals, model = self.slots[task], list[Refused](), None
        for pointer in _candidates(pointers, slot.model is None):
            try:
                model = load(pointer, task, slot.model)
                break
            except Refused as refusal:
                refusals.append(refusal)
                if (pointer, str(refusal)) not in attempts.reported:
                    attempts.reported.add((pointer, str(refusal)))
                    log.error("Refused %s from %s: %s", task, pointer, refusal)
                    counter(REFUSALS, "task").labels(task).inc()
        if model:
            counter(SWAPS, "task").labels(task).inc()
        self.slots[task] = Slot(model or slot.model, refusals[0].reason if refusals else None)
        if model:
            log.info("Serving %s: %s version %s", task, model.pointer.name, model.pointer.version)
            if pointer == pointers[0]:
                _remember(pointer, model)
        return any(refusal.transient for refusal in refusals)


def _candidates(pointers: list[Path], empty: bool) -> Iterator[Path]:
    """Yield the pointers that there are, the published one first.

    The others are for an empty slot: nothing newer gives way to them.
    """
    published, *others = pointers
    if _signature(published):
        yield published
        others = fallback.paths(published) + others
    if empty:
        yield from filter(_signature, others)


def _remember(pointer: Path, model: Model) -> None:
    try:
        fallback.remember(pointer, model.pointer)
    except OSError as error:
        log.warning("The fallback of the model that serves cannot be written: %s", error)


def _signature(pointer: Path) -> Signature | None:
    """Return what changes when a pointer is replaced; None while there is none."""
    try:
        status = pointer.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
