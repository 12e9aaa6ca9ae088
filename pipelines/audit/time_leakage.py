"""Does a split of a series reach into a later one? Then a model saw what it has to forecast."""

import itertools
from collections.abc import Mapping

import numpy as np

from models.examples import Split
from pipelines.audit.duplicates import ORDER
from pipelines.audit.finding import EXAMPLES, Finding


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return whether the splits of a series, as prepared, follow each other in time, and whether
    each stretch that windows are cut from, history and targets, lies in one split.

    A series learns from the past of others too: all of them are cut at the same instants.
    """
    return [_order(splits), _segments(splits)]


def _order(splits: Mapping[str, Split]) -> Finding:
    results, examples, counts = {}, {}, dict.fromkeys(ORDER[1:], 0)
    for earlier, later in itertools.combinations(ORDER, 2):
        end = np.maximum.reduce(splits[earlier]["time"], initial=np.datetime64(0, "ns"))
        rows = np.flatnonzero(splits[later]["time"] <= end)
        if len(rows):
            counts[later] = len(rows)
            results[later] = f"{len(rows):,} of {later} are not after the end of {earlier}, {end}"
            examples[later] = [{later: int(row)} for row in rows[:EXAMPLES]]
    return Finding(
        name="order in time",
        scope="the time of each row of a split, and the last of the splits before it",
        result=" and ".join(results.values())
        or "each split begins after the end of the one before it",
        ok=not results,
        advice="Cut all series at the same instants (data/series.py) and prepare the data anew.",
        examples=[*itertools.chain(*examples.values())][:EXAMPLES],
        facts=counts,
    )


def _segments(splits: Mapping[str, Split]) -> Finding:
    segments = [np.unique(splits[name]["segment"]) for name in ORDER]
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
