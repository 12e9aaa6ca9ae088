"""Whether a champion makes more mistakes than it promised: a test that may be looked at after each.

The promise is finite: so many mistakes on so many test rows. It and the labels that come back are
weighed together, as two samples. Either both have one rate of mistakes p, of which the test rows
are all that is known (a beta distribution, Jeffreys' prior updated by them); or from some label on
the odds of a mistake are `ODDS` times as large. The ratio of what both say of the labels so far is
a martingale where the promise is kept: it ever exceeds 1 / LEVEL with a chance of at most LEVEL
(Ville's inequality), however often one looks and whenever one stops. That is a mixture sequential
probability ratio test (Robbins, Statistical methods related to the law of the iterated logarithm,
Annals of Mathematical Statistics, 1970), with a mixture over where it starts for changes that come
late (Shin, Ramdas and Rinaldo, E-detectors, 2022). The guarantee is over the prior of p; what holds
at single p is in benchmarks/live_score.py.
"""

import math
from dataclasses import dataclass

import numpy as np

LEVEL = 0.01  # the chance that a champion that keeps its promise is ever reported
# How many times as large the odds of a mistake may have become → the weight of that.
ODDS = {1.5: 0.45, 2.5: 0.45, 20.0: 0.1}
NODES = 24  # of p, each as likely
FIRST = 0.5  # the weight of a change before the first label; the later ones share the rest
APART = 25  # the j-th later start lies after APART · j² labels
ALL = 11  # bits: of the first 2,048 mistakes each is looked at, of twice as many every second one
LEAST = 1e-12  # chance of a mistake
CERTAINTY = 0.95  # of an interval


@dataclass(frozen=True)
class Finding:
    """What the labels of a champion say.

    evidence: the largest ratio so far; at 1 / LEVEL it is reported. labels: after how many labels
    it first was that large; None: it never was. since: the label from which on there are more
    mistakes, most likely.
    """

    evidence: float
    labels: int | None
    since: int


def weigh(mistakes: int, rows: int, wrong: np.ndarray) -> Finding:
    """Weigh labels against a promise.

    Args:
        mistakes: on the test rows.
        rows: how many test rows there were.
        wrong: bool (label,), whether each labelled answer was a mistake, in the order in which
            they were given.
    """
    labels, count = _looks(wrong)
    if not len(labels):
        return Finding(1.0, None, 0)
    starts = APART * np.arange(1 + math.isqrt(labels[-1] // APART)) ** 2
    order = np.arange(len(starts))
    weights = np.where(order, (1 - FIRST) / np.maximum(order * (order + 1), 1), FIRST)
    # What has not started yet is 1: at the n-th look all starts are before it but those.
    begun = np.searchsorted(starts, labels)
    total = 1 - np.cumsum(weights)[begun - 1]
    best, since = np.zeros(len(labels)), np.zeros(len(labels), int)
    before = np.searchsorted(labels, starts, side="right")  # looks that a start knows nothing of
    mistaken = np.concatenate([[0], np.cumsum(wrong)])[starts]
    for start, weight, first, earlier in zip(starts, weights, before, mistaken, strict=True):
        ratio = np.exp(_log_ratio(mistakes, rows, count[first:] - earlier, labels[first:] - start))
        total[first:] += weight * ratio
        better = weight * ratio > best[first:]
        since[first:][better] = start
        best[first:][better] = weight * ratio[better]
    crossed = np.flatnonzero(total >= 1 / LEVEL)
    last = crossed[0] if len(crossed) else total.argmax()
    return Finding(
        float(total.max()), int(labels[last]) if len(crossed) else None, int(since[last])
    )


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the ends of the 95 % confidence sequence of a share: it holds the true one at all
    times at once, so that one may look whenever one likes (the same mixture, over all shares).
    """
    from scipy.optimize import brentq
    from scipy.special import betaln, xlog1py, xlogy

    misses = count - hits
    mixture = betaln(hits + 0.5, misses + 0.5) - betaln(0.5, 0.5) + math.log(1 - CERTAINTY)

    def above(share: float) -> float:
        return float(mixture - xlogy(hits, share) - xlog1py(misses, -share))

    share = hits / count if count else 0.5
    low = brentq(above, LEAST, share) if hits and above(LEAST) > 0 else 0.0
    high = brentq(above, share, 1 - LEAST) if misses and above(1 - LEAST) > 0 else 1.0
    return low, high


def _looks(wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when the ratio is looked at: after how many labels, and how many mistakes, (look,).

    It only grows at a mistake. Of many mistakes some are left out, the same ones at every call:
    to look less often is always allowed.
    """
    labels = np.flatnonzero(wrong) + 1
    count = np.arange(1, len(labels) + 1)
    skipped = np.maximum(np.floor(np.log2(count)).astype(int) + 1 - ALL, 0)
    looked = count % (1 << skipped) == 0
    return labels[looked], count[looked]


def _log_ratio(mistakes: int, rows: int, wrong: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the logarithm of the ratio after so many mistakes of so many labels, (look,)."""
    from scipy.special import betaincinv, betaln, expit, logit, logsumexp

    a, b = mistakes + 0.5, rows - mistakes + 0.5
    right = labels - wrong
    same = betaln(a + wrong, b + right) - betaln(a, b)
    p = logit(betaincinv(a, b, (np.arange(NODES) + 0.5) / NODES))
    q = expit(np.add.outer(p, np.log([*ODDS]))).ravel().clip(LEAST, 1 - LEAST)
    weight = np.tile([*ODDS.values()], NODES) / NODES
    other = np.outer(wrong, np.log(q)) + np.outer(right, np.log1p(-q))
    return logsumexp(other, axis=1, b=weight) - same
