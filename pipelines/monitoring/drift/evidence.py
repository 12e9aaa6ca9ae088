"""Evidence that a signal has left its tolerance, which may be looked at as often as one likes.

A signal is cut into bins by the reference. Its *scores* are functions of the bin with values in
0..1, and what is tested of each is whether its mean lies in a tolerated interval. Against that
somebody bets on every request, with a stake that was fixed before it: the capital is a nonnegative
supermartingale while the mean lies inside, and so is the mean of many capitals with fixed shares.
The chance that it ever reaches 1 / alpha is at most alpha (Ville, 1939).

The bets: Waudby-Smith and Ramdas, Estimating Means of Bounded Random Variables by Betting, Journal
of the Royal Statistical Society B, 2023. Capital that begins to bet later, for changes that come
late: Shin, Ramdas and Rinaldo, E-detectors, New England Journal of Statistics in Data Science,
2024; with shares of one capital over the starts instead of their sum, which bounds the chance of
any alarm, where the sum bounds how seldom they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOOK = 100  # requests from one look to the next
# Stakes as shares of the largest that cannot lose more than there is: large ones for what is far
# outside, small ones for what is just outside. Each has an equal share of the capital.
STAKES = np.array([0.9, 0.4, 0.16, 0.06, 0.025])


@dataclass(frozen=True)
class Tolerated:
    """What is tested of one signal.

    scores: (score, bin), 0..1. low, high: the tolerated interval of each score's mean, (score,).
    """

    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray


def capitals(tolerated: Tolerated, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bet on one signal.

    Args:
        tolerated: of the signal.
        counts: what came between two looks, in bins, (look, bin). The inputs of one request weigh 1
            together, or 0 where the signal is missing: as the logarithm is concave, less is won by
            them than by one bet on their mean.

    Returns:
        The logarithms of the capital after each look, all starts together, and of what each look
        multiplied it by: (look, score, side, stake). Sides: above `high`, below `low`.
    """
    gains = counts @ np.log1p(_bets(tolerated)).T
    gains = gains.reshape(len(counts), len(tolerated.scores), 2, len(STAKES))
    looks = np.arange(len(counts))
    # Of all capital the look c starts with the share 1 / ((c + 1) (c + 2)): they add up to 1.
    starts = -np.log((looks + 1.0) * (looks + 2.0))
    total = np.cumsum(gains, axis=0)
    started = np.logaddexp.accumulate(starts[:, None, None, None] - (total - gains), axis=0)
    waiting = -np.log(looks + 2.0)
    return np.logaddexp(started + total, waiting[:, None, None, None]), gains


def together(logs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithm of the mean capital after each look, (look,).

    logs: what `capitals` returns of each signal. The signals have equal shares, and so have the
    scores, sides and stakes of each.
    """
    return np.logaddexp.reduce([mean(one) for one in logs], axis=0) - np.log(len(logs))


def mean(logs: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean capital of one signal after each look, (look,)."""
    flat = logs.reshape(len(logs), -1)
    return np.logaddexp.reduce(flat, axis=1) - np.log(flat.shape[1])


def began(gains: np.ndarray, look: int) -> int:
    """Return the look in whose requests the change most likely began.

    gains: of one score, side and stake, (look,). look: when it was noticed.

    The start whose capital has won most until then, as CUSUM estimates it (Page, Biometrika, 1954).
    """
    won = np.cumsum(gains[look::-1])
    starts = np.arange(look, -1, -1)
    return int(starts[np.argmax(won - 2 * np.log(starts + 1.0))])


def _bets(tolerated: Tolerated) -> np.ndarray:
    """What each bin adds to a capital of 1, (score x side x stake, bin), over -1."""
    high, low = tolerated.high[:, None, None], tolerated.low[:, None, None]
    scores, stakes = tolerated.scores[:, None, :], STAKES[:, None]
    above = stakes * (scores / high - 1)
    below = stakes * ((1 - scores) / (1 - low) - 1)
    return np.stack([above, below], axis=1).reshape(-1, tolerated.scores.shape[1])
