"""Does a split of a series reach into a later one? Then a model saw what it has to forecast."""

import itertools
from collections.abc import Mapping

import numpy as np

from data.declared import SPLITS
from models.examples import Split
from pipelines.audit.finding import EXAMPLES, Finding


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return whether the splits of a series, as prepared, follow each other in time, and whether
    each stretch that windows are cut from, history and targets, lies in one split.

    A series learns from the past of others too: all of them are cut at the same instants.
    """
    return [_order(splits), _segments(splits)]


def _order(splits: Mapping[str, Split]) -> Finding:
    late, end = {}, np.datetime64(0, "ns")
    for earlier, later in itertools.pairwise(SPLITS):
        end = np.maximum.reduce(splits[earlier]["time"], initial=end)
        late[later] = np.flatnonzero(splits[later]["time"] <= end)
    results = [
        f"{len(rows):,} of {later} are not after the end of the splits before it"
        for later, rows in late.items()
        if len(rows)
    ]
    return Finding(
        name="order in time",
        scope="the time of each row of a split, and the last of the splits before it",
        result=" and ".join(results) or "each split begins after the end of the one before it",
        ok=not results,
        advice="Cut all series at the same instants (data/series.py) and prepare the data anew.",
        examples=[{later: int(row)} for later, rows in late.items() for row in rows][:EXAMPLES],
        facts={later: len(rows) for later, rows in late.items()},
    )


def _segments(splits: Mapping[str, Split]) -> Finding:
    segments = [np.unique(splits[name]["segment"]) for name in SPLITS]
    every, splits_of_each = np.unique(np.concatenate(segments), return_counts=True)
    shared = every[splits_of_each > 1].tolist()
    return Finding(
        name="windows over a cut",
        scope=f"{sum(map(len, segments)):,} unbroken stretches; windows lie in one each",
        result=f"{len(shared):,} reach over a cut" if shared else "each lies in one split",
        ok=not shared,
        advice="A window of such a stretch has its targets in another split than its history: "
        "begin a new segment at each cut (data/series.py) and prepare the data anew.",
        examples=[{"segment": segment} for segment in shared[:EXAMPLES]],
        facts={"shared": len(shared)},
    )
