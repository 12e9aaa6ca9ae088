"""How often chance alone promotes a model, and how often one that is better is found.

    make bench-verdict        (python -m benchmarks.verdict)

Pairs of simulated models (benchmarks/simulated.py) through the checks that `espalier promote` makes
on their test scores, with the rules of params.yaml for the datasets that are served and the same
cost for both: pairs that differ by chance alone, and pairs with a planted gain. The gate decides on
one model; of several seeds the pairwise verdict is shown, as `espalier compare` has it. What is
drawn is fixed: every run prints the same table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.table import Table

from benchmarks import simulated
from models.evaluation import metrics
from pipelines.gate import checks, paired_comparison, rules
from pipelines.runtime import console, settings

PAIRS = 1000


@dataclass(frozen=True)
class Kind:
    """Pairs of models on one kind of test split.

    draw: from a random generator and the scores of ours and theirs to the rows of each, a list of
    seeds.
    level: the score that two models share. gain: what ours has instead, where it is better.
    metric: what the dataset is decided by, where that is not its default.
    """

    task: str
    name: str
    draw: Callable
    level: float
    gain: float
    metric: str | None = None


def kinds() -> list[Kind]:
    """Test splits like those of mnist_5k, imdb, glucose and sea_temperature, and of many series."""
    images, reviews = (partial(simulated.classifiers, rows=rows) for rows in (1000, 5000))
    glucose = partial(simulated.forecasters, windows=6464, horizon=12)
    intervals = partial(simulated.intervals, windows=6464, horizon=12)
    panel = partial(simulated.panel, series=12, windows=100, horizon=12, persistence=0.995)
    rare = partial(simulated.rare, rows=5000)
    sea = partial(simulated.forecasters, windows=2700, horizon=12, persistence=0.95)
    return [
        Kind("image", "1,000 rows", images, 0.97, 0.99),
        Kind("image", "1,000 rows, 5 seeds each", partial(images, seeds=5), 0.97, 0.985),
        Kind("sentiment", "5,000 rows", reviews, 0.90, 0.92),
        Kind("sentiment", "5,000 rows, 3 seeds each", partial(reviews, seeds=3), 0.90, 0.92),
        *(
            Kind("sentiment", f"5,000 rows, 3 % positive, {metric}", rare, 1.8, 2.3, metric)
            for metric, declared in metrics.METRICS.items()
            if not declared.series and metric != "accuracy"
        ),
        Kind("forecast", "6,464 windows", glucose, 0.78, 0.74),
        Kind("forecast", "6,464 windows, 3 seeds each", partial(glucose, seeds=3), 0.78, 0.74),
        Kind("forecast", "2,700 windows, errors that last", sea, 0.78, 0.72),
        Kind("forecast", "6,464 windows, pinball", intervals, 0.78, 0.74, "pinball"),
        Kind("forecast", "12 series in turn × 100 windows", panel, 0.78, 0.7),
    ]


def main() -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("test split", "both", "promoted", "95 %", "ours", "found", "95 %"):
        table.add_column(name, justify="left" if name == "test split" else "right", no_wrap=True)
    for kind in kinds():
        chance, power = (promoted(kind, ours) for ours in (kind.level, kind.gain))
        said = (f"{kind.level:g}", *_rate(chance), f"{kind.gain:g}", *_rate(power))
        table.add_row(f"{kind.task}, {kind.name}", *said)
    console.out().print(table)


def promoted(kind: Kind, ours: float, pairs: int = PAIRS) -> int:
    """Return how many of the pairs end with a promotion where the scores are ours and the level."""
    randoms = (np.random.default_rng([round(1000 * ours), number]) for number in range(pairs))
    drawn = (kind.draw(random, scores=(ours, kind.level)) for random in randoms)
    asked = rules.of(kind.task, settings.served()[kind.task][0])
    return sum(_promotes(kind, asked, *sides) for sides in drawn)


def _promotes(kind: Kind, asked: rules.Rules, ours: list, theirs: list) -> bool:
    metric = metrics.of({"task": kind.task, "metric": kind.metric})
    if len(ours) > 1:
        return paired_comparison.compare(metric, ours, theirs).outcome == paired_comparison.BETTER
    ours, theirs = (checks.Scored("", side[0], 1.0, 1.0) for side in (ours, theirs))
    made = checks.quality(metric, asked, ours, theirs, simulated.LABELS, anchor=theirs)
    return all(check.passed for check in made)


def _rate(promotions: int) -> tuple[str, str]:
    """The share of the pairs and its interval (Clopper and Pearson, Biometrika, 1934)."""
    from scipy.stats import binomtest

    low, high = binomtest(promotions, PAIRS).proportion_ci(method="exact")
    return f"{promotions / PAIRS:.1%}", f"{low:.1%}–{high:.1%}"


if __name__ == "__main__":
    main()
