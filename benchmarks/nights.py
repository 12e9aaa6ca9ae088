"""A year of nightly retrainings before the gate: what luck promotes, and what becomes of quality.

    make bench-verdict        (python -m benchmarks.nights)

Each night a candidate stands before the checks of `espalier promote`, with the rules of params.yaml
(benchmarks/simulated.py draws who misses what). A champion that is promoted takes its place.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from benchmarks import simulated
from models.evaluation import metrics
from pipelines.gate import checks, rules
from pipelines.runtime import console, settings

PATHS = 60  # more by the first argument
GROWTH = 0.03  # of the first split, a night


@dataclass(frozen=True)
class Year:
    """Nights on one kind of test split.

    worse: by how much a candidate's true score is below that night's champion's. cost: a
    candidate's, relative to the champion's.
    """

    name: str
    rows: int
    score: float
    task: str = "image"
    grows: bool = False
    worse: float = 0.0
    cost: float = 1.0
    nights: int = 365


YEARS = [
    Year("1,000 rows", 1000, 0.97),
    Year("1,000 rows, 3 % more a night", 1000, 0.97, grows=True),
    Year("2,700 windows, errors that last", 2700, 0.78, "forecast"),
    Year("5,000 rows, equal, a third cheaper", 5000, 0.90, cost=0.66, nights=60),
    Year("5,000 rows, 0.003 worse, a third cheaper", 5000, 0.90, worse=0.003, cost=0.66),
    Year("5,000 rows, 0.005 worse, a third cheaper", 5000, 0.90, worse=0.005, cost=0.66),
]


def main(paths: int) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("nights", "promoted in 30", "in all", "over the margin below"):
        table.add_column(name, justify="left" if name == "nights" else "right", no_wrap=True)
    for year in YEARS:
        asked = rules.of(year.task, settings.served()[year.task][0])
        lived = [list(promotions(year, asked, number)) for number in range(paths)]
        early = np.mean([any(night <= 30 for night, _ in one) for one in lived])
        fallen = np.mean([any(lost > asked.margin + 1e-9 for _, lost in one) for one in lived])
        shares = (
            f"{share:.1%}" for share in (early, np.mean([bool(one) for one in lived]), fallen)
        )
        table.add_row(f"{year.nights} on {year.name}", *shares)
    console.out().print(table)


def promotions(year: Year, asked: rules.Rules, number: int) -> Iterator[tuple[int, float]]:
    """The nights of promotions, each with how far the new champion is truly below the anchor."""
    random, metric = np.random.default_rng([number, year.rows]), metrics.of({"task": year.task})
    split = (simulated.Split if year.task == "image" else simulated.Season)(random, year.rows)
    champion = anchor = split.model(year.score)
    score, best, size, earlier = year.score, year.score, 1.0, []
    for night in range(1, year.nights + 1):
        if year.grows and night > 1:
            split.grow(round(GROWTH * year.rows))
        candidate = split.model(score - year.worse)
        ours, theirs, old = (
            checks.Scored("", split.rows(one), cost, cost)
            for one, cost in ((candidate, size * year.cost), (champion, size), (anchor, size))
        )
        old = theirs if anchor is champion else old
        looks = sum(rows / split.count for rows in earlier)
        made = checks.quality(metric, asked, ours, theirs, simulated.LABELS, old, earlier=looks)
        earlier.append(split.count)
        if all(check.passed for check in made):
            champion, score, size = candidate, score - year.worse, size * year.cost
            if made[2].facts["outcome"] == "better":
                anchor, best = champion, score
            yield night, best - score


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else PATHS)
