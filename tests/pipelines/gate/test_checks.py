"""The gate's checks from numbers alone: each passes what it should and stops what it should."""

from dataclasses import replace

import numpy as np
import pytest
from candidates import RULES, hits, rows_of

from models.evaluation.metrics import ACCURACY
from pipelines.gate import checks as gate
from pipelines.gate.checks import Scored, Served

LABELS = list("0123456789")


def scored(correct: np.ndarray, latency_ms: float = 0.1, size_mb: float = 2.0) -> Scored:
    return Scored("cnn", rows_of(correct), latency_ms, size_mb)


def quality(
    ours: Scored, theirs: Scored | None = None, anchor: Scored | None = None
) -> dict[str, gate.Check]:
    """The checks by name; the champion is its own anchor unless another is given."""
    checks = gate.quality(ACCURACY, RULES, ours, theirs, LABELS, anchor or theirs)
    return {check.name: check for check in checks}


def flipped(correct: np.ndarray, rows: slice | np.ndarray, value: bool) -> np.ndarray:
    """The hits with those of `rows` set."""
    changed = correct.copy()
    changed[rows] = value
    return changed


GOOD = hits(0.9)


@pytest.mark.parametrize(
    ("share", "floor", "naive"), [(0.55, True, True), (0.54, False, True), (0.1, False, False)]
)
def test_the_first_candidate_needs_the_floor_and_more_than_the_naive_baseline(share, floor, naive):
    checks = quality(scored(hits(share)))
    assert {name: check.passed for name, check in checks.items()} == {
        "floor": floor,
        "naive": naive,
    }
    # Half of the way from the tenth that the commonest class is.
    assert f"{share:.4f} on the test split; at least 0.55 is" in checks["floor"].evidence


def test_a_significant_gain_beats_the_champion():
    better = flipped(GOOD, slice(0, 300), True)
    check = quality(scored(better), scored(GOOD))["champion"]
    assert check.passed
    assert check.facts["p"] < RULES.alpha
    assert check.facts["difference"] == pytest.approx(better.mean() - GOOD.mean())


def test_an_equal_model_replaces_the_champion_only_where_it_is_cheaper():
    check = quality(scored(hits(0.9, seed=1)), scored(GOOD))["champion"]
    assert not check.passed
    assert "cannot be told from cnn" in check.evidence
    assert quality(scored(GOOD, latency_ms=0.05), scored(GOOD))["champion"].passed


@pytest.mark.parametrize(
    ("latency_ms", "size_mb", "cheaper"),
    [
        (0.064, 2.0, True),
        (0.1, 1.28, True),
        (0.065, 2.0, False),
        (0.05, 2.4, True),
        (0.05, 4.0, False),
        (0.1, 2.0, False),
    ],
)
def test_cheaper_is_one_number_of_latency_and_size_together(latency_ms, size_mb, cheaper):
    check = quality(scored(GOOD, latency_ms, size_mb), scored(GOOD))["champion"]
    assert check.passed is cheaper


def test_the_margin_is_measured_from_the_anchor_and_not_from_who_lost_a_part_of_it():
    before = np.arange(20_000) % 10 > 0
    lower = flipped(before, slice(1, 220), False)  # 198 of its hits
    champion, cheap = scored(lower), scored(lower, latency_ms=0.01)
    assert quality(cheap, champion)["champion"].passed
    anchor = Scored("the anchor ann v1", rows_of(before), 0.1, 2.0)
    check = quality(cheap, champion, anchor)["champion"]
    assert not check.passed
    assert "not proven within the margin of 0.01 of the anchor ann v1" in check.evidence


def test_each_decision_by_the_same_rows_has_a_smaller_level_and_says_so():
    better = scored(flipped(GOOD, np.flatnonzero(~GOOD)[:8], True))  # p is 0.008
    checks = [
        gate.quality(ACCURACY, RULES, better, scored(GOOD), LABELS, earlier=earlier)[2]
        for earlier in (0, 1, 9.5)
    ]
    assert [check.passed for check in checks] == [True, False, False]
    assert "; decision 1 by these rows: level 0.019, which proves a gain" in checks[0].evidence
    assert "; decision 10.5 by these rows: level 0.00056" in checks[2].evidence
    gains = [check.facts["provable"] for check in checks]
    assert gains == sorted(gains)
    assert gains[0] < better.rows["correct"].mean() - GOOD.mean() < gains[2]


def test_cheaper_but_not_proven_within_the_margin_is_refused():
    worse = flipped(GOOD, slice(0, 30), False)
    check = quality(scored(worse, latency_ms=0.01), scored(GOOD))["champion"]
    assert not check.passed
    assert "not proven within the margin" in check.evidence


def test_cheaper_but_significantly_worse_is_refused_however_little_it_is():
    correct = np.arange(20_000) % 10 > 0
    worse = flipped(correct, slice(1, 80), False)
    check = quality(scored(worse, latency_ms=0.01), scored(correct))["champion"]
    assert check.facts["difference"] > -RULES.margin
    assert "worse than cnn" in check.evidence
    assert not check.passed


def test_a_class_that_falls_stops_a_model_that_is_better_on_the_whole():
    better = flipped(GOOD, slice(0, 600), True)
    better[np.arange(len(better)) % 10 == 3] = False
    better[np.arange(len(better)) % 10 != 3] = True
    checks = quality(scored(better), scored(hits(0.8)))
    assert checks["champion"].passed
    assert not checks["slices"].passed
    assert "3" in checks["slices"].facts["fallen"][0]
    assert len(checks["slices"].facts["fallen"]) == 1


def test_who_answers_wrong_again_what_was_answered_wrong_is_stopped():
    failure = np.arange(len(GOOD)) % 19 == 0
    ours, theirs = (
        Scored("cnn", rows_of(right) | {"failure": failure}, 0.1, 2.0)
        for right in (~failure, hits(0.8) | failure)
    )
    checks = quality(ours, theirs)
    assert checks["champion"].passed
    assert checks["slices"].facts["fallen"] == ["failures"]


def test_a_class_of_too_few_rows_is_no_slice_that_passed():
    correct = np.ones(1000, bool)
    rows = [rows_of(correct), rows_of(correct)]
    for one in rows:
        one["label"] = np.where(np.arange(1000) < 5, 9, np.arange(1000) % 9)
    ours, theirs = (Scored("cnn", one, 0.1, 2.0) for one in rows)
    check = gate.quality(ACCURACY, RULES, ours, theirs, LABELS)[3]
    assert check.passed
    assert check.evidence.startswith("none of 9 fell")
    assert check.evidence.endswith("; too few rows to tell: class 9 (5)")
    assert check.facts["too_few_rows"] == ["class 9 (5)"]


def test_rows_that_one_side_was_fitted_on_are_left_out_for_both():
    seen = [np.arange(1000) < 400, np.arange(1000) % 4 == 0]
    learned = scored(flipped(GOOD, seen[0], True))
    better = flipped(GOOD, np.flatnonzero(~GOOD)[::2], True)
    champion = replace(learned, unseen=~seen[0])
    assert not quality(scored(better), learned)["champion"].passed
    checks = quality(replace(scored(better), unseen=~seen[1]), champion)
    assert checks["champion"].passed
    remain = ~seen[0] & ~seen[1]
    facts = checks["champion"].facts
    assert (facts["rows"], facts["left_out"]) == (450, 550)
    assert facts["difference"] == pytest.approx(better[remain].mean() - GOOD[remain].mean())
    assert "; 550 of 1,000 rows, on which one of the two was fitted, are" in (
        checks["champion"].evidence
    )
    assert "out, and 450 remain; decision 1" in checks["champion"].evidence
    assert checks["floor"].facts["score"] == pytest.approx(better[~seen[1]].mean())
    assert "is not on record" in quality(scored(better), learned)["champion"].evidence


@pytest.mark.parametrize(("candidate", "passed"), [(True, [True, True]), (False, [False, False])])
def test_too_few_rows_that_are_new_fail_and_never_remove_a_check(candidate, passed):
    few = np.arange(1000) < RULES.unseen - 1
    ours, theirs = replace(scored(GOOD), unseen=few | candidate), replace(scored(GOOD), unseen=few)
    checks = quality(ours, theirs)
    assert [check.passed for check in checks.values()] == [*passed, False, False]
    assert "99 of 1,000 test rows are left" in checks["champion"].evidence
    assert checks["slices"].evidence.endswith("`espalier promote --force --reason …` overrules it")


def test_a_champion_that_cannot_be_compared_fails_the_checks_and_never_removes_them():
    cause = "it knows other classes"
    checks = gate.quality(ACCURACY, RULES, scored(GOOD), None, LABELS, incomparable=cause)
    assert [check.name for check in checks] == ["floor", "naive", "champion", "slices"]
    assert [check.passed for check in checks] == [True, True, False, False]
    assert checks[2].evidence.startswith("it knows other classes; `espalier promote --force")


def test_beside_a_champion_of_other_classes_the_rows_of_its_own_classes_count():
    known = np.arange(1000) % 10 < 8
    ours = flipped(GOOD, slice(0, 300), True)
    theirs = Scored("cnn", rows_of(GOOD), 0.1, 2.0, known)
    checks = quality(scored(ours), theirs)
    assert checks["champion"].facts["difference"] == pytest.approx(
        ours[known].mean() - GOOD[known].mean()
    )
    assert "on the 800 of 1,000 rows" in checks["champion"].evidence
    assert checks["slices"].facts["slices"] == 8


@pytest.mark.parametrize(
    ("over", "shown", "size_mb"),
    [
        ([], Served(golden=8, latency_ms=2.0, memory_mb=120.0), 3.0),
        (["latency"], Served(8, 51.0, 120.0), 3.0),
        (["memory"], Served(8, 2.0, 501.0), 3.0),
        (["size"], Served(8, 2.0, 120.0), 101.0),
    ],
)
def test_each_budget_stops_what_is_over_it(over, shown, size_mb):
    checks = gate.service(RULES, shown, size_mb)
    assert [check.name for check in checks] == ["golden", "latency", "memory", "size"]
    assert [check.name for check in checks if not check.passed] == over
    for name in over:
        assert f"`{name}_m" in next(check.evidence for check in checks if check.name == name)


def test_a_wrong_answer_is_evidence_in_its_own_words():
    shown = Served(0, 0.0, 0.0, complaint="golden request 3 of 8 was answered …")
    golden, size = gate.service(RULES, shown, 3.0)
    assert (golden.passed, golden.evidence) == (False, shown.complaint)
    assert size.passed
