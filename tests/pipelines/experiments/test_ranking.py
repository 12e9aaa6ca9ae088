import pytest
from recorded import DIGITS, HASH

from pipelines.experiments import ranking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record


def _record(arch: str, **metrics: float) -> Record:
    return Record(arch, arch, 0, "quick", arch, HASH, "", "", {}, metrics)


@pytest.mark.parametrize(("task", "best"), [("image", "cnn"), ("forecast", "ann")])
def test_the_best_has_the_highest_accuracy_or_the_smallest_error(task, best):
    dataset = DatasetVersion(task, "d", HASH)
    score = f"validation_{ranking.metric(dataset).name}"
    records = [_record("ann", **{score: 0.7}), _record("cnn", **{score: 0.8})]
    assert ranking.best(dataset, records).arch == best


def test_equals_are_ranked_alike_in_whatever_order_they_come():
    records = [_record(arch, validation_accuracy=0.9) for arch in ("cnn", "ann", "lstm")]
    for turned in (records, records[::-1]):
        assert [r.arch for r in ranking.ranked(DIGITS, turned)] == ["ann", "cnn", "lstm"]


def test_of_equals_the_smaller_log_loss_is_first():
    records = [
        _record(arch, validation_accuracy=0.5, validation_log_loss=loss)
        for arch, loss in (("ann", 0.7), ("cnn", 0.6), ("lstm", 0.65))
    ]
    assert [r.arch for r in ranking.ranked(DIGITS, records)] == ["cnn", "lstm", "ann"]
