"""Does a split of a series reach into a later one? Then a model was told what it has to foresee."""

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
    return [_time(splits), _segments(splits)]


def _time(splits: Mapping[str, Split]) -> Finding:
    late = {}
    for earlier, later in itertools.combinations(ORDER, 2):
        end = splits[earlier]["time"].max(initial=np.datetime64(0, "ns"))
        rows = np.flatnonzero(splits[later]["time"] <= end)
        if len(rows):
            late[later] = {"earlier": earlier, "rows": rows, "end": end}
    told = [
        f"{len(one['rows']):,} of {name} are not after the end of {one['earlier']}, {one['end']}"
        for name, one in late.items()
    ]
    return Finding(
        name="order in time",
        looked="the time of each row of a split, and the last of the splits before it",
        found=" and ".join(told) or "each split begins after the end of the one before it",
        ok=not late,
        advice="Cut all series at the same instants (data/series.py) and prepare the data anew.",
        examples=[{name: int(row)} for name, one in late.items() for row in one["rows"]][:EXAMPLES],
        facts={name: len(late[name]["rows"]) if name in late else 0 for name in ORDER[1:]},
    )


def _segments(splits: Mapping[str, Split]) -> Finding:
    segments = {name: np.unique(splits[name]["segment"]) for name in ORDER}
    shared = sorted(
        {
            int(segment)
            for one, other in itertools.combinations(ORDER, 2)
            for segment in np.intersect1d(segments[one], segments[other])
        }
    )
    said = f"{len(shared):,} reach over a cut" if shared else "each lies in one split"
    return Finding(
        name="windows over a cut",
        looked=f"{sum(map(len, segments.values())):,} unbroken stretches; windows lie in one each",
        found=said,
        ok=not shared,
        advice="A window of such a stretch has its targets in another split than its history: "
        "begin a new segment at each cut (data/series.py) and prepare the data anew.",
        examples=[{"segment": segment} for segment in shared[:EXAMPLES]],
        facts={"shared": len(shared)},
    )
