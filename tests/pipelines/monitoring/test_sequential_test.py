"""Whether a champion is below its promise: found soon, and seldom where it keeps it."""

import numpy as np
import pytest
from scipy.integrate import quad

from pipelines.monitoring import sequential_test
from pipelines.monitoring.sequential_test import interval, weigh


def replays(accuracy: np.ndarray, rows: int = 5000, count: int = 60) -> list[int | None]:
    random = np.random.default_rng(0)
    return [
        weigh(random.binomial(rows, 0.02), rows, random.random(len(accuracy)) >= accuracy).labels
        for _ in range(count)
    ]


def test_one_that_falls_is_reported_and_one_that_stays_is_not():
    fallen, kept = replays(np.full(1500, 0.95)), replays(np.full(3000, 0.98))
    assert sum(labels is not None for labels in fallen) >= 57
    assert sum(labels is not None for labels in kept) <= 1


def test_one_that_falls_late_is_reported_from_then_on():
    accuracy = np.repeat([0.98, 0.85], [3000, 1000])
    wrong = np.random.default_rng(1).random(4000) >= accuracy
    finding = weigh(100, 5000, wrong)
    assert 3000 < finding.labels < 3400
    assert 2500 < finding.since <= 3200


def test_a_promise_of_few_rows_is_taken_as_what_it_is():
    """Twice the mistakes prove nothing against 50 test rows, and much against 5,000."""
    wrong = np.arange(1000) % 25 == 0
    assert weigh(1, 50, wrong).labels is None
    assert weigh(100, 5000, wrong).labels is not None


def test_the_evidence_of_a_prefix_is_that_of_its_time():
    """Looking again with more labels changes nothing of what was said before."""
    wrong = np.random.default_rng(2).random(6000) >= 0.9
    whole = weigh(300, 5000, wrong)
    assert whole.labels is not None
    assert weigh(300, 5000, wrong[: whole.labels]).labels == whole.labels
    assert weigh(300, 5000, wrong[: whole.labels - 1]).labels is None


@pytest.mark.parametrize(("mistakes", "rows"), [(0, 50), (50, 50), (1, 1)])
@pytest.mark.parametrize("wrong", [np.zeros(40, bool), np.ones(40, bool), np.zeros(0, bool)])
def test_any_counts_can_be_weighed(mistakes, rows, wrong):
    finding = weigh(mistakes, rows, wrong)
    assert np.isfinite(finding.evidence)
    assert (finding.labels is not None) == bool(len(wrong) and wrong.all() and mistakes < rows)


def test_many_mistakes_are_looked_at_now_and_then(monkeypatch):
    """Of 2^20 labels half are wrong: a few thousand looks, the same ones for every prefix."""
    labels, count = sequential_test._looks(np.arange(1 << 20) % 2 == 0)
    assert 2048 < len(labels) < 12_000
    assert (labels == 2 * count - 1).all()
    prefix, _ = sequential_test._looks(np.arange(1 << 18) % 2 == 0)
    assert (labels[: len(prefix)] == prefix).all()


def test_the_interval_holds_the_share_at_all_times():
    random, missed = np.random.default_rng(3), 0
    for _ in range(100):
        hits = np.cumsum(random.random(400) < 0.9)
        ends = [interval(int(hits[n - 1]), n) for n in range(1, 401, 7)]
        missed += any(not low <= 0.9 <= high for low, high in ends)
    assert missed <= 5
    assert interval(0, 0) == (0.0, 1.0)
    # An end is where all shares together explain the hits 20 times as well as it does.
    explained = quad(lambda share: share**8.5 * (1 - share) ** 0.5 / np.pi, 0, 1)[0]
    for end in interval(9, 10):
        assert explained / (end**9 * (1 - end)) == pytest.approx(20, rel=1e-4)
    assert interval(5, 5)[1] == 1.0
    low, high = interval(950, 1000)
    assert 0.92 < low < 0.95 < high < 0.975
