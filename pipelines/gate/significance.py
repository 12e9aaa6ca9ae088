"""Tests of whether two models differ, as pure functions over what they scored row by row.

The bootstrap, which goes with them, is in `models.evaluation.bootstrap`.
"""

import math
from collections.abc import Sequence

import numpy as np


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the two-sided p of McNemar's exact test, from two bool (row,): hit or miss.

    Of the rows that one side alone has right, each side should have half.
    Source: McNemar, Note on the Sampling Error of the Difference between Correlated Proportions or
    Percentages, Psychometrika, 1947.
    """
    from scipy.special import bdtr

    alone, other = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    return min(1.0, 2 * float(bdtr(min(alone, other), alone + other, 0.5)))


def tango(ours: np.ndarray, theirs: np.ndarray, margin: float) -> float:
    """Return the one-sided p of ours being worse by the margin, from two bool (row,): hit or miss.

    The score test: its variance is that of the hypothesis, so that few or no rows that tell the
    models apart are no proof of sameness.
    Source: Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for
    the Paired-Sample Design, Statistics in Medicine, 1998.
    """
    from scipy.special import ndtr

    count, alone, other = len(ours), int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    # The likeliest share of rows that theirs alone has right, where ours is worse by the margin.
    linear = -alone - other - (2 * count - alone + other) * margin
    root = math.sqrt(linear**2 - 8 * count * other * margin * (1 + margin))
    share = (root - linear) / (4 * count)
    variance = count * (2 * share - margin * (1 + margin))
    return float(ndtr(-(alone - other + count * margin) / math.sqrt(variance)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for how many they are, in their own order.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics, 1979.
    """
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist() if p_values else []
