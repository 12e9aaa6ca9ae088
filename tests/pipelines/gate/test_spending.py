"""The levels of decisions by the same rows sum to alpha; rows that are new count as new."""

import pytest

from pipelines.gate import spending


def rows(start: int, end: int) -> list[int]:
    return spending.sketch(f"row {number}" for number in range(start, end))


def test_the_levels_of_a_thousand_decisions_sum_to_no_more_than_alpha():
    levels = [spending.level(0.05, earlier) for earlier in range(1000)]
    assert levels == sorted(levels, reverse=True)
    assert 0.047 < sum(levels) < 0.05
    assert levels[0] == pytest.approx(0.05 / 2.612, rel=1e-3)


@pytest.mark.parametrize(
    ("earlier", "share"),
    [((0, 200), 1.0), ((100, 200), 0.5), ((0, 100), 0.5), ((200, 400), 0.0), ((0, 50), 0.25)],
)
def test_the_overlap_of_few_rows_is_exact(earlier, share):
    assert spending.overlap(rows(*earlier), rows(0, 200)) == share


@pytest.mark.parametrize(
    ("earlier", "share"),
    [((0, 20_000), 1.0), ((10_000, 30_000), 0.5), ((0, 2000), 0.1), ((30_000, 40_000), 0.0)],
)
def test_the_overlap_of_many_rows_is_estimated(earlier, share):
    assert spending.overlap(rows(*earlier), rows(0, 20_000)) == pytest.approx(share, abs=0.08)


def test_without_rows_nothing_overlaps():
    assert spending.overlap([], rows(0, 10)) == spending.overlap(rows(0, 10), []) == 0
