"""The models that serve, one slot a task, and the thread that takes new ones in.

Five times a second the thread looks at the published pointers' times and inodes. A new pointer is
loaded beside the model that serves; only when everything is proven does one assignment put it in
its place. Requests that hold the old one finish with it. What is refused is remembered until the
pointer changes again, unless it was the system that failed: then it is tried again. A start at
which the published one is refused takes the last one that was good.
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

LOOK_SECONDS = 0.2
# Until what the system failed to load is tried again: twice as long each time, up to the most.
AGAIN_SECONDS, MOST_SECONDS = 2, 60

log = logging.getLogger("bentoml.espalier")


@dataclass
class Slot:
    """One task's place: its model, and why the last published one was refused, if it was."""

    model: Model | None = None
    refused: str | None = None
    seen: tuple | None = None  # what the pointers looked like when they were last read
    again: float = 0.0  # when they are read once more though they look the same
    pause: float = AGAIN_SECONDS  # until then
    told: set[tuple[Path, str]] = field(default_factory=set)  # the refusals since they changed


class Champions:
    """The slots of the wanted tasks, kept up to date with the folders of published pointers."""

    def __init__(self, tasks: Iterable[str]):
        self.slots = {task: Slot() for task in tasks}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folders: list[Path]) -> None:
        """Load what is published, then go on watching; an earlier folder wins over a later one."""
        for name in ("espalier_model_swaps", "espalier_model_refusals"):
            for task in self.slots:
                counter(name, "task").labels(task)  # on the page from the start, with 0
        self.look(folders)
        self._thread = threading.Thread(target=self._watch, args=(folders,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def look(self, folders: list[Path]) -> None:
        """Load each task whose pointers have changed since the last look."""
        for task, slot in self.slots.items():
            pointers = [folder / f"{task}.json" for folder in folders]
            seen = tuple(_appearance(pointer) for pointer in pointers)
            if seen != slot.seen:
                slot.seen, slot.pause = seen, AGAIN_SECONDS
                slot.told.clear()
            elif time.monotonic() < slot.again:
                continue
            slot.again = time.monotonic() + slot.pause  # where what follows raises something
            slot.refused, passing = _fill(slot, pointers, task)
            slot.again = time.monotonic() + slot.pause if passing else math.inf
            slot.pause = min(2 * slot.pause, MOST_SECONDS)

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
        """Each task without a model, and why."""
        return {
            task: f"the published one was refused: {slot.refused}"
            if slot.refused
            else "none has been published"
            for task, slot in self.slots.items()
            if slot.model is None
        }

    def _watch(self, folders: list[Path]) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look(folders)
            except Exception:  # whatever it was, the next look may go well
                log.exception("The published models could not be looked at.")


def _fill(slot: Slot, pointers: list[Path], task: str) -> tuple[str | None, bool]:
    """Load what the first pointer publishes, or into an empty slot what stands in for it.

    Returns why the published one was refused, or else another; and whether a refusal is passing.
    """
    published, *others = pointers
    refusals = []
    if _appearance(published):
        refusals.append(_take(slot, published, task))
        if refusals == [None]:
            _note(slot, published)
        others = fallback.of(published) + others
    # The others are for an empty slot: nothing newer gives way to them.
    for pointer in others:
        if slot.model is None and _appearance(pointer):
            refusals.append(_take(slot, pointer, task))
    refusals = [refusal for refusal in refusals if refusal]
    return (refusals[0].reason if refusals else None), any(one.passing for one in refusals)


def _take(slot: Slot, pointer: Path, task: str) -> Refused | None:
    """Put the model that `pointer` publishes in its place; returns why not, if it is refused."""
    try:
        model = load(pointer, task, slot.model)
    except Refused as refusal:
        if (pointer, str(refusal)) not in slot.told:  # the same one may be tried again and again
            slot.told.add((pointer, str(refusal)))
            log.error("Refused %s from %s: %s", task, pointer, refusal)
            counter("espalier_model_refusals", "task").labels(task).inc()
        return refusal
    slot.model = model
    log.info("Serving %s: %s version %s", task, model.name, model.version)
    counter("espalier_model_swaps", "task").labels(task).inc()
    return None


def _note(slot: Slot, pointer: Path) -> None:
    try:
        fallback.note(pointer, slot.model.pointer)
    except OSError as error:
        log.warning("The model that serves cannot be noted as good: %s", error)


def _appearance(pointer: Path) -> tuple[int, int, int] | None:
    """What changes when a pointer is replaced; None while there is none."""
    try:
        status = pointer.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
