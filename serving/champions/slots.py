"""The models that serve, one slot a dataset, and the thread that keeps them up to date.

A slot is named after its pointer's file (`served.py`). Five times a second the thread compares the
times and inodes of the published pointers. A new model is loaded beside the one that serves; when
everything is proven one assignment replaces the old one, and requests that hold the old one finish
with it. A refused pointer is not read again until it changes, unless the system failed: then it is
retried. Where the published model is refused at the start, its fallbacks are tried.
`<slot>.challenger.json` publishes who is tried beside the slot's model.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.artifact.signature import Trusted
from models.inputs.errors import did_you_mean, shown
from serving.champions import fallback, served
from serving.champions.loading import Refused, load
from serving.http.errors import Problem
from serving.http.metrics import counter
from serving.inference.loaded_model import Model
from serving.inference.pointer import Pointer
from serving.inference.trial import Challenger

POLL_SECONDS = 0.2
# Between two attempts at what the system failed to load: twice as long each time.
RETRY_SECONDS, MAX_RETRY_SECONDS = 2, 60
CHALLENGER = ".challenger"  # behind a slot's name, the pointer of who is tried beside its model
SWAPS, REFUSALS = "espalier_model_swaps", "espalier_model_refusals"

log = logging.getLogger("bentoml.espalier")

Signature = tuple[int, int, int]  # of a pointer: modification time, inode and size


@dataclass(frozen=True)
class Slot:
    """A dataset's model, and why the published one was refused, if it was: both change at once.

    declared: the dataset that the model is to be of, where that is known. challenger: who is tried
    beside it.
    """

    task: str
    declared: str | None = None
    model: Model | None = None
    refused: str | None = None
    challenger: Model | None = None

    @property
    def dataset(self) -> str | None:
        """The dataset of the model, or before there is one that which is awaited."""
        return self.model.manifest["dataset"] if self.model else self.declared


@dataclass
class Attempts:
    """What was tried since a slot's pointers changed."""

    signatures: tuple[Signature | None, ...] | None = None
    retry_at: float = 0.0  # when the pointers are read again though they have not changed
    retry_seconds: float = RETRY_SECONDS
    reported: set[tuple[Path, str]] = field(default_factory=set)  # refusals


class Champions:
    """The slots of some tasks, kept up to date with the folders of published pointers.

    Args:
        names: The slots that there are whatever the folders say: tasks, and datasets of theirs.
        required: The names without which the service is not ready.
        trusted: Who must have signed a model; None: nobody.
    """

    def __init__(
        self, names: Iterable[str], required: Iterable[str] = (), trusted: Trusted | None = None
    ):
        self.required = tuple(required)
        self._trusted = trusted
        self._names = (*names, *self.required)
        self.tasks = tuple(dict.fromkeys(map(served.task_of, self._names)))
        self.slots: dict[str, Slot] = {}
        self._served: dict[Path, served.Served] = {}
        self._attempts: dict[str, Attempts] = {}
        self._challengers: dict[Model, Challenger] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._mount()

    def start(self, folders: list[Path]) -> None:
        """Load what is published, then go on watching; an earlier folder wins over a later one."""
        self.refresh(folders)
        for name in self.listed():
            for series in (SWAPS, REFUSALS):
                counter(series, "task").labels(name)  # on the metrics page from the start
        self._thread = threading.Thread(target=self._watch, args=(folders,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the models go on serving."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def refresh(self, folders: list[Path]) -> None:
        """Load each slot whose pointers have changed, or whose retry is due."""
        for folder in folders:
            with suppress(OSError, ValueError):  # then what it said before holds
                self._served[folder] = served.read(folder)
        self._mount()
        for name in self.slots:
            self._attempt(name, [folder / f"{name}.json" for folder in folders], self._fill)
            challenger = folders[0] / f"{name}{CHALLENGER}.json"
            self._attempt(f"{name}{CHALLENGER}", [challenger], self._fill_challenger)
        self._pair()

    def _attempt(
        self, name: str, pointers: list[Path], fill: Callable[[str, list[Path], Attempts], bool]
    ) -> None:
        """Load what pointers publish, if they have changed or a retry is due.

        fill: Loads it, and returns whether the system failed.
        """
        signatures = tuple(map(_signature, pointers))
        attempts = self._attempts.setdefault(name, Attempts())
        if signatures != attempts.signatures:
            attempts = self._attempts[name] = Attempts(signatures)
        elif time.monotonic() < attempts.retry_at:
            return
        attempts.retry_at = time.monotonic() + attempts.retry_seconds  # if loading itself fails
        if not fill(name, pointers, attempts):
            attempts.retry_at = math.inf
        attempts.retry_seconds = min(2 * attempts.retry_seconds, MAX_RETRY_SECONDS)

    def challenger(self, model: Model) -> Challenger | None:
        """Return who is tried beside a model that serves."""
        return self._challengers.get(model)

    def find(self, name: str) -> str | None:
        """Return the slot that answers for a name; None where there is none.

        Args:
            name: A task, a task and a dataset of it (`image-fashion`), or a registered model.
        """
        for key, slot in self.slots.items():
            model, own = slot.model, f"{slot.task}-{slot.dataset}"
            if name in (key, own, model.pointer.name if model else f"espalier-{own}"):
                return key
        return None

    def listed(self) -> dict[str, Slot]:
        """Return the slots by name, each dataset once: a task's own slot comes first."""
        return {name: slot for name, slot in self.slots.items() if self.find(name) == name}

    def serving(self, name: str) -> Model:
        """Return the model of a slot; raises Problem 503 while it has none."""
        slot = self.slots.get(name)  # it may be served no more since the path was looked up
        if slot is None or slot.model is None:
            raise Problem(503, "no_model", f"No model serves {name} yet.", {"Retry-After": "1"})
        return slot.model

    def serving_dataset(self, task: str, dataset: str) -> Model:
        """Return the model of a task's dataset; raises Problem 404 or 503."""
        name = self.find(f"{task}-{dataset}")
        if name is None:
            known = [s.dataset for s in self.listed().values() if s.task == task and s.dataset]
            there = ", ".join(known) or "none yet"
            message = (
                f"There is no dataset {shown(dataset)} of {task}{did_you_mean(dataset, known)}"
            )
            raise Problem(404, "unknown_dataset", f"{message}; there is {there}.")
        return self.serving(name)

    def require_ready(self) -> None:
        """Raise Problem 503 unless every slot has a model that must have one, and some slot has.

        A dataset whose first champion is yet to come keeps nobody from the others, unless it is
        required; one whose published champion was refused does.
        """
        listed, missing = self.listed(), self.missing()
        required = set(map(self.find, self.required))
        awaited = [name for name in missing if name in required or listed[name].refused]
        if awaited or len(missing) == len(listed):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
            raise Problem(503, "not_ready", f"A model is missing. {reasons}.")

    def missing(self) -> dict[str, str]:
        """Return each slot without a model, and why it has none."""
        return {
            name: f"the published one was refused: {slot.refused}"
            if slot.refused
            else "none has been published"
            for name, slot in self.listed().items()
            if slot.model is None
        }

    def _mount(self) -> None:
        """Have a slot for each name and each dataset that is served; tasks come first."""
        datasets: dict[str, str | None] = dict.fromkeys((*self.tasks, *self._names))
        for declared in self._served.values():
            for task in self.tasks:
                datasets[task] = datasets[task] or next(iter(declared.get(task, ())), None)
            datasets |= dict.fromkeys(served.names(declared, self.tasks))
        for name in datasets.keys() - self.slots:
            self._attempts[name] = Attempts()
        slots = {
            name: replace(
                self.slots.get(name) or Slot(served.task_of(name)),
                declared=dataset or name.partition("-")[2] or None,
            )
            for name, dataset in datasets.items()
        }
        if slots != self.slots:
            self.slots = slots  # as a whole: requests read it meanwhile

    def _watch(self, folders: list[Path]) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.refresh(folders)
            except Exception:  # whatever it is, the next turn may succeed
                log.exception("The published models could not be read.")

    def _fill(self, name: str, pointers: list[Path], attempts: Attempts) -> bool:
        """Load what the first pointer publishes, or into an empty slot what stands in for it.

        Returns:
            Whether the system failed, so that it is to be tried again.
        """
        slot, refusals, model = self.slots[name], list[Refused](), None
        for pointer in _candidates(pointers, slot.model is None):
            try:
                model = load(pointer, slot.task, slot.model, self._trusted)
                break
            except Refused as refusal:
                refusals.append(refusal)
                _report(name, pointer, refusal, attempts)
        if model:
            counter(SWAPS, "task").labels(name).inc()
        reason = refusals[0].reason if refusals else None
        self.slots[name] = replace(slot, model=model or slot.model, refused=reason)
        if model:
            log.info("Serving %s: %s version %s", name, model.pointer.name, model.pointer.version)
            if pointer == pointers[0]:
                _remember(pointer, model)
        return any(refusal.transient for refusal in refusals)

    def _fill_challenger(self, name: str, pointers: list[Path], attempts: Attempts) -> bool:
        """Load who is tried beside a slot's model, if somebody is; returns what `_fill` does."""
        [pointer], own = pointers, name.removesuffix(CHALLENGER)
        slot, model, transient = self.slots[own], None, False
        if _signature(pointer):
            try:
                model = load(pointer, slot.task, slot.model, self._trusted)
                log.info("Trying %s version %s", model.pointer.name, model.pointer.version)
            except Refused as refusal:
                transient = refusal.transient
                _report(name, pointer, refusal, attempts)
        self.slots[own] = replace(slot, challenger=model)
        return transient

    def _pair(self) -> None:
        """Have each challenger tried beside the model that it challenges, and no other.

        A pair that is loaded anew stays taken out, until the trial's pointer is gone.
        """
        before = {_versions(one.model, model): one for model, one in self._challengers.items()}
        pairs = {}
        for slot in self.slots.values():
            model, other = slot.model, slot.challenger
            if model is None or other is None or not _challenges(other.pointer, model.pointer):
                continue
            pair = before.get(_versions(other, model))
            if pair is None or pair.model is not other or pair.champion is not model:
                pair = Challenger(other, model, pair.out if pair else None)
                if other.form != model.form:
                    pair.take_out("its inputs or outputs are not those of the champion")
            pairs[model] = pair
        self._challengers = pairs


def _versions(challenger: Model, champion: Model) -> tuple[str, str, str]:
    return champion.pointer.name, champion.pointer.version, challenger.pointer.version


def _challenges(challenger: Pointer, champion: Pointer) -> bool:
    """Whether a challenger is to be tried beside this champion: it may have just become it."""
    if challenger.name != champion.name or challenger.version == champion.version:
        return False
    return challenger.champion in (None, champion.version)


def _report(name: str, pointer: Path, refusal: Refused, attempts: Attempts) -> None:
    """Log and count a refusal, once until the pointers change."""
    if (pointer, str(refusal)) not in attempts.reported:
        attempts.reported.add((pointer, str(refusal)))
        log.error("Refused %s from %s: %s", name, pointer, refusal)
        counter(REFUSALS, "task").labels(name).inc()


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
