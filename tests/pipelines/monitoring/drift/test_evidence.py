"""Bets that win nothing on average while a mean is tolerated, and soon where it is not."""

from itertools import product

import numpy as np
import pytest

from pipelines.monitoring.drift import evidence
from pipelines.monitoring.drift.evidence import Tolerated

YES_OR_NO = np.array([[0.0, 1.0]])


def tolerated(low: float, high: float) -> Tolerated:
    return Tolerated(YES_OR_NO, np.array([low]), np.array([high]))


def counts(answers) -> np.ndarray:
    """One request a look, each in the bin 0 or 1."""
    return np.eye(2)[np.asarray(answers, int)]


@pytest.mark.parametrize(("share", "side"), [(0.3, 0), (0.1, 1)])
def test_at_the_edge_of_the_tolerance_the_capital_is_a_martingale(share, side):
    """Exactly: over all sequences of six requests, after each look and for each stake."""
    expected = 0
    for answers in product((0, 1), repeat=6):
        logs, _ = evidence.capitals(tolerated(0.1, 0.3), counts(answers))
        chance = share ** sum(answers) * (1 - share) ** (6 - sum(answers))
        expected = expected + chance * np.exp(logs)
    assert expected[:, 0, side] == pytest.approx(np.ones((6, len(evidence.STAKES))))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_inside_the_tolerance_no_bet_wins_on_average(share):
    expected = 0
    for answers in product((0, 1), repeat=6):
        logs, _ = evidence.capitals(tolerated(0.1, 0.3), counts(answers))
        chance = share ** sum(answers) * (1 - share) ** (6 - sum(answers))
        expected = expected + chance * np.exp(logs)
    assert expected.max() <= 1 + 1e-9


def test_looked_at_after_each_request_it_is_seldom_large():
    """Ville's inequality, at the worst mean that is tolerated: 0.05 of 2,000 streams may reach 20.
    A test with the same level at every look would cry in most of them."""
    random = np.random.default_rng(0)
    reached = 0
    for _ in range(2000):
        answers = random.random((20, 100)) < 0.3
        per_look = np.stack([(~answers).sum(axis=1), answers.sum(axis=1)], axis=1)
        logs, _ = evidence.capitals(tolerated(0.1, 0.3), per_look)
        reached += evidence.mean(logs).max() >= np.log(20)
    assert reached <= 100


@pytest.mark.parametrize("before", [0, 100, 400])
def test_a_change_is_noticed_and_dated_whenever_it_comes(before):
    random = np.random.default_rng(before)
    share = np.where(np.arange(before + 40) < before, 0.2, 0.6)
    yes = random.binomial(100, share)
    logs, gains = evidence.capitals(tolerated(0.1, 0.3), np.stack([100 - yes, yes], axis=1))
    over = np.flatnonzero(evidence.mean(logs) >= np.log(100))
    assert before <= over[0] <= before + 2
    best = np.unravel_index(logs[over[0]].argmax(), logs[over[0]].shape)
    assert evidence.began(gains[(slice(None), *best)], int(over[0])) == before


def test_the_inputs_of_one_request_win_no_more_than_their_mean():
    halves = np.array([[0.5, 0.5]])
    mean = Tolerated(np.array([[0.5]]), np.array([0.1]), np.array([0.3]))
    apart, _ = evidence.capitals(tolerated(0.1, 0.3), halves)
    at_once, _ = evidence.capitals(mean, np.ones((1, 1)))
    assert (apart <= at_once + 1e-12).all()
    assert apart.max() < np.log(5)


def test_what_is_missing_wins_and_loses_nothing():
    logs, _ = evidence.capitals(tolerated(0.1, 0.3), np.zeros((50, 2)))
    assert np.abs(logs).max() < 1e-9


def test_many_signals_share_one_capital():
    sure = evidence.capitals(tolerated(0.1, 0.3), np.tile([0.0, 100.0], (3, 1)))[0]
    quiet = [evidence.capitals(tolerated(0.1, 0.3), np.zeros((3, 2)))[0]] * 3
    alone, among = evidence.together([sure]), evidence.together([sure, *quiet])
    assert among == pytest.approx(alone - np.log(4), abs=0.01)
