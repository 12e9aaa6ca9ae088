"""Does what should not tell the label tell it: a length, a brightness, a single word?

Two questions, each tested against chance and corrected for the number of tests (Holm, A Simple
Sequentially Rejective Multiple Test Procedure, 1979). Of numbers: does one alone, learnt on train,
remove half of the doubt on validation? Of marks, such as a word or a file format: is the label all
but certain where one occurs? A model that finds such a thing is better on paper than in the world.
The test split is not read.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from models.examples import Split
from pipelines.audit import single_feature_leakage as features
from pipelines.audit.finding import EXAMPLES, Finding
from pipelines.gate.significance import holm

ALPHA = 0.05
# The doubt is what the commonest label leaves: who always predicts it removes none, who is always
# right removes all of it.
HALF = 0.5  # removed by one number alone, over all rows: too much
NEARLY_ALL = 0.9  # removed by a mark, where it occurs: too much, if
SURELY = 0.8  # chance does not explain that it removes as much as this
MARKED, FEWEST_MARKED = 0.01, 50  # of the rows, and this many, bear a mark that is tested


class Prediction(NamedTuple):
    """How well one number alone predicts the labels of validation, and the p-value of chance."""

    accuracy: float
    baseline: float  # the accuracy of always predicting training's commonest label
    p: float

    @property
    def doubt_removed(self) -> float:
        """The share of the doubt that it removes."""
        return (self.accuracy - self.baseline) / max(1 - self.baseline, 1e-12)


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what tells the label of a dataset of pictures or texts, as prepared."""
    extracted = features.extract(splits["train"], splits["validation"], facts["task"])
    known, truth = splits["train"]["label"], splits["validation"]["label"]
    predictions = {
        name: predict(extracted.training[name], known, extracted.validation[name], truth)
        for name in extracted.training
    }
    if extracted.marks is None:
        return _of_numbers(predictions)
    certain = near_certain(extracted.marks, extracted.borne, known)
    certain["label"] = np.array(facts["labels"])[certain["label"]]
    return [*_of_numbers(predictions), _of_marks(certain)]


def predict(
    training: np.ndarray, known: np.ndarray, validation: np.ndarray, truth: np.ndarray
) -> Prediction:
    """Predict the labels of validation, `truth`, from a number that a shallow tree has learnt on
    training, with its labels `known`.

    p is one-sided, of McNemar's exact test against always predicting the commonest label.
    """
    from scipy import stats

    tree = features.tree().fit(np.reshape(training, (-1, 1)), known)
    right = tree.predict(np.reshape(validation, (-1, 1))) == truth
    usual = np.bincount(known).argmax() == truth
    won, lost = int((right & ~usual).sum()), int((usual & ~right).sum())
    p = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    return Prediction(float(right.mean()), float(usual.mean()), float(p))


def near_certain(marks: np.ndarray, borne: Any, labels: np.ndarray) -> pd.DataFrame:
    """Return the marks whose label is all but certain, the commonest of them first: `mark`, the
    `rows` that bear it, the `label` that occurs with it, and in which `share` of them.

    borne: sparse (row, mark), 1 where a row of training bears the mark; labels: int64 (row,).
    The binomial test against chance is corrected for all the marks that enough rows bear.
    """
    from scipy import stats

    counts = borne.T @ np.eye(labels.max() + 1)[labels]  # (mark, label)
    rows = counts.sum(axis=1).astype(int)
    tested = rows >= max(FEWEST_MARKED, MARKED * len(labels))
    marks, counts, rows = marks[tested], counts[tested], rows[tested]
    usual = np.bincount(labels) / len(labels)
    doubt = np.maximum(1 - usual, 1e-12)
    label = ((counts / rows[:, None] - usual) / doubt).argmax(axis=1)
    held, doubt = counts[np.arange(len(rows)), label], doubt[label]
    table = pd.DataFrame({"mark": marks, "rows": rows, "label": label, "share": held / rows})
    p = np.array(holm(stats.binom.sf(held - 1, rows, 1 - (1 - SURELY) * doubt).tolist()))
    certain = table[(p < ALPHA) & (table["share"] >= 1 - (1 - NEARLY_ALL) * doubt)]
    return certain.sort_values("rows", ascending=False, kind="stable")


def _of_numbers(predictions: Mapping[str, Prediction]) -> list[Finding]:
    corrected = holm([one.p for one in predictions.values()])
    return [
        Finding(
            name=f"label from {name}",
            scope=f"{name}, by a tree of {features.LEAVES} leaves: learnt on train, asked on "
            "validation",
            result=f"right in {one.accuracy:.1%}, always the commonest label in "
            f"{one.baseline:.1%}; p {p:.2g}, corrected",
            ok=bool(p >= ALPHA or one.doubt_removed < HALF),
            advice=f"A model may learn {name} instead of the content: look at how the rows "
            "of each class were collected, and even it out.",
            facts={"accuracy": one.accuracy, "floor": one.baseline, "p": p},
        )
        for (name, one), p in zip(predictions.items(), corrected, strict=True)
    ]


def _of_marks(certain: pd.DataFrame) -> Finding:
    examples = certain.head(EXAMPLES).to_dict("records")
    result = "none makes the label all but certain"
    if examples:
        result = (
            f"{len(certain)} do: with {examples[0]['mark']!r}, in {examples[0]['rows']:,} rows, "
            f"the label is {examples[0]['label']} in {examples[0]['share']:.1%}"
        )
    return Finding(
        name="label from a mark",
        scope=f"each word of a text, or each file's format and size, in {MARKED:.0%} or more of "
        "the training rows",
        result=result,
        ok=not examples,
        advice="A model may learn the mark instead of the content: take it out of the rows.",
        examples=examples,
        facts={"marks": len(certain)},
    )
