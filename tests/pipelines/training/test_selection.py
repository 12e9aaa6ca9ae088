"""What is chosen is chosen by validation: other test scores choose nothing else."""

import numpy as np
import pytest
from recorded import DIGITS, HASH, finished, fit
from small_data import FACTS

from pipelines.experiments import ranking
from pipelines.experiments.tracking import Record
from pipelines.reports import leaderboard
from pipelines.training import successive_halving

each_task = pytest.mark.parametrize("task", list(FACTS))


def records(task: str, random) -> list[Record]:
    """A dozen candidates with scores that have nothing to do with each other."""
    metric = ranking.METRIC[task][0]
    return [
        Record(
            *(f"run {number}", f"arch {number}", 0, "quick", f"{number}", HASH, "", "", {}),
            {f"{split}_{metric}": random.random() for split in ("validation", "test")},
        )
        for number in range(12)
    ]


def turned(task: str, candidates: list[Record]) -> list[Record]:
    """The same with the test scores the other way round: the best one has the worst."""
    name = f"test_{ranking.METRIC[task][0]}"
    scores = sorted((one.metrics[name] for one in candidates), reverse=True)
    order = np.argsort([one.metrics[name] for one in candidates])
    changed = dict(zip(order, scores, strict=True))
    return [
        Record(**vars(one) | {"metrics": one.metrics | {name: changed[number]}})
        for number, one in enumerate(candidates)
    ]


@each_task
def test_other_test_scores_choose_no_other_candidate(task):
    for seed in range(50):
        candidates = records(task, np.random.default_rng(seed))
        others = turned(task, candidates)
        assert [one.metrics for one in others] != [one.metrics for one in candidates]
        assert ranking.best(task, candidates).arch == ranking.best(task, others).arch
        kept = [successive_halving.promising(task, seen, 3) for seen in (candidates, others)]
        assert kept[0] == kept[1]


def test_other_test_scores_do_not_reorder_the_leaderboard(home, tmp_path):
    scores = {"ann": (0.7, 0.9), "cnn": (0.9, 0.5), "lstm": (0.8, 0.99)}
    for arch, (validation, test) in scores.items():
        told = {"validation_accuracy": validation, "test_accuracy": test}
        finished(fit(arch), tmp_path / arch, **told)
    board = leaderboard.compare(DIGITS)
    assert [row["arch"] for row in board["rows"]] == ["cnn", "lstm", "ann"]
