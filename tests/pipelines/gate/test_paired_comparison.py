"""Two models on the same rows: the verdict, its sense, and what becomes of odd rows."""

import warnings

import numpy as np
import pytest
from statsmodels.stats import contingency_tables, multitest

from models.evaluation import metrics
from models.evaluation.metrics import ACCURACY, MAE
from pipelines.gate import paired_comparison


def hits(correct, label=None):
    correct = np.asarray(correct, bool)
    label = np.zeros(len(correct), int) if label is None else np.asarray(label)
    return {"correct": correct, "naive_correct": label == 0, "label": label}


def errors(error, naive=1.0, block=1):
    error = np.asarray(error, float)
    if error.ndim == 1:
        error = error[:, None]
    naive_error = np.broadcast_to(np.asarray(naive, float), error.shape)
    return {"error": error, "naive_error": naive_error, "block": np.int64(block)}


def noise(seed, low, high, count=60):
    return np.random.default_rng(seed).uniform(low, high, count)


AHEAD = {
    "image": ([True] * 60, [False] * 30 + [True] * 30),
    "forecast": (noise(0, 1, 2), noise(1, 2, 3)),
}
MAKE = {"image": hits, "forecast": errors}


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("task", ["image", "forecast"])
def test_a_difference_above_zero_means_ours_is_better_whatever_the_metric(task, seeds):
    better, worse = ([MAKE[task](values)] * seeds for values in AHEAD[task])
    ahead = paired_comparison.compare(metrics.of({"task": task}), better, worse)
    behind = paired_comparison.compare(metrics.of({"task": task}), worse, better)
    assert (ahead.outcome, behind.outcome) == ("better", "worse")
    assert 0 < ahead.low < ahead.difference < ahead.high
    assert (behind.low, behind.difference, behind.high) == pytest.approx(
        (-ahead.high, -ahead.difference, -ahead.low)
    )
    assert ahead.effect == pytest.approx(-behind.effect)
    assert ahead.p == pytest.approx(behind.p)


def test_the_difference_is_that_of_the_metric():
    verdict = paired_comparison.compare(ACCURACY, [hits([1, 1, 1, 0])], [hits([1, 0, 0, 0])])
    assert verdict.difference == 0.5
    ours, theirs = ([errors(error, naive=[[2], [2], [4]])] for error in ([1, 2, 3], [3, 3, 4]))
    verdict = paired_comparison.compare(MAE, ours, theirs)
    assert verdict.difference == pytest.approx((10 - 6) / 8)


def test_two_classifiers_are_told_apart_by_mcnemar():
    ours, theirs = np.random.default_rng(0).random((2, 300)) < [[0.9], [0.84]]
    verdict = paired_comparison.compare(ACCURACY, [hits(ours)], [hits(theirs)])
    table = [[np.sum(a & b) for b in (theirs, ~theirs)] for a in (ours, ~ours)]
    assert verdict.p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)
    # Agresti and Min's interval: Wald's, with half a row more in each cell.
    alone, other = table[0][1] + 0.5, table[1][0] + 0.5
    spread = np.sqrt(alone + other - (alone - other) ** 2 / 302) / 302
    assert verdict.high - verdict.low == pytest.approx(2 * 1.96 * spread, rel=0.02)


@pytest.mark.parametrize(
    ("swing", "outcome", "blocks"),
    [(2, "better", 0), (4, "cannot tell", 4), (20, "cannot tell", 0)],
)
def test_where_more_blocks_would_tell_it_says_that_they_are_too_few(swing, outcome, blocks):
    """A loss that swings about 2 for as long as a quarter of the split, at most counted as one."""
    slow = swing * np.sin(np.linspace(0, 5 * np.pi, 200))
    flat, swings, other = (
        [errors(error, block=2)] for error in (22 + 0 * slow, 24 + slow, 40 + slow)
    )
    verdict = paired_comparison.compare(MAE, flat, swings)
    assert (verdict.outcome, verdict.blocks) == (outcome, blocks)
    models = {"flat": flat, "swings": swings, "other": other}
    assert paired_comparison.matrix(MAE, models)["swings", "flat"].blocks == blocks


def test_seeds_that_lie_apart_can_not_be_told_from_one_another():
    rows = np.arange(1000)
    ours = [hits(rows >= missed) for missed in (10, 60, 90)]
    theirs = [hits(rows >= missed) for missed in (70, 80, 100)]
    alone = paired_comparison.compare(ACCURACY, ours[:1], theirs[:1])
    together = paired_comparison.compare(ACCURACY, ours, theirs)
    assert alone.outcome == "better"
    assert together.difference == pytest.approx(0.03)
    assert together.outcome == "cannot tell"
    assert "seeds" in together.method


def test_series_that_go_together_are_no_more_proof_than_one():
    one, other = (errors(noise(seed, 1, high)) for seed, high in ((0, 2), (1, 2.15)))
    times = {"time": np.datetime64("2026-01-01", "D") + np.arange(60)}
    alone = paired_comparison.compare(MAE, [one | times], [other | times])
    names = ("error", "naive_error", "time")
    thrice = [
        rows | {name: np.concatenate([(rows | times)[name]] * 3) for name in names}
        for rows in (one, other)
    ]
    together = paired_comparison.compare(MAE, thrice[:1], thrice[1:])
    assert together.p == pytest.approx(alone.p)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_the_matrix_corrects_for_every_pair():
    random = np.random.default_rng(0)
    shares = {"one": 0.95, "two": 0.9, "three": 0.89, "four": 0.7}
    models = {name: [hits(random.random(400) < share)] for name, share in shares.items()}
    matrix = paired_comparison.matrix(ACCURACY, models)
    assert len(matrix) == 12
    upper = [(a, b) for a, b in matrix if list(shares).index(a) < list(shares).index(b)]
    raw = [paired_comparison.compare(ACCURACY, models[a], models[b]).p for a, b in upper]
    corrected = multitest.multipletests(raw, method="holm")[1]
    assert [matrix[names].p for names in upper] == pytest.approx(corrected)
    for ours, theirs in upper:
        one, other = matrix[ours, theirs], matrix[theirs, ours]
        assert one.difference == -other.difference
        assert (one.outcome == "cannot tell") == (one.p >= 0.05)
        assert (one.low <= 0 <= one.high) == (one.p >= 0.05)
        alone = paired_comparison.compare(ACCURACY, models[ours], models[theirs])
        assert one.high - one.low >= alone.high - alone.low
        assert {one.outcome, other.outcome} in ({"better", "worse"}, {"cannot tell"})
    assert matrix["one", "four"].outcome == "better"
    assert matrix["two", "three"].outcome == "cannot tell"
    assert paired_comparison.matrix(ACCURACY, {"one": models["one"]}) == {}


def test_the_naive_answer_is_one_side():
    label = np.arange(200) % 4
    assert paired_comparison.against_naive(ACCURACY, [hits(label < 3, label)]).outcome == "better"
    same = paired_comparison.against_naive(ACCURACY, [hits(label == 0, label)])
    assert (same.outcome, same.p) == ("cannot tell", 1)
    better, worse = [errors(noise(0, 0.5, 0.9))], [errors(noise(0, 1.1, 1.5))] * 2
    assert paired_comparison.against_naive(MAE, better).outcome == "better"
    assert paired_comparison.against_naive(MAE, worse).outcome == "worse"


@pytest.mark.parametrize(
    ("count", "margin", "expected"), [(1000, 0.006, True), (1000, 0.004, False), (10, 0.006, False)]
)
def test_not_worse_needs_enough_rows_that_agree(count, margin, expected):
    one_wrong, all_right = hits([0] + [1] * (count - 1)), hits([1] * count)
    assert paired_comparison.not_worse(ACCURACY, one_wrong, all_right, margin, 0.05) is expected


def test_a_forecast_is_not_worse_where_its_error_is_proven_within_the_margin():
    theirs, close = errors(noise(0, 1, 2)), errors(noise(0, 1, 2) * 1.001)
    assert paired_comparison.not_worse(MAE, close, theirs, 0.01, 0.05)
    assert not paired_comparison.not_worse(MAE, close, theirs, 0.0005, 0.05)


def test_agreeing_on_ten_rows_proves_less_than_on_ten_thousand():
    few, many = (hits([1] * n) for n in (10, 10_000))
    verdict = paired_comparison.compare(ACCURACY, [few], [few])
    assert (verdict.difference, verdict.p, verdict.effect) == (0, 1, 0)
    assert not paired_comparison.not_worse(ACCURACY, few, few, 0.01, 0.05)
    assert paired_comparison.not_worse(ACCURACY, many, many, 0.01, 0.05)


WAVES = noise(2, 1, 3, 50)
ODD = {
    "one row": ("image", hits([1]), hits([0]), "cannot tell"),
    "one window": ("forecast", errors([1]), errors([2]), "cannot tell"),
    "equal": ("forecast", errors(WAVES), errors(WAVES), "cannot tell"),
    "equal, blocks longer than all": ("forecast", *[errors(WAVES, block=84)] * 2, "cannot tell"),
    "always the same": ("forecast", errors([1] * 50), errors([2] * 50), "better"),
    "always right": ("image", hits([1] * 50), hits([0] * 50), "better"),
    "nothing right": ("image", hits([0] * 50), hits([0] * 50), "cannot tell"),
    "perfect naive": ("forecast", errors(WAVES, naive=0), errors(WAVES + 1, naive=0), "better"),
    "perfect all": ("forecast", *[errors(np.zeros(50), naive=0)] * 2, "cannot tell"),
    "infinite": ("forecast", errors(np.full(50, np.inf)), errors(WAVES), "worse"),
    "one infinite": (
        "forecast", errors(np.where(WAVES > 2.9, np.inf, 1)), errors(WAVES), "cannot tell"
    ),
    "no number": ("forecast", errors(np.full(50, np.nan)), errors(WAVES), "worse"),
    "huge": ("forecast", errors(WAVES * 1e300), errors(WAVES), "worse"),
    "tiny": ("forecast", errors(WAVES * 1e-300), errors(WAVES * 2e-300), "better"),
}  # fmt: skip


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("name", ODD)
def test_odd_rows_get_a_sane_answer(name, seeds):
    task, ours, theirs, outcome = ODD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = paired_comparison.compare(
            metrics.of({"task": task}), [ours] * seeds, [theirs] * seeds
        )
        naive = paired_comparison.against_naive(metrics.of({"task": task}), [ours] * seeds)
    for one in (verdict, naive):
        numbers = [one.difference, one.low, one.high, one.p, one.effect]
        assert np.isfinite(numbers).all()
        assert one.low <= one.difference <= one.high
        assert 0 <= one.p <= 1
    assert verdict.outcome == outcome


@pytest.mark.parametrize(
    ("task", "ours", "theirs", "message"),
    [
        ("image", [hits([1, 1, 0])], [hits([1, 0])], r"label .*\(3,\) on one side and \(2,\)"),
        ("image", [hits([1, 1])], [hits([1, 0], [1, 0])], "label differs"),
        ("image", [hits([1, 1]), hits([1])], [hits([1, 0])], r"\(2,\) .* \(1,\)"),
        ("forecast", [errors([1, 2])], [errors([1, 2], naive=3)], "naive_error differs"),
        ("forecast", [errors(np.ones((4, 2)))], [errors(np.ones((4, 3)))], r"\(4, 2\).*\(4, 3\)"),
        ("image", [hits([])], [hits([])], "1 and 1 seeds, 0 rows"),
        ("image", [], [hits([1])], "0 and 1 seeds"),
    ],
)
def test_rows_that_do_not_pair_are_refused(task, ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        paired_comparison.compare(metrics.of({"task": task}), ours, theirs)
