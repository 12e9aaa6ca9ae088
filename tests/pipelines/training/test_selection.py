"""What is chosen is chosen by validation: other test scores choose nothing else."""

import numpy as np
import pytest
from recorded import DIGITS, HASH, finished, fit
from small_data import FACTS

from pipelines.experiments import ranking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.reports import leaderboard
from pipelines.training import successive_halving


def records(task: str, validation: np.ndarray, test: np.ndarray) -> list[Record]:
    """A candidate for each pair of scores, which have nothing to do with each other."""
    metric = ranking.metric(DatasetVersion(task, "d", HASH)).name
    return [
        Record(
            *(f"run {number}", f"arch {number}", 0, "quick", f"{number}", HASH, "", "", {}),
            {f"validation_{metric}": scores[0], f"test_{metric}": scores[1]},
        )
        for number, scores in enumerate(zip(validation, test, strict=True))
    ]


@pytest.mark.parametrize("task", list(FACTS))
def test_other_test_scores_choose_no_other_candidate(task):
    """With the test scores turned round, the best one on test has the worst."""
    dataset = DatasetVersion(task, "d", HASH)
    for seed in range(50):
        validation, test = np.random.default_rng(seed).random((2, 12))
        candidates, others = (records(task, validation, scores) for scores in (test, 1 - test))
        best = [ranking.best(dataset, seen).arch for seen in (candidates, others)]
        assert best[0] == best[1]
        kept = [successive_halving.promising(dataset, seen, 3) for seen in (candidates, others)]
        assert kept[0] == kept[1]


def test_other_test_scores_do_not_reorder_the_leaderboard(home, tmp_path):
    scores = {"ann": (0.7, 0.9), "cnn": (0.9, 0.5), "lstm": (0.8, 0.99)}
    for arch, (validation, test) in scores.items():
        told = {"validation_accuracy": validation, "test_accuracy": test}
        finished(fit(arch), tmp_path / arch, **told)
    board = leaderboard.compare(DIGITS)
    assert [row["arch"] for row in board["rows"]] == ["cnn", "lstm", "ann"]
