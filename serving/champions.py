"""The models that serve, one slot a task, and the thread that takes new ones in.

Five times a second the thread looks at the published pointers' times and inodes. A new pointer is
loaded beside the model that serves; only when everything is proven does one assignment put it in
its place. Requests that hold the old one finish with it. What is refused is remembered until the
pointer changes again.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.loading import Refused, load
from serving.model import Model

LOOK_SECONDS = 0.2

log = logging.getLogger("bentoml.espalier")


@dataclass
class Slot:
    """One task's place: its model, and why the last published one was refused, if it was."""

    model: Model | None = None
    refused: str | None = None
    seen: tuple | None = None  # what the pointers looked like when they were last read


class Champions:
    """The slots of the wanted tasks, kept up to date with the folders of published pointers."""

    def __init__(self, tasks: Iterable[str]):
        self.slots = {task: Slot() for task in tasks}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folders: list[Path]) -> None:
        """Load what is published, then go on watching; an earlier folder wins over a later one."""
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
            if seen == slot.seen:
                continue
            slot.seen, slot.refused = seen, None
            for number, pointer in enumerate(pointers):
                # What the service came with is for an empty slot: nothing newer gives way to it.
                if seen[number] and not (slot.model and number > 0):
                    _take(slot, pointer, task)

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


def _take(slot: Slot, pointer: Path, task: str) -> None:
    try:
        model = load(pointer, task)
    except Refused as refusal:
        slot.refused = refusal.reason
        log.error("Refused %s from %s: %s", task, pointer, refusal)
        return
    slot.model = model
    log.info("Serving %s: %s version %s", task, model.name, model.version)


def _appearance(pointer: Path) -> tuple[int, int, int] | None:
    """What changes when a pointer is replaced; None while there is none."""
    try:
        status = pointer.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
