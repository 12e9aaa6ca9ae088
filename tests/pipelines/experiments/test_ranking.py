from recorded import HASH

from pipelines.experiments import ranking
from pipelines.experiments.tracking import Record


def _record(arch: str, **metrics: float) -> Record:
    return Record(arch, arch, 0, "quick", arch, HASH, "", "", {}, metrics)


def test_the_best_is_chosen_by_validation_alone():
    records = [
        _record("ann", validation_accuracy=0.9, test_accuracy=0.99),
        _record("cnn", validation_accuracy=0.95, test_accuracy=0.5),
    ]
    assert ranking.best("image", records).arch == "cnn"


def test_a_smaller_error_is_better():
    records = [
        _record("ann", validation_relative_mae=0.8),
        _record("lstm", validation_relative_mae=0.7),
    ]
    assert ranking.best("forecast", records).arch == "lstm"


def test_equals_are_ranked_alike_in_whatever_order_they_come():
    records = [_record(arch, validation_accuracy=0.9) for arch in ("cnn", "ann", "lstm")]
    for turned in (records, records[::-1]):
        assert [r.arch for r in ranking.ranked("image", turned)] == ["ann", "cnn", "lstm"]
