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


def diebold_mariano(ours: np.ndarray, theirs: np.ndarray, horizon: int) -> tuple[float, float]:
    """Return the statistic, above 0 where ours loses more, and its two-sided p.

    ours, theirs: the loss of each forecast (time,). horizon: how many steps each foresees, so that
    the losses of that many neighbours, itself included, are related.
    Where the sum of the related ones' covariances falls below 0, none is taken to be related, as in
    R's forecast::dm.test.

    Source: Diebold and Mariano, Comparing Predictive Accuracy, Journal of Business and Economic
    Statistics, 1995; the correction for few forecasts and Student's t: Harvey, Leybourne and
    Newbold, Testing the Equality of Prediction Mean Squared Errors, International Journal of
    Forecasting, 1997.
    """
    from scipy.special import stdtr

    difference = ours - theirs
    count, mean = len(difference), difference.mean()
    if mean == 0 or count <= horizon:
        return 0.0, 1.0
    apart = difference - mean
    covariances = [apart[lag:] @ apart[: count - lag] / count for lag in range(horizon)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / count
    if variance <= 0 and horizon > 1:
        return diebold_mariano(ours, theirs, 1)
    if variance == 0:
        return math.copysign(math.inf, mean), 0.0
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = float(mean / math.sqrt(variance) * math.sqrt(correction))
    return statistic, float(2 * stdtr(count - 1, -abs(statistic)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for how many they are, in their own order.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics, 1979.
    """
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist() if p_values else []
