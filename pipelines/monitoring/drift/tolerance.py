"""How far a signal may move before that is drift: what is tested, and how large the tolerance is.

A reference is finite, so that a test against it as if it were exact finds drift in any stream in
the end. What is tested instead is whether a mean lies in an interval around the reference's: as
wide as the reference does not know better (`UNSURE`), and by a stated allowance wider.

    rank    the mean rank of the values among the reference's (what is larger or smaller moves it),
            how far ranks are from the middle (what spreads), and how many are in each of the
            reference's tails (what only a few inputs show)
    share   how many inputs show it
    class   how many inputs have each answer
"""

from dataclasses import dataclass

import numpy as np

from pipelines.monitoring.drift.evidence import Tolerated
from pipelines.monitoring.drift.signals import CLASS, RANK, SHARE, Signal, Values

TAIL = 0.05  # of the reference's values, at each end
# Of each score. A rank's 0.05: what was the median lies at the 45th or 55th percentile now.
ALLOWED = {RANK: (0.05, 0.05, 0.02, 0.02), SHARE: (0.02,), CLASS: (0.05,)}
UNSURE = 0.01  # the chance that the reference's own mean misses the interval that is added
KEPT = 128  # values of a reference that ranks are told by, at equal distances
CLASSES = 64  # labels that are watched; those behind the 63rd count as one
SAME = 1e-6  # of the largest value: two values within it are equal


@dataclass(frozen=True)
class Watched:
    """A signal and its reference.

    edges: what divides the bins. tolerated: of the scores, in the order above. reference: of the
    held-out rows.
    """

    signal: Signal
    edges: np.ndarray
    tolerated: Tolerated
    reference: Values

    def bins(self, value: np.ndarray) -> np.ndarray:
        """Return the bin of each value, int (value,)."""
        return np.searchsorted(self.edges, value, side="right")

    def counts(self, values: Values, requests: int, look: int) -> np.ndarray:
        """Return what came between looks, (look, bin): only whole ones of so many requests."""
        bins, looks = self.tolerated.scores.shape[1], requests // look
        values = values.of(slice(0, looks * look))
        place = values.request // look * bins + self.bins(values.value)
        counts = np.bincount(place, values.weight, looks * bins)
        return counts.reshape(looks, bins)


def watch(signal: Signal, reference: Values, labels: int, in_time: bool) -> Watched | None:
    """Return what a signal is tested by; None where no held-out row has it.

    Args:
        signal: what it is.
        reference: of the held-out rows, one input each.
        labels: how many the model has.
        in_time: whether the rows are in the order of time, so that neighbours are alike.
    """
    value = reference.value
    if not len(value):
        return None
    edges = _edges(signal, value, labels)
    bins = np.searchsorted(edges, value, side="right")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    if signal.kind == RANK:
        rank = (np.cumsum(counts) - counts / 2) / len(bins)
        scores = np.stack([rank, np.abs(2 * rank - 1), rank < TAIL, rank > 1 - TAIL])
    elif signal.kind == CLASS:
        scores = np.eye(len(counts))
    else:
        scores = np.array([[0.0, 1.0]])
    ends = np.array([_interval(row[bins], in_time) for row in scores])
    allowed = np.array(ALLOWED[signal.kind])
    low, high = np.maximum(ends[:, 0] - allowed, 0), np.minimum(ends[:, 1] + allowed, 1)
    return Watched(signal, edges, Tolerated(scores, low, high), reference)


def _edges(signal: Signal, value: np.ndarray, labels: int) -> np.ndarray:
    """What divides the bins: each kept value is one by itself, and so is what lies between two."""
    if signal.kind == CLASS:
        return np.arange(1, min(labels, CLASSES)) - 0.5
    if signal.kind != RANK:
        return np.array([0.5])
    same = SAME * max(np.abs(value).max(), SAME)
    kept = np.quantile(value, np.linspace(0, 1, KEPT), method="nearest")
    kept = kept[np.diff(kept, prepend=-np.inf) > 2 * same]
    return np.stack([kept - same, kept + same], axis=1).ravel()


def _interval(score: np.ndarray, in_time: bool) -> tuple[float, float]:
    """Where the mean of a score in 0..1 lies with the chance 1 - `UNSURE`, by its rows."""
    from models.evaluation import bootstrap

    count = len(score)
    if not in_time and np.isin(score, (0, 1)).all():  # exact: Clopper and Pearson, Biometrika, 1934
        from scipy.special import betaincinv

        ones = score.sum()
        low = betaincinv(ones, count - ones + 1, UNSURE / 2) if ones else 0
        high = betaincinv(ones + 1, count - ones, 1 - UNSURE / 2) if ones < count else 1
        return float(low), float(high)
    # A block of 2 or more says that rows are in the order of time; how long it is, they say.
    nothing, block = np.zeros((1, count)), 2 if in_time else 1
    return bootstrap.difference(score[None], nothing, np.ones(count), block).interval(UNSURE)
