"""Parts of the test rows, scored and compared."""

import numpy as np
import pytest

from models.evaluation.metrics import ACCURACY, MAE, METRICS
from pipelines.gate import slices

LABELS = ["cat", "dog", "eel"]
LABEL = np.repeat([0, 1, 2], [40, 60, 100])


def hits(correct, **more):
    correct = np.asarray(correct, bool)
    return {"label": LABEL, "correct": correct, "naive_correct": LABEL == 2, **more}


def windows(error):
    """Four quarters of 25 windows, two steps each; the naive forecast misses by 2 and 4."""
    error = np.broadcast_to(np.asarray(error, float), (100, 2))
    return {
        "error": error,
        "naive_error": np.broadcast_to([2.0, 4.0], (100, 2)),
        "season": np.arange(100) // 25,
        "time": np.datetime64("2026-01-01", "h") + np.arange(100),
        "block": np.int64(1),
    }


def _by_name(found):
    return {one.name: (one.rows, one.score) for one in found}


def test_a_class_is_scored_by_its_own_rows_and_one_without_is_no_slice():
    correct = np.concatenate([np.arange(40) < 30, np.arange(60) < 60, np.arange(100) < 50])
    found = _by_name(slices.score(ACCURACY, [hits(correct)], [*LABELS, "fox"]))
    assert found == {"class cat": (40, 0.75), "class dog": (60, 1), "class eel": (100, 0.5)}


def test_what_a_champion_answered_wrong_as_requests_is_a_part():
    failure = np.arange(200) % 10 == 0
    before, after = (hits(right, failure=failure) for right in (~failure, np.ones(200)))
    assert _by_name(slices.score(ACCURACY, [before], LABELS))["failures"] == (20, 0)
    compared = slices.compare(ACCURACY, [before], [after], LABELS)
    assert {one.name: one.difference for one in compared}["failures"] == -1
    none = hits(np.ones(200), failure=np.zeros(200, bool))
    assert "failures" not in _by_name(slices.score(ACCURACY, [none], LABELS))


def test_texts_are_parted_in_thirds_by_length():
    words = np.arange(200) + 1
    found = _by_name(slices.score(ACCURACY, [hits(words <= 100, words=words)], LABELS))
    assert {name: rows for name, (rows, _) in found.items() if "words" in name} == {
        "up to 67 words": 67,
        "68 to 133 words": 66,
        "more than 133 words": 67,
    }
    assert found["up to 67 words"][1] == 1
    assert found["more than 133 words"][1] == 0


def test_texts_of_one_length_are_one_slice():
    found = slices.score(ACCURACY, [hits(LABEL > 0, words=np.full(200, 7))], LABELS)
    assert [one.name for one in found if "words" in one.name] == ["up to 7 words"]


def test_a_series_is_parted_by_season_and_by_step():
    rows = windows([1.0, 3.0])
    rows["error"] = rows["error"] * (1 + rows["season"][:, None])
    found = _by_name(slices.score(MAE, [rows], []))
    quarters = {f"quarter {n} of the season": (25, pytest.approx(n * 4 / 6)) for n in (1, 2, 3, 4)}
    assert found == quarters | {
        "step 1": (100, pytest.approx(2.5 / 3)),
        "step 2": (100, pytest.approx(2.5)),
    }


def test_parts_of_a_series_are_judged_by_its_metric_alone():
    ours, theirs = windows(1.0), windows(1.0)
    for rows, loss in ((ours, 1.0), (theirs, 2.0)):
        rows |= {"pinball": 0 * rows["error"] + loss, "naive_pinball": 0 * rows["error"] + 4}
    parts = slices.compare(METRICS["pinball"], [ours], [theirs], [])
    assert [(one.difference, one.p) for one in parts] == [(0.25, 0)] * 6
    assert {one.score for one in slices.score(METRICS["pinball"], [ours], [])} == {0.25}


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_a_part_without_a_naive_error_is_judged_alike_in_every_unit(unit):
    """Solar power by night: the naive forecast is right there."""
    ours, theirs = windows([0.2, 0.2]), windows([0.1, 0.1])
    for rows in (ours, theirs):
        rows["error"] = rows["error"] * unit
        rows["naive_error"] = np.where(rows["season"][:, None] == 0, 0.0, [2.0, 4.0]) * unit
    night = slices.compare(MAE, [ours], [theirs], [])[0]
    assert night.difference == pytest.approx(-0.1 / 2.25)


def test_the_score_of_several_seeds_is_their_mean():
    found = slices.score(ACCURACY, [hits(LABEL == 0), hits(LABEL >= 0)], LABELS)
    assert [one.score for one in found] == [1, 0.5, 0.5]


def test_a_fall_is_found_in_the_part_where_it_is():
    ours = hits((LABEL != 1) | (np.arange(200) < 70))
    theirs = hits(np.ones(200))
    cat, dog, eel = slices.compare(ACCURACY, [ours], [theirs], LABELS)
    assert (cat.difference, cat.p, eel.difference, eel.p) == (0, 1, 0, 1)
    assert (dog.rows, dog.difference) == (60, -0.5)
    assert dog.p < 1e-6


def test_a_part_of_too_few_rows_cannot_tell_whatever_falls_there():
    label = np.repeat([0, 1], [5, 6])
    rows = {"label": label, "correct": label == 9, "naive_correct": label == 0}
    few, enough = slices.compare(ACCURACY, [rows], [rows | {"correct": label >= 0}], LABELS)
    assert few.p == few.least_p == 0.0625
    assert enough.p == enough.least_p == 0.03125
    one, many = (slices.only(windows(1), np.arange(100) < n) for n in (1, 30))
    assert slices.compare(MAE, [one], [one], [])[0].least_p == 1
    assert slices.compare(MAE, [many], [many], [])[0].least_p == 0


def test_a_step_that_falls_is_found_among_those_that_rise():
    random = np.random.default_rng(0)
    ours, theirs = (windows(random.uniform(1, 2, (100, 2)) + more) for more in ([0, 1], [0.5, 0]))
    found = {one.name: one for one in slices.compare(MAE, [ours], [theirs], [])}
    assert found["step 1"].difference > 0 > found["step 2"].difference
    assert max(found["step 1"].p, found["step 2"].p) < 0.001


def test_what_an_older_record_lacks_is_taken_from_ours():
    ours, theirs = windows(1), windows(1.5)
    del theirs["season"], theirs["time"]
    assert len(slices.compare(MAE, [ours], [theirs], [])) == 6
    assert [one.name for one in slices.score(MAE, [theirs], [])] == ["step 1", "step 2"]


def test_rows_that_do_not_pair_are_refused():
    ours = hits(LABEL > 0)
    with pytest.raises(ValueError, match="do not pair"):
        slices.compare(ACCURACY, [ours], [ours | {"label": LABEL[::-1]}], LABELS)
