"""Two models on the same rows, judged."""

import numpy as np
import pytest

from pipelines.verdict import pair


def hits(correct, label=None):
    correct = np.asarray(correct, bool)
    label = np.zeros(len(correct), int) if label is None else np.asarray(label)
    return {"correct": correct, "naive_correct": label == 0, "label": label}


def errors(error, naive=1.0, block=1):
    error = np.asarray(error, float)
    return {
        "error": error,
        "naive_error": np.full_like(error, naive),
        "block": np.int64(block),
        "season": np.zeros(len(error), int),
    }


def test_a_difference_above_zero_means_ours_is_better_whatever_the_metric():
    more, fewer = hits([True] * 60), hits([False] * 30 + [True] * 30)
    small, large = errors(np.linspace(1, 2, 60)[:, None]), errors(np.linspace(3, 4, 60)[:, None])
    for task, better, worse in (("image", more, fewer), ("forecast", small, large)):
        ahead, behind = pair.compare(task, [better], [worse]), pair.compare(task, [worse], [better])
        assert (ahead.outcome, behind.outcome) == ("better", "worse")
        assert ahead.difference == -behind.difference > 0
        assert ahead.low <= ahead.difference <= ahead.high
        assert ahead.effect == -behind.effect


def test_rows_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) on one side and \(2,\)"):
        pair.compare("image", [hits([1, 1, 0])], [hits([1, 0])])
    with pytest.raises(ValueError, match="label"):
        pair.compare("image", [hits([1, 1, 0])], [hits([1, 0, 0], [1, 0, 0])])
    with pytest.raises(ValueError, match="naive_error"):
        pair.compare("forecast", [errors([[1], [2]])], [errors([[1], [2]], naive=3)])
