"""Nothing is fitted or chosen with rows of the test split: others there change nothing."""

import pytest
from small_data import FACTS

from models import architectures
from models.evaluation import baselines
from models.rivals import forecast as trees
from models.rivals import sentiment as regression
from models.training import fit as training
from models.training import guard


@pytest.mark.parametrize("task", list(FACTS))
def test_a_fit_needs_no_test_split(task, splits):
    given = {name: split for name, split in splits[task].items() if name != "test"}
    small = {"epochs": 1} | ({"words": 60, "length": 20} if task == "sentiment" else {})
    parameters = architectures.resolve(task, "perceptron", small, FACTS[task])
    training.train(task, "perceptron", parameters, given, FACTS[task], seed=0)
    facts = FACTS[task] | {"rows": {"train": len(next(iter(given["train"].values())))}}
    guard.fit(task, architectures.guard_parameters(task, facts) | small, given, facts)


def spoiled(splits: dict) -> dict:
    """The same with other rows in the test split: the last training rows, the other way round."""
    test = {name: column[-len(splits["test"][name]) :] for name, column in splits["train"].items()}
    if "value" in test:
        test["value"] = test["value"][::-1] * 2
    else:
        test["label"] = test["label"][::-1]
    return splits | {"test": test}


RIVALS = [(task, baselines.baselines) for task in FACTS] + [
    ("sentiment", lambda *given: {"rival": regression.rival(*given)}),
    ("forecast", lambda *given: {"rival": trees.rival(*given)}),
]


@pytest.mark.parametrize(("task", "scored"), RIVALS)
def test_another_test_split_changes_no_rival_and_no_naive_baseline(task, scored, splits):
    before = scored(splits[task], FACTS[task])
    after = scored(spoiled(splits[task]), FACTS[task])
    for name in before:
        assert before[name]["validation"].metrics == after[name]["validation"].metrics
        assert before[name]["test"].naive == after[name]["test"].naive
        assert before[name]["test"].metrics != after[name]["test"].metrics
