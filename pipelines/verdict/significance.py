"""Tests of whether two models differ, as pure functions over what they scored row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models import bootstrap


@dataclass(frozen=True)
class Estimate:
    """How much two models differ, and how sure that is.

    difference: of the ratios of means, ours less theirs. low, high: its 95 % interval.
    p: two-sided, for no difference.
    """

    difference: float
    low: float
    high: float
    p: float


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the exact two-sided p of McNemar's test, from two bool (row,): hit or not.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions,
    Psychometrika, 1947; exact: the binomial's of the rows that one alone has right.
    """
    from scipy.stats import binomtest

    alone, other = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    return float(binomtest(alone, alone + other).pvalue) if alone + other else 1.0


def diebold_mariano(ours: np.ndarray, theirs: np.ndarray, horizon: int) -> tuple[float, float]:
    """Return the statistic, positive where ours loses more, and its two-sided p.

    ours, theirs: the loss of each forecast (time,). horizon: the steps that forecasts overlap by,
    one more than the lags at which their losses are related.
    Source: Diebold and Mariano, Comparing Predictive Accuracy, 1995; corrected for small samples
    and with Student's t as in Harvey, Leybourne and Newbold, Testing the equality of prediction
    mean squared errors, International Journal of Forecasting, 1997.
    """
    from scipy.stats import t

    difference = ours - theirs
    count = len(difference)
    horizon = min(horizon, count)
    mean = difference.mean()
    apart = difference - mean
    covariances = [apart[lag:] @ apart[: count - lag] / count for lag in range(horizon)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / count
    if variance <= 0:  # the sum may fall below: then as if no two were related
        variance = covariances[0] / count
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    if variance <= 0 or count < 2 or correction <= 0:
        return 0.0, 1.0
    statistic = mean / math.sqrt(variance) * math.sqrt(correction)
    return float(statistic), float(2 * t.sf(abs(statistic), count - 1))


def paired_bootstrap(
    ours: np.ndarray, theirs: np.ndarray, weights: np.ndarray, block: int
) -> Estimate:
    """Return the difference of two models' metrics, from values (seed, row) on the same rows.

    weights (row,) and block: as `models.bootstrap.resampled` has them.
    """
    from scipy.stats import norm

    drawn = bootstrap.resampled([ours, theirs], weights, block)
    means = [float(bootstrap.ratio(side.mean(), weights.mean())) for side in (ours, theirs)]
    difference, error = means[0] - means[1], float(np.std(drawn[:, 0] - drawn[:, 1]))
    if error == 0:
        return Estimate(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    reach = float(norm.ppf(0.975)) * error
    p = float(2 * norm.sf(abs(difference) / error))
    return Estimate(difference, difference - reach, difference + reach, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for how many they are, in their own order.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist() if p_values else []
