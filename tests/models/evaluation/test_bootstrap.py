"""The bootstrap in closed form against drawing, SciPy's and our own."""

import numpy as np
import pytest
from scipy import signal, stats

from models.evaluation import bootstrap

RANDOM = np.random.default_rng(0)
SEVENTY = RANDOM.exponential(1, (2, 70))


def _difference(ours, theirs, weights=None, block=1):
    ours, theirs = np.atleast_2d(np.asarray(ours, float)), np.atleast_2d(np.asarray(theirs, float))
    weights = np.ones(ours.shape[1]) if weights is None else weights
    return bootstrap.difference(ours, theirs, weights, block)


def test_the_error_is_that_of_scipy_s_paired_bootstrap():
    drawn = stats.bootstrap(
        tuple(SEVENTY),
        lambda ours, theirs, axis=-1: ours.mean(axis) - theirs.mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    )
    found = _difference(*SEVENTY)
    # Means of 70 rows drawn from 70 vary 69/70 as much as means of new ones.
    assert found.error * np.sqrt(69 / 70) == pytest.approx(drawn.standard_error, rel=0.02)
    assert found.interval() == pytest.approx(drawn.confidence_interval, abs=0.03)


def test_without_blocks_and_seeds_it_is_the_paired_t_test():
    expected = stats.ttest_rel(*SEVENTY)
    found = _difference(*SEVENTY)
    assert found.p() == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(expected.confidence_interval())


def test_the_error_is_that_of_drawing_blocks_of_a_ratio():
    random = np.random.default_rng(2)
    count, block = 600, 60
    waves = np.convolve(random.normal(0, 1, count + 19), np.ones(20) / 4, "valid")
    ours, theirs = 2 + np.abs(waves + random.normal(0, 1, (2, count)))
    weights = 3 + np.abs(waves)
    starts = random.integers(count, size=(4000, count // block, 1))
    rows = ((starts + np.arange(block)) % count).reshape(4000, count)
    drawn = (ours[rows].mean(1) - theirs[rows].mean(1)) / weights[rows].mean(1)
    found = _difference(ours, theirs, weights, block)
    assert found.value == pytest.approx((ours.mean() - theirs.mean()) / weights.mean())
    assert found.error * np.sqrt(9 / 10) == pytest.approx(drawn.std(), rel=0.03)
    assert found.freedom == 9


@pytest.mark.parametrize(
    ("ours", "theirs", "p"),
    [
        ([0.80, 0.86, 0.89], [0.75], stats.ttest_1samp([0.80, 0.86, 0.89], 0.75).pvalue),
        (
            [0.80, 0.86, 0.89],
            [0.70, 0.74, 0.71, 0.79],
            stats.ttest_ind([0.80, 0.86, 0.89], [0.70, 0.74, 0.71, 0.79], equal_var=False).pvalue,
        ),
    ],
)
def test_seeds_add_what_they_lie_apart_as_in_welch_s_test(ours, theirs, p):
    # No row differs from another.
    sides = [np.repeat(np.reshape(side, (-1, 1)), 50, axis=1) for side in (ours, theirs)]
    assert _difference(*sides).p() == pytest.approx(p)


def test_the_same_seeds_in_another_order_do_not_differ():
    sides = np.random.default_rng(3).exponential(1, (3, 100))
    for theirs in (sides[::-1], sides[[1, 2, 0]], sides):
        found = _difference(sides, theirs)
        assert (found.value, found.p()) == (0, 1)
    thrice = np.repeat(sides[:1], 3, axis=0)
    assert _difference(thrice, sides[:1]).p() == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "weights", "block", "p"),
    [
        ([1, 2, 3], [1, 2, 3], None, 1, 1),  # equal rows
        ([1], [0], None, 1, 1),  # one row
        ([1], [0], None, 84, 1),
        ([2, 2, 2], [1, 1, 1], None, 1, 0),  # nothing varies
        ([1, 2, 3], [3, 1, 2], np.zeros(3), 2, 1),  # nothing to divide by
        ([1e100, 2, 3, 4], [3, 1, 2, 5], None, 2, None),  # one row is far off
    ],
)
def test_there_is_an_answer_to_everything(ours, theirs, weights, block, p):
    found = _difference(ours, theirs, weights, block)
    assert np.isfinite([found.value, *found.interval(), found.p()]).all()
    assert found.interval()[0] <= found.value <= found.interval()[1]
    if p is not None:
        assert found.p() == p


def test_blocks_that_are_too_long_leave_a_wide_interval():
    values = np.random.default_rng(4).normal(1, 0.1, 50)
    short, long = (_difference(values, np.zeros(50), block=block) for block in (1, 400))
    assert short.p() < 1e-6
    assert long.freedom == 1
    assert long.interval()[1] - long.interval()[0] > 2 * (short.interval()[1] - short.interval()[0])


@pytest.mark.parametrize(
    ("persistence", "count", "length"), [(0.0, 600, 1.65), (0.7, 600, 14.5), (0.9, 6464, 74.3)]
)
def test_blocks_are_four_times_those_of_politis_and_white_and_not_too_short(
    persistence, count, length
):
    # arch 8.0.0: optimal_block_length(values).circular. It tells with other sums what is related.
    new = np.random.default_rng([1, count]).standard_normal(count)
    values = signal.lfilter([1], [1, -persistence], new)
    expected = max(4 * length, 1.3 * np.sqrt(count))
    assert bootstrap.block_length(values) == pytest.approx(expected, rel=0.05)
    assert bootstrap.block_length(values[:12]) <= 3
