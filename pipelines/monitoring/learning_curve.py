"""What more rows would bring a champion, and what gain the gate could prove with them."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipelines.experiments import ranking, scores
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import paired_comparison, rules, spending
from pipelines.promotion import history, ledger


@dataclass(frozen=True)
class Outlook:
    """What more rows would bring, and what the gate could prove with them.

    metric: what the dataset is decided by, in words. error: of the best full fit on validation, as
    its distance to a perfect score. exponent: by which it falls with the training rows: error ×
    growth^-exponent, a power law through the first look and the full fit of one architecture
    (Hestness and others, Deep Learning Scaling is Predictable, Empirically, 2017). provable: the
    least gain that the test rows of that time prove at a first decision's level. alpha: what the
    levels sum to. spent: decisions by these test rows so far.
    """

    metric: str
    error: float
    exponent: float
    provable: float
    alpha: float
    spent: float

    def gain(self, growth: float) -> float:
        """The gain that is likely; growth: the training rows, those of that time being 1."""
        return self.error * (1 - growth**-self.exponent)

    def proof(self, growth: float) -> float:
        """The least gain that is proven then, half of such gains: of more test rows less is enough,
        and earlier decisions by a part of them count as that part."""
        from scipy.special import ndtri

        levels = (spending.level(self.alpha, spent) for spent in (0.0, self.spent / growth))
        first, now = (float(-ndtri(level / 2)) for level in levels)
        return self.provable * now / first / math.sqrt(growth)


def outlook(version: DatasetVersion, champion: Version, fits: Sequence[Record]) -> Outlook | None:
    """What the fits on the champion's data say of more rows."""
    metric, alpha = ranking.metric(version), rules.of(version.task, version.name).alpha
    # Fits of before the metric was another say nothing in this one.
    fits = [one for one in fits if f"validation_{metric.name}" in one.metrics]
    full = ranking.ranked(version, [one for one in fits if not one.look])
    looks = {(one.arch, one.seed): one for one in fits if one.look}
    pairs = [
        (looks[one.arch, one.seed], one)
        for one in full
        if (one.arch, one.seed) in looks and not one.refit
    ]
    own = [one for one in full if one.run_id == champion.run_id]
    others = [one for one in full if one.run_id != champion.run_id]
    if not (pairs and own and others):
        return None
    before, after = (
        metric.more_is_better - metric.sign * one.metrics[f"validation_{metric.name}"]
        for one in pairs[0]
    )
    part = pairs[0][0].parameters.get("share", 1.0)
    if part == 1 or before <= 0:
        return None
    falls = math.log(before / after) / math.log(1 / part) if after > 0 else 0.0
    entries = ledger.entries(champion.name)
    decisions = [check for _, check in history.comparisons_by(None, entries, version.hash)]
    with suppress(OSError, KeyError, ValueError):  # of older code, or removed
        ours, theirs = (scores.rows_of(one.run_id, "test") for one in (own[0], others[0]))
        compared = paired_comparison.compare(metric, [ours], [theirs])
        return Outlook(
            metric=metric.text,
            error=max(0.0, after),
            exponent=max(0.0, falls),
            provable=paired_comparison.provable(compared, spending.level(alpha, 0.0)),
            alpha=alpha,
            spent=1 + decisions[-1].get("earlier", 0.0) if decisions else 0.0,
        )
    return None
