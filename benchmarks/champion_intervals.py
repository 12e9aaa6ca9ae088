"""Which version was champion from when to when, and how far behind an answer was."""

import time
from collections import defaultdict

from benchmarks.open_loop import Outcome


class ChampionIntervals:
    """The champions of each task since the beginning; versions of two tasks have different names.

    A version that is rolled back to has two intervals.
    """

    def __init__(self):
        self.champions: dict[str, str] = {}
        self.began: dict[str, list[float]] = defaultdict(list)
        self.ended: dict[str, list[float]] = defaultdict(list)

    def follow(self, task: str, version: str) -> None:
        """Note that `version` is champion from now on; called before it is published."""
        now = time.monotonic()
        if task in self.champions:
            self.ended[self.champions[task]].append(now)
        self.champions[task] = version
        self.began[version].append(now)

    def behind(self, outcome: Outcome) -> float:
        """For how many seconds the version that answered had been champion no more."""
        ends = [*self.ended[outcome.version], float("inf")]
        intervals = zip(self.began[outcome.version], ends, strict=False)
        late = [outcome.answered - end for began, end in intervals if began <= outcome.answered]
        return max(0.0, min(late, default=float("inf")))
