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
from collections.abc import Iterable
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


@dataclass
class Slot:
    """A task's model, and why the published one was refused, if it was."""

    model: Model | None = None
    refused: str | None = None
    signatures: tuple[Signature | None, ...] | None = None  # when the pointers were last read
    retry_at: float = 0.0  # when they are read again though they have not changed
    retry_seconds: float = RETRY_SECONDS
    reported: set[tuple[Path, str]] = field(default_factory=set)  # refusals since they changed


class Champions:
    """The slots of some tasks, kept up to date with the folders of published pointers."""

    def __init__(self, tasks: Iterable[str]):
        self.slots = {task: Slot() for task in tasks}
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
        for task, slot in self.slots.items():
            pointers = [folder / f"{task}.json" for folder in folders]
            signatures = tuple(map(_signature, pointers))
            if signatures != slot.signatures:
                slot.signatures, slot.retry_seconds = signatures, RETRY_SECONDS
                slot.reported.clear()
            elif time.monotonic() < slot.retry_at:
                continue
            slot.retry_at = time.monotonic() + slot.retry_seconds  # where loading itself fails
            refusals = _fill(slot, pointers, task)
            slot.refused = refusals[0].reason if refusals else None
            transient = any(refusal.transient for refusal in refusals)
            slot.retry_at = time.monotonic() + slot.retry_seconds if transient else math.inf
            slot.retry_seconds = min(2 * slot.retry_seconds, MAX_RETRY_SECONDS)

    def serving(self, task: str) -> Model:
        """Return the model of a task; raises Problem 503 while it has none."""
        model = self.slots[task].model
        if model is None:
            raise Problem(503, "no_model", f"No model serves {task} yet.", {"Retry-After": "1"})
        return model

    def require_all(self) -> None:
        """Raise Problem 503 unless every task has a model."""
        if missing := self.missing():
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


def _fill(slot: Slot, pointers: list[Path], task: str) -> list[Refused]:
    """Load what the first pointer publishes, or into an empty slot what stands in for it.

    Returns:
        The refusals, that of the published model first.
    """
    published, *others = pointers
    refusals: list[Refused | None] = []
    if _signature(published):
        refusals.append(_load(slot, published, task))
        if refusals == [None] and slot.model:
            _remember(published, slot.model)
        others = fallback.paths(published) + others
    # The others are for an empty slot: nothing newer gives way to them.
    for pointer in others:
        if slot.model is None and _signature(pointer):
            refusals.append(_load(slot, pointer, task))
    return [refusal for refusal in refusals if refusal]


def _load(slot: Slot, pointer: Path, task: str) -> Refused | None:
    """Put the model that `pointer` publishes into the slot; returns the refusal, if it is one."""
    try:
        model = load(pointer, task, slot.model)
    except Refused as refusal:
        if (pointer, str(refusal)) not in slot.reported:  # it may be refused again and again
            slot.reported.add((pointer, str(refusal)))
            log.error("Refused %s from %s: %s", task, pointer, refusal)
            counter(REFUSALS, "task").labels(task).inc()
        return refusal
    slot.model = model
    log.info("Serving %s: %s version %s", task, model.name, model.version)
    counter(SWAPS, "task").labels(task).inc()
    return None


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
