"""McNemar and Holm against published values, R and statsmodels."""

import numpy as np
import pytest
from statsmodels.stats import contingency_tables

from pipelines.gate import significance


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


def test_holm_is_r_s_and_its_author_s():
    # R 4.2.2: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); by hand 3 · 0.01, then never less.
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert significance.holm([]) == []
