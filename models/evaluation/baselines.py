"""What can be said without having learned anything, as rows of the leaderboard (see naive.py)."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from models.evaluation import measure, naive
from models.evaluation.measure import Scores
from models.examples import Split


def baselines(splits: Mapping[str, Split], facts: Mapping) -> dict[str, dict[str, Scores]]:
    """Return the scores of each baseline of the dataset's task, by its name and the split's.

    Args:
        splits: train, validation and test, as prepared; validation and test are scored.
    """
    if facts["task"] == "forecast":
        return {
            name: measure.score_forecasts(
                partial(naive.forecast, name, season=facts["season"]), splits, facts
            )
            for name in naive.SERIES
        }
    return {"majority": _majority(splits, facts)}


def _majority(splits: Mapping[str, Split], facts: Mapping) -> dict[str, Scores]:
    labels = splits["train"]["label"]
    shares = np.bincount(labels, minlength=len(facts["labels"])) / len(labels)
    probabilities = {
        name: np.tile(shares, (len(splits[name]["label"]), 1)) for name in ("validation", "test")
    }
    return measure.score_probabilities(probabilities, splits, facts)
