"""A budget of time: which first looks and full fits a run can afford, of all its tasks together.

The time is divided among the tasks that still fit, and of a task's part first looks get half, as
each rung of successive halving does. What would pass the end is left out, and named. A task's
first look, its first full fit and the champion's recipe are always done: no champion is half
fitted, and none stays because it alone got no new rows. Refits come last, the most promising first.
"""

import math
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from models import architectures
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import console, settings
from pipelines.runtime.settings import UsageError

START_SECONDS, END_SECONDS = 15, 30  # of every run: its servers; gate, comparison and Bento
BESIDE_SECONDS = 5  # of a fit, beside its epochs, until one was measured
VALIDATION = 1 / 3  # what a row costs that is not learned from: one pass of three


def seconds_of(text: str) -> float:
    """The seconds of a duration: 90s, 10m or 1h. Raises UsageError."""
    seconds = settings.seconds_of(text, "smh")
    if not seconds:
        raise UsageError(
            f"the budget is {text!r}, expected a number above 0 with s, m or h: 90s, 10m or 1h"
        )
    return seconds


class Costs:
    """The seconds that fits take on a dataset, from those of other fits on it."""

    def __init__(self, dataset: DatasetVersion, known: Iterable[Record] = ()) -> None:
        """known: finished fits on the dataset; of one architecture the last counts."""
        rows = dataset.facts.get("rows", {"train": 1, "validation": 0})
        self._validation = rows["validation"] / rows["train"] * VALIDATION
        self._beside: dict[str, float] = {}
        self._epoch: dict[str, float] = {}  # of as many rows as the training split has
        self._best: dict[str, int] = {}  # the epochs of a refit
        for record in known:
            if record.arch != architectures.BLEND:  # it takes seconds, whatever it is made of
                self.learn(record)

    def learn(self, record: Record, seconds: float | None = None) -> None:
        """Take in a fit, but no refit: the fit before it says more. seconds: what it took in all,
        imports and scoring included."""
        if record.refit:
            return
        parameters, fitted = record.parameters, record.metrics["fit_seconds"]
        epoch = record.metrics.get("seconds_per_epoch", fitted / parameters["epochs"])
        self._epoch[record.arch] = epoch / self._rows(parameters)
        self._best[record.arch] = int(record.metrics.get("best_epoch", parameters["epochs"]))
        if seconds is not None:
            self._beside[record.arch] = max(0.0, seconds - epoch * parameters["epochs"])

    def know(self, fit: Fit) -> bool:
        """Whether a fit of this architecture was taken in."""
        return fit.arch in self._epoch

    def predict(self, fit: Fit) -> float:
        """The seconds that a fit will take at most; of an unknown architecture as many as those
        of the slowest known one."""
        epoch = self._epoch.get(fit.arch, max(self._epoch.values(), default=0.0))
        beside = self._beside.get(fit.arch, max(self._beside.values(), default=BESIDE_SECONDS))
        epochs = fit.parameters["epochs"]
        if fit.refit:
            epochs = self._best.get(fit.arch, epochs)
        return beside + epoch * epochs * self._rows(fit.parameters)

    def _rows(self, parameters: Mapping) -> float:
        """The rows of an epoch, those of the training split being 1."""
        learned = 1 / VALIDATION if parameters.get("refit") else 1
        return parameters.get("share", 1.0) + self._validation * learned


class Budget:
    """The time of a run, which its tasks divide. It begins now."""

    def __init__(self, text: str | None) -> None:
        """text: a duration; None: without end. Raises UsageError."""
        self.text = text
        self._began = time.monotonic()
        self._ends = self._began + (math.inf if text is None else seconds_of(text)) - END_SECONDS
        self._tasks: set[str] = set()
        self._lock = threading.Lock()

    def join(self, tasks: Iterable[str]) -> None:
        """Divide the time among these tasks too."""
        with self._lock:
            self._tasks |= set(tasks)

    @contextmanager
    def part(self, task: str) -> Iterator[None]:
        """A part of the time is the task's during the block; afterwards the others have it."""
        self.join([task])
        try:
            yield
        finally:
            with self._lock:
                self._tasks.discard(task)

    def left(self) -> float:
        """The seconds that are left for fits."""
        return self._ends - time.monotonic()

    def sharers(self) -> int:
        """The number of tasks that fit."""
        return max(1, len(self._tasks))

    def check(self, least: float) -> None:
        """Raise UsageError where less is left than the seconds that are known to be needed."""
        least += START_SECONDS
        if self.left() < least:
            raise UsageError(
                f"--budget {self.text} is too small: one full fit a task, and what every run does, "
                f"take about {self.needed(least)}: give that, or leave it out"
            )

    def needed(self, more: float) -> str:
        """A budget that would do, where `more` seconds of fits are still to come."""
        minutes = (time.monotonic() - self._began + more + END_SECONDS) / 60
        return f"{math.ceil(minutes)}m"


@cache
def of(text: str | None) -> Budget:
    """The budget of this process' run, which begins when it is first asked for."""
    return Budget(text)


@dataclass
class Rung:
    """The fits of one rung of a task, begun as long as its part of the budget lasts.

    waiting: fits that are missing. ranked: whether the best stand first; else the cheapest begin.
    done: whether one of the rung is on record. workers: how many fits of all tasks go on at a time.
    always: the fingerprints of fits that are done whatever they take.
    When `begin` gives none and none goes on, what is still in `waiting` is left out.
    """

    budget: Budget
    costs: Costs
    waiting: list[Fit]
    ranked: bool
    done: bool
    workers: int
    always: Collection[str] = ()
    _kept: float = field(init=False)  # for the rung that follows
    _running: dict[str, float] = field(init=False, default_factory=dict)  # → when it will end

    def __post_init__(self) -> None:
        self._looks = any(fit.look for fit in self.waiting)
        self._kept = self.budget.left() / 2 if self._looks else 0.0

    def begin(self) -> list[Fit]:
        """The fits to begin now."""
        chosen: list[Fit] = []
        while self.waiting and (fit := self._next()) is not None:
            self.waiting.remove(fit)
            self._running[fit.fingerprint] = time.monotonic() + self.costs.predict(fit)
            chosen.append(fit)
        return chosen

    def end(self, fit: Fit, record: Record | None = None, seconds: float | None = None) -> None:
        """Take note that a fit has ended, with its record, or without one: it failed."""
        del self._running[fit.fingerprint]
        if record is not None:
            self.done = True
            self.costs.learn(record, seconds)

    def _next(self) -> Fit | None:
        if self.budget.text is None:
            return self.waiting[0]
        if len(self._running) > self.workers // self.budget.sharers():
            return None
        order = self.waiting if self.ranked else sorted(self.waiting, key=self.costs.predict)
        first = [fit for fit in self.waiting if fit.fingerprint in self.always]
        fit = next((fit for fit in first or order if self._affordable(fit)), None)
        if fit is None and first:
            fit = first[0]
            self._tell(fit)
        elif fit is None and not self.done and not self._running:
            fit = min(self.waiting, key=self.costs.predict)
            if not self._looks:
                self._tell(fit)
        return fit

    def _affordable(self, fit: Fit) -> bool:
        now, left = time.monotonic(), self.budget.left() - self._kept
        going_on = sum(max(0.0, ends - now) for ends in self._running.values())
        seconds = self.costs.predict(fit)
        part = left * self.workers / self.budget.sharers()
        return seconds <= left and going_on + seconds <= part

    def _tell(self, fit: Fit) -> None:
        seconds = self.costs.predict(fit)
        console.line(
            "budget",
            f"{self.budget.text} is too small: {fit.title} may take {seconds:.0f} s and is done "
            f"all the same; --budget {self.budget.needed(seconds)} would do",
        )
