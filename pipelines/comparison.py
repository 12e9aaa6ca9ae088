"""What tells the models of a leaderboard apart: verdicts, slices, costs, and how each one went.

The best full fit of each architecture takes part, the champion, the rivals and the baselines, each
with the rows of the test split that it was scored on.
"""

import itertools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.table import Table

from data import versions
from pipelines import console, leaderboard, registry, tracking
from pipelines import dataset as data
from pipelines.settings import UsageError
from pipelines.verdict import pair, slices

# What the rows of newer fits hold, and those of older ones may not.
WINDOW = ("history", "target", "forecast", "lower", "upper")


@dataclass(frozen=True)
class Entrant:
    """A row of the leaderboard that takes part, and its scores on the test split, seed by seed."""

    name: str
    row: dict
    rows: list[Mapping[str, np.ndarray]]


def compare(task: str, dataset: str, dataset_hash: str) -> dict:
    """The leaderboard of `pipelines.leaderboard.compare`, and what tells its models apart.

    Rows that take part gain `name`, and `verdict` against the champion, or where that has no row
    here against the first; every row `pareto`: whether no other is at least as good on validation,
    as fast and as small, and better in one of them. The board gains
      reference  the name of the row that the others are held against
      standing   the champion's version, arch, fingerprint and dataset_hash, or None
      test_rows  how many rows, or windows, the verdicts are drawn from
      verdicts   one for each pair, with `ours`, `theirs` and the fields of `pair.Verdict`
      slices     name, rows, scores and differences (to the reference), each by name
      curves     name → for each seed loss and val_loss, epoch by epoch
      confusion  name → counts (true class, predicted class), summed over seeds; with `labels`
      forecasts  name → a few windows: history, target, forecast and, if recorded, lower, upper
      notes      a sentence for each that could not take part in all of it
    """
    board = leaderboard.compare(task, dataset, dataset_hash)
    entrants, notes = _entrants(task, board)
    labels = _labels(dataset, entrants)
    _mark_front(board)
    reference = next((e for e in entrants if e.row.get("champion")), None)
    if reference is None:
        reference = next((e for e in entrants if "arch" in e.row), None)
    judged = _judged(task, entrants, reference)
    parts, old = _slices(task, entrants, reference, labels)
    return board | {
        "reference": None if reference is None else reference.name,
        "standing": _standing(task, dataset),
        "test_rows": _count(task, entrants[0].rows[0]) if entrants else 0,
        "verdicts": judged,
        "labels": labels,
        "slices": parts,
        "curves": {e.name: _curves(e) for e in entrants if "arch" in e.row},
        "confusion": _confusion(entrants),
        "forecasts": _forecasts(entrants),
        "notes": notes + old,
    }
