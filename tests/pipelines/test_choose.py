import pytest
from recorded import HASH

from pipelines import choose
from pipelines.tracking import Record


def _record(arch: str, **metrics: float) -> Record:
    return Record(arch, arch, 0, "quick", arch, HASH, "", "", {}, metrics)


def test_the_best_is_chosen_by_validation_alone():
    records = [
        _record("ann", validation_accuracy=0.9, test_accuracy=0.99),
        _record("cnn", validation_accuracy=0.95, test_accuracy=0.5),
    ]
    assert choose.best("image", records).arch == "cnn"


def test_a_smaller_error_is_better():
    records = [
        _record("ann", validation_relative_mae=0.8),
        _record("lstm", validation_relative_mae=0.7),
    ]
    assert choose.best("forecast", records).arch == "lstm"


def test_equals_are_ranked_alike_in_whatever_order_they_come():
    records = [_record(arch, validation_accuracy=0.9) for arch in ("cnn", "ann", "lstm")]
    for turned in (records, records[::-1]):
        assert [r.arch for r in choose.ranked("image", turned)] == ["ann", "cnn", "lstm"]


@pytest.mark.parametrize(
    ("task", "candidate", "floor", "champion", "promote"),
    [
        ("image", 0.9, 0.1, None, True),
        ("image", 0.1, 0.1, None, False),
        ("image", 0.9, 0.1, 0.8, True),
        ("image", 0.8, 0.1, 0.8, False),
        ("image", 0.7, 0.1, 0.8, False),
        ("image", 0.2, 0.3, 0.1, False),
        ("forecast", 0.8, 1.0, None, True),
        ("forecast", 1.0, 1.0, None, False),
        ("forecast", 0.8, 1.0, 0.9, True),
        ("forecast", 0.9, 1.0, 0.8, False),
    ],
)
def test_the_gate(task, candidate, floor, champion, promote):
    decision = choose.decide(task, candidate, floor, champion)
    assert decision.promote is promote
    assert f"{candidate:.4f}" in decision.reason
