"""What may move how far: ranks by a finite reference, whose own error is added."""

import numpy as np
import pytest

from pipelines.monitoring.drift import drift, tolerance
from pipelines.monitoring.drift.signals import CLASS, RANK, SHARE, Signal, Values

LENGTH = Signal("length", RANK, "the length")


def values(column) -> Values:
    column = np.asarray(column, float)
    return Values(column, np.arange(len(column)), np.ones(len(column)))


def watch(column, signal: Signal = LENGTH, labels: int = 0, in_time: bool = False):
    return tolerance.watch(signal, values(column), labels, in_time)


def scores(watched, value) -> list[float]:
    return watched.tolerated.scores[:, watched.bins(np.array([value]))[0]].tolist()


def test_a_rank_says_where_a_value_lies_among_the_held_out_ones():
    watched = watch(range(100))
    assert scores(watched, -5) == [0, 1, 1, 0]
    assert scores(watched, 500) == [1, 1, 0, 1]
    assert scores(watched, 49.5)[:2] == pytest.approx([0.5, 0], abs=0.01)
    assert scores(watched, 25) == pytest.approx([0.255, 0.49, 0, 0])


def test_values_that_are_all_the_same_tell_less_from_more_and_not_rounding_from_either():
    watched = watch([784.0] * 50)
    assert scores(watched, 784 + 1e-9) == [0.5, 0, 0, 0]
    assert scores(watched, 784.1) == [1, 1, 0, 1]
    assert scores(watched, 100) == [0, 1, 1, 0]


def test_labels_beyond_the_last_that_is_watched_count_as_one():
    watched = watch(np.arange(1000) % 100, Signal("label", CLASS, "the answer"), labels=100)
    assert len(watched.tolerated.scores) == tolerance.CLASSES
    assert scores(watched, 63) == scores(watched, 99)
    assert scores(watched, 62) != scores(watched, 63)
    assert watch([0.0] * 9, Signal("label", CLASS, "the answer"), 3).bins(np.array([2.0])) == [2]


def test_the_tolerance_is_what_was_seen_what_was_not_sure_and_the_allowance():
    share = Signal("unfamiliar", SHARE, "unfamiliar inputs")
    some = watch([1.0] * 10 + [0.0] * 990, share).tolerated
    none = watch([0.0] * 1000, share).tolerated
    assert (some.low[0], some.high[0]) == (0, pytest.approx(0.02 + 0.0213, abs=1e-3))
    assert none.high[0] == pytest.approx(0.02 + 0.0053, abs=1e-4)  # 1 - 0.005 ** (1 / 1000)
    few, many = (watch(range(count)).tolerated for count in (100, 10_000))
    assert many.high[0] == pytest.approx(0.5 + 0.05 + 2.58 * 0.2887 / 100, abs=1e-3)
    assert few.high[0] == pytest.approx(0.5 + 0.05 + 2.63 * 0.2887 / 10, abs=2e-3)
    assert (few.low + few.high)[0] == pytest.approx(1)


def test_rows_in_the_order_of_time_that_are_like_their_neighbours_say_less():
    random = np.random.default_rng(0)
    slow = np.cumsum(random.normal(size=2000)) * 0.1
    apart, in_time = (watch(slow, in_time=way).tolerated for way in (False, True))
    assert in_time.high[0] - 0.55 > 5 * (apart.high[0] - 0.55)


def test_a_signal_that_no_held_out_row_has_is_not_watched():
    assert watch([]) is None


def test_only_whole_looks_count_and_inputs_share_their_request():
    watched = watch([0.0, 1.0], Signal("label", CLASS, "the answer"), labels=2)
    sent = Values(np.array([0.0, 1, 1, 1]), np.array([0, 0, 1, 4]), np.array([0.5, 0.5, 1, 1]))
    assert watched.counts(sent, 5, 2).tolist() == [[0.5, 1.5], [0, 0]]


def halves(replay: int) -> tuple[np.ndarray, np.ndarray]:
    """A reference of 500 values, and 20,000 requests of another 500 alike."""
    random = np.random.default_rng(replay)
    rows = random.gamma(2, size=1000)
    return rows[:500], random.choice(rows[500:], 20_000)


def noticed(replay: int) -> bool:
    reference, sent = halves(replay)
    watched = [watch(reference)]
    return drift.bet(watched, {"length": values(sent)}, len(sent)).noticed is not None


def test_a_finite_reference_raises_no_alarm_and_one_taken_for_exact_does(monkeypatch):
    assert not any(noticed(replay) for replay in range(20))
    monkeypatch.setitem(tolerance.ALLOWED, RANK, (0, 0, 0, 0))
    monkeypatch.setattr(tolerance, "UNSURE", 0.999)
    assert sum(noticed(replay) for replay in range(20)) > 10
