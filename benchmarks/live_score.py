"""How soon a champion that has become worse is reported, and how often one that has not.

    make bench-monitor        (python -m benchmarks.live_score)

Each replay draws its own test rows from a model that is right in 0.98 of them, so that what it
promises varies, and then the answers that are labelled: looked at after each one. A column has the
replays in which the promise is 0.98 to the row. The oracle is the best test of two samples of fixed
size, Fisher's exact one, that may look once, at the end.
"""

from functools import partial

import numpy as np
from rich.table import Table

from pipelines.monitoring import sequential_test
from pipelines.runtime import console

REPLAYS = 1000
LABELS, LONG = 1500, 10_000
GOOD, BAD = 0.98, 0.95
ROWS = (1000, 1500, 2000, 5000)
LATE = 1000  # labels that come before it becomes worse


def reported(
    random: np.random.Generator, rows: int, rates: np.ndarray, exact: bool = False
) -> int | None:
    """After how many labels a replay is reported; None: never.

    Args:
        rows: on the test split.
        rates: the accuracy behind each label (label,).
        exact: whether the share of mistakes on the test split is that of the model.
    """
    mistakes = round(rows * (1 - GOOD)) if exact else random.binomial(rows, 1 - GOOD)
    return sequential_test.weigh(mistakes, rows, random.random(len(rates)) >= rates).labels


def oracle(random: np.random.Generator, rows: int) -> bool:
    """Whether one look after LABELS labels finds that it has become worse."""
    from scipy.stats import fisher_exact

    before, after = random.binomial(rows, 1 - GOOD), random.binomial(LABELS, 1 - BAD)
    table = [[after, LABELS - after], [before, rows - before]]
    return bool(fisher_exact(table, alternative="greater").pvalue <= sequential_test.LEVEL)


def row(rows: int, replays: int = REPLAYS, seed: int = 0) -> dict[str, float]:
    """The shares of replays that are reported, and the median label of those that should be."""
    random = np.random.default_rng(seed)
    replay = partial(reported, random, rows)
    fallen = [replay(np.full(LABELS, BAD)) for _ in range(replays)]
    exact = [replay(np.full(LABELS, BAD), exact=True) for _ in range(replays)]
    late = [replay(np.repeat([GOOD, BAD], [LATE, LABELS])) for _ in range(replays)]
    kept = [replay(np.full(LABELS, GOOD)) for _ in range(replays)]
    long = [replay(np.full(LONG, GOOD)) for _ in range(replays)]
    return {
        "fallen": sum(label is not None for label in fallen) / replays,
        "median": float(np.median([label or np.inf for label in fallen])),
        "exact": sum(label is not None for label in exact) / replays,
        "late": sum(label is not None for label in late) / replays,
        "oracle": sum(oracle(random, rows) for _ in range(replays)) / replays,
        "kept": sum(label is not None for label in kept) / replays,
        "long": sum(label is not None for label in long) / replays,
    }


def table() -> Table:
    """A row for each size of the test split."""
    made = console.table(
        f"reported of {REPLAYS:,} replays; wanted: ≥ 90 % where it fell, ≤ 1 % where it did not"
    )
    for name in (
        "test rows",
        f"{GOOD} → {BAD}, {LABELS:,} labels",
        "median",
        "promise exact",
        "one look",
        f"falls after {LATE:,}",
        f"stays {GOOD}, {LABELS:,}",
        f"{LONG:,} labels",
    ):
        made.add_column(name, justify="right")
    for rows in ROWS:
        made.add_row(f"{rows:,}", *_figures(row(rows)))
    return made


def _figures(found: dict[str, float]) -> list[str]:
    shares = {name: f"{share:.1%}" for name, share in found.items()}
    shares["median"] = f"{found['median']:.0f}"
    return [
        shares[name] for name in ("fallen", "median", "exact", "oracle", "late", "kept", "long")
    ]


if __name__ == "__main__":
    console.out().print(table())
