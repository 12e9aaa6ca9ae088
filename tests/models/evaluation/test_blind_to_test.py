"""Nothing is chosen with rows of the test split: others there change nothing.

That no fit reads them is shown where models and guards are fitted without: `tests/models/training`.
"""

import pytest
from small_data import FACTS

from models.evaluation import baselines
from models.rivals import forecast, sentiment


def spoiled(splits: dict) -> dict:
    """The same with other rows in the test split: the last training rows, the other way round."""
    test = {name: column[-len(splits["test"][name]) :] for name, column in splits["train"].items()}
    if "value" in test:
        test["value"] = test["value"][::-1] * 2
    else:
        test["label"] = test["label"][::-1]
    return splits | {"test": test}


RIVALS = [(task, baselines.baselines) for task in FACTS] + [
    ("sentiment", sentiment.rivals),
    ("forecast", forecast.rivals),
]


@pytest.mark.parametrize(("task", "scored"), RIVALS)
def test_another_test_split_changes_no_rival_and_no_naive_baseline(task, scored, splits):
    before = scored(splits[task], FACTS[task])
    after = scored(spoiled(splits[task]), FACTS[task])
    for name in before:
        assert before[name]["validation"].metrics == after[name]["validation"].metrics
        assert before[name]["test"].naive == after[name]["test"].naive
        assert before[name]["test"].metrics != after[name]["test"].metrics
