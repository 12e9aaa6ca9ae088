"""How often requests like the held-out rows raise an alarm, and how fast a change does.

    make bench-monitor        (python -m benchmarks.drift)

Needs champions (`make run`). Their own held-out rows are the requests, drawn again and again: the
reference and the requests of a replay come from disjoint halves, drawn anew for each. What changes
(benchmarks/drift_changes.py) does so after 1,000 requests like the reference. What is drawn is
fixed: of the same champions every run prints the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.drift_changes import CHANGES, Facts, Step
from data import prepared
from data.prepared import Dataset
from models.export.answering import Answering
from pipelines.experiments import dataset as data
from pipelines.experiments import registry, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.monitoring.drift import drift, evidence, references, signals
from pipelines.monitoring.drift.signals import Values
from pipelines.runtime import console, environment, settings

REQUESTS, REPLAYS = 50_000, 200
BEFORE, MOST, LADDER_REPLAYS = 1_000, 10_000, 50


@dataclass(frozen=True)
class Held:
    """A champion and its held-out rows: raw, their values, and what a change may know of them."""

    model: Answering
    rows: np.ndarray
    values: dict[str, np.ndarray]
    facts: Facts

    @property
    def labels(self) -> int:
        return len(getattr(self.model.inputs, "labels", ()))


def main() -> None:
    environment.apply()
    for task, datasets in settings.served().items():
        held = held_out(task, datasets[0])
        alarms = sum(false_alarm(held, number) for number in range(REPLAYS))
        console.answer(
            f"{task} {datasets[0]}, {len(held.rows):,} held-out rows: {alarms} of {REPLAYS} "
            f"replays of {REQUESTS:,} requests without a change raised an alarm"
        )
        console.out().print(ladder(task, held))


def ladder(task: str, held: Held) -> Table:
    """Return the steps of a task's ladder, with the median of the requests until the alarm."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("change", "step", "requests", "not found", "named first"):
        justify = "right" if name in ("requests", "not found") else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    for step in CHANGES[task]:
        changed = values_of(held, step.apply(held.rows, np.random.default_rng(0), held.facts))
        found = [noticed(held, step, changed, number) for number in range(LADDER_REPLAYS)]
        after = [MOST + 1 if one is None else one[0] for one in found]
        names = [one[1] for one in found if one is not None]
        middle = np.median(after)
        said = f"{middle:,.0f}" if middle <= MOST else f"> {MOST:,}"
        often = max(names, key=names.count) if names else "-"
        table.add_row(step.change, step.step, said, f"{found.count(None)}", often)
    return table


def held_out(task: str, dataset: str) -> Held:
    """The champion of a dataset, and its held-out rows."""
    version = registry.champion(task, dataset)
    if version is None:
        raise SystemExit(f"{dataset} has no champion: make run")
    model = Answering(verification.verify(version))
    read = prepared.read(data.local(DatasetVersion(task, dataset, version.dataset_hash)))
    test, inputs = read.splits["test"], model.inputs
    rows, facts = references.rows(inputs, test), Facts()
    if task == "forecast":
        facts = Facts(season=_season(inputs, read, test, rows), scale=inputs.scale)
    else:
        facts = Facts(label=test["label"])
    held = Held(model, rows, {}, facts)
    return replace(held, values=values_of(held, rows))


def values_of(held: Held, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The signals of rows by their names, (row,), with NaN where there is none."""
    read = signals.read(held.model.inputs, references.records(held.model, rows))
    values = {name: np.full(len(rows), np.nan) for name in read}
    for name, one in read.items():
        values[name][one.request] = one.value
    return values


def false_alarm(held: Held, number: int) -> bool:
    """Whether requests like the reference raise an alarm."""
    random = np.random.default_rng(number)
    reference, others = _halves(held, random)
    rows = others[random.integers(0, len(others), REQUESTS)]
    watched = drift.watch_values(held.model.inputs.kind, _sent(held.values, reference), held.labels)
    return drift.bet(watched, _sent(held.values, rows), REQUESTS).noticed is not None


def noticed(
    held: Held, step: Step, changed: dict[str, np.ndarray], number: int
) -> tuple[int, str] | None:
    """After how many requests of the change an alarm came, and of which signal; None for none."""
    random = np.random.default_rng(number)
    reference, others = _halves(held, random)
    kind = held.model.inputs.kind
    watched = drift.watch_values(kind, _sent(held.values, reference), held.labels)
    before = _sent(held.values, others[random.integers(0, len(others), BEFORE)])
    chance = np.ones(len(others)) if step.weights is None else step.weights(held.facts)[others]
    rows = random.choice(others, MOST, p=chance / chance.sum())
    is_changed = random.random(MOST) < step.share
    both = {
        name: np.where(is_changed, changed[name][rows], held.values[name][rows]) for name in changed
    }
    after = _sent(both, np.arange(MOST))
    sent = {
        name: Values(
            *(
                np.concatenate(pair)
                for pair in (
                    (before[name].value, one.value),
                    (before[name].request, one.request + BEFORE),
                    (before[name].weight, one.weight),
                )
            )
        )
        for name, one in after.items()
    }
    bets = drift.bet(watched, sent, BEFORE + MOST)
    if bets.noticed is None:
        return None
    first = watched[next(iter(bets.moved()))].signal.name
    return (bets.noticed + 1) * evidence.LOOK - BEFORE, first


def _halves(held: Held, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint halves of the held-out rows, in the order that they have."""
    rows = random.permutation(len(held.rows))
    middle = len(rows) // 2
    return np.sort(rows[:middle]), np.sort(rows[middle:])


def _sent(values: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, Values]:
    """The signals of requests that send these rows, one each."""
    sent = {}
    for name, column in values.items():
        known = np.flatnonzero(~np.isnan(column[rows]))
        sent[name] = Values(column[rows[known]], known, np.ones(len(known)))
    return sent


def _season(
    inputs: Any, read: Dataset, test: Mapping[str, np.ndarray], rows: np.ndarray
) -> np.ndarray:
    """How far the training values are above their mean at the time of day of each value."""
    day, interval = read.facts["season"], read.facts["interval_seconds"]

    def place(time: np.ndarray) -> np.ndarray:
        return time.astype("datetime64[s]").astype(int) // interval % day

    train = read.splits["train"]
    hours = place(train["time"])
    mean = np.bincount(hours, train["value"], day) / np.maximum(
        np.bincount(hours, minlength=day), 1
    )
    start = replace(inputs, history=inputs.reads).windows(test).start
    start = start[np.linspace(0, len(start) - 1, len(rows)).astype(int)]
    times = test["time"][start[:, None] + np.arange(inputs.reads)]
    return (mean - mean.mean())[place(times)]


if __name__ == "__main__":
    main()
