"""McNemar, Diebold–Mariano and Holm against published values, R, SciPy and statsmodels."""

import math

import numpy as np
import pytest
from statsmodels.stats import contingency_tables

from pipelines.gate import significance

TIME = np.arange(1, 61)
OURS = np.abs(np.sin(TIME) + 0.3 * np.cos(TIME / 5))
THEIRS = np.abs(1.2 * np.sin(TIME / 3) + 0.5 * np.sin(TIME))


def _hits(both: int, ours: int, theirs: int, none: int):
    """Two bool (row,): how many rows both, one alone, or none has right."""
    return (
        np.repeat([True, True, False, False], [both, ours, theirs, none]),
        np.repeat([True, False, True, False], [both, ours, theirs, none]),
    )


def test_mcnemar_is_the_textbook_s():
    # Agresti, Categorical Data Analysis, 2nd edition, table 10.1: two surveys of 1,600 voters.
    # p from R 4.2.2: binom.test(86, 236).
    assert significance.mcnemar(*_hits(794, 150, 86, 570)) == pytest.approx(3.715936e-05, rel=1e-6)


@pytest.mark.parametrize("counts", [(5, 9, 2, 1), (0, 1, 0, 0), (7, 0, 12, 0), (9, 0, 0, 3)])
def test_mcnemar_is_that_of_statsmodels(counts):
    both, ours, theirs, none = counts
    expected = contingency_tables.mcnemar([[both, ours], [theirs, none]], exact=True)
    assert significance.mcnemar(*_hits(*counts)) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("power", "horizon", "statistic", "p"),
    [
        (1, 1, -4.25773518218636, 7.51069489049564e-05),
        (1, 2, -3.74985866581395, 0.000405319098947838),
        (1, 4, -4.25773518218636, 7.51069489049564e-05),  # the covariances add up to less than 0
        (1, 12, -5.46966732470072, 9.61982198556398e-07),
        (2, 1, -3.98070640938486, 0.000190782881005017),
    ],
)
def test_diebold_mariano_is_that_of_r(power, horizon, statistic, p):
    # R 4.2.2, forecast 8.20: t <- 1:60; dm.test(sin(t) + 0.3*cos(t/5), 1.2*sin(t/3) + 0.5*sin(t),
    # h=horizon, power=power)
    found = significance.diebold_mariano(OURS**power, THEIRS**power, horizon)
    assert found == pytest.approx((statistic, p), rel=1e-9)


@pytest.mark.parametrize(
    ("ours", "theirs", "horizon", "expected"),
    [
        (OURS, OURS, 12, (0, 1)),
        (OURS[:1], THEIRS[:1], 1, (0, 1)),
        (OURS[:12], THEIRS[:12], 12, (0, 1)),  # no two forecasts that know nothing of each other
        (np.full(20, 2.0), np.full(20, 1.0), 3, (math.inf, 0)),
    ],
)
def test_diebold_mariano_has_an_answer_to_everything(ours, theirs, horizon, expected):
    assert significance.diebold_mariano(ours, theirs, horizon) == expected


def test_holm_is_r_s_and_its_author_s():
    # R 4.2.2: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); by hand 3 · 0.01, then never less.
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert significance.holm([]) == []
