"""Does what should not tell the label tell it: a length, a brightness, a single word?

Two questions, each tested against chance and corrected for the number of tests (Holm, A Simple
Sequentially Rejective Multiple Test Procedure, 1979). Of numbers: does one alone, learnt on train,
remove half of the doubt on validation? Of marks, such as a word or a file format: is the label all
but certain where one occurs? A model that finds such a thing is better on paper than in the world.
The test split is not read.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.examples import Split
from pipelines.audit import single_feature_leakage as features
from pipelines.audit.finding import EXAMPLES, Finding
from pipelines.audit.single_feature_leakage import Marks, Number
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

    name: str
    accuracy: float
    baseline: float  # the accuracy of always predicting training's commonest label
    p: float

    @property
    def doubt_removed(self) -> float:
        """The share of the doubt that it removes."""
        return (self.accuracy - self.baseline) / max(1 - self.baseline, 1e-12)


class Mark(NamedTuple):
    """A mark, and the label that occurs with it: in `share` of the `rows` that bear it."""

    name: str
    rows: int
    label: int
    share: float


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what tells the label of a dataset of pictures or texts, as prepared."""
    numbers, marks = features.extract(splits["train"], splits["validation"], facts["task"])
    known, truth = splits["train"]["label"], splits["validation"]["label"]
    found = _of_numbers([predict(number, known, truth) for number in numbers])
    if marks is None:
        return found
    return [*found, _of_marks(near_certain(marks, known), facts["labels"])]


def predict(number: Number, known: np.ndarray, truth: np.ndarray) -> Prediction:
    """Predict each label from a number alone, as the commonest label of its bin in training.

    known, truth: the labels of training and validation, int64 (row,).
    p is one-sided, of McNemar's exact test against always predicting the commonest label.
    """
    from scipy import stats

    edges = features.edges(number.training)
    predicted = features.counts(number.training, known, edges).argmax(axis=1)
    right = predicted[np.searchsorted(edges, number.validation)] == truth
    usual = np.bincount(known).argmax() == truth
    won, lost = int((right & ~usual).sum()), int((usual & ~right).sum())
    p = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    return Prediction(number.name, float(right.mean()), float(usual.mean()), float(p))


def near_certain(marks: Marks, labels: np.ndarray) -> list[Mark]:
    """Return the marks whose label is all but certain, the commonest of them first.

    labels: of training, int64 (row,). The binomial test against chance is corrected for all the
    marks that enough rows bear.
    """
    from scipy import stats

    counts = marks.borne.T @ np.eye(labels.max() + 1)[labels]  # (mark, label)
    rows = counts.sum(axis=1)
    tested = np.flatnonzero(rows >= max(FEWEST_MARKED, MARKED * len(labels)))
    if not len(tested):
        return []
    counts, rows = counts[tested], rows[tested]
    usual = np.bincount(labels) / len(labels)
    doubt = np.maximum(1 - usual, 1e-12)
    label = ((counts / rows[:, None] - usual) / doubt).argmax(axis=1)
    held = counts[np.arange(len(rows)), label]
    share, doubt = held / rows, doubt[label]
    p = np.array(holm(stats.binom.sf(held - 1, rows, 1 - (1 - SURELY) * doubt).tolist()))
    certain = [
        Mark(str(marks.names[tested[at]]), int(rows[at]), int(label[at]), float(share[at]))
        for at in np.flatnonzero((p < ALPHA) & (share >= 1 - (1 - NEARLY_ALL) * doubt))
    ]
    return sorted(certain, key=lambda mark: -mark.rows)


def _of_numbers(predictions: list[Prediction]) -> list[Finding]:
    corrected = holm([prediction.p for prediction in predictions])
    return [
        Finding(
            name=f"label from {one.name}",
            scope=f"{one.name}, in {features.BINS} bins: learnt on train, asked on validation",
            result=f"right in {one.accuracy:.1%}, always the commonest label in "
            f"{one.baseline:.1%}; p {p:.2g}, corrected",
            ok=bool(p >= ALPHA or one.doubt_removed < HALF),
            advice=f"A model may learn {one.name} instead of the content: look at how the rows "
            "of each class were collected, and even it out.",
            facts={"accuracy": one.accuracy, "floor": one.baseline, "p": p},
        )
        for one, p in zip(predictions, corrected, strict=True)
    ]


def _of_marks(marks: list[Mark], labels: Sequence[str]) -> Finding:
    result = "none makes the label all but certain"
    if marks:
        first = marks[0]
        result = (
            f"{len(marks)} do: with {first.name!r}, in {first.rows:,} rows, the label is "
            f"{labels[first.label]} in {first.share:.1%}"
        )
    return Finding(
        name="label from a mark",
        scope=f"each word of a text, or each file's format and size, in {MARKED:.0%} or more of "
        "the training rows",
        result=result,
        ok=not marks,
        advice="A model may learn the mark instead of the content: take it out of the rows.",
        examples=[
            {"mark": one.name, "rows": one.rows, "label": labels[one.label], "share": one.share}
            for one in marks[:EXAMPLES]
        ],
        facts={"marks": len(marks)},
    )
