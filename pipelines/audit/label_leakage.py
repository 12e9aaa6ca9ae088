"""Can the label be told from what should not tell it: a length, a brightness, a single word?

Two questions, each held against chance and corrected for how often it is asked (Holm, A Simple
Sequentially Rejective Multiple Test Procedure, 1979). Of numbers: does one alone, learnt on train,
take half of the doubt on validation? Of marks, such as a word or a file format: is the label all
but certain where one stands? A model that finds such a thing is better on paper than in the world.
The test split is not looked at.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.examples import Split
from pipelines.audit import single_feature_leakage
from pipelines.audit.finding import EXAMPLES, Finding
from pipelines.audit.single_feature_leakage import Marks, Number
from pipelines.gate.significance import holm

ALPHA = 0.05
# The doubt is what the commonest label leaves: who always says that takes none, who is always right
# takes all of it.
HALF = 0.5  # taken by one number alone, over all rows: too much
NEARLY_ALL = 0.9  # taken by a mark, where it stands: too much, if
SURELY = 0.8  # is not explained by taking as much as this
MARKED, FEWEST_MARKED = 0.01, 50  # of the rows bear a mark that is asked about, and this many


class Answer(NamedTuple):
    """What one number told of the labels of validation, and the p-value against chance."""

    name: str
    accuracy: float
    floor: float  # the accuracy of always saying training's commonest label
    p: float

    @property
    def taken(self) -> float:
        """The share of the doubt that it takes."""
        return (self.accuracy - self.floor) / max(1 - self.floor, 1e-12)


class Mark(NamedTuple):
    """A mark, and the label that stands with it: in `share` of the `rows` that bear it."""

    name: str
    rows: int
    label: int
    share: float


def findings(splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what tells the label of a dataset of pictures or texts, as prepared."""
    numbers, marks = single_feature_leakage.of(splits["train"], splits["validation"], facts["task"])
    known, truth = splits["train"]["label"], splits["validation"]["label"]
    found = _numbers([told_by(number, known, truth) for number in numbers])
    if marks is None:
        return found
    return [*found, _marks(certain(marks, known), facts["labels"])]


def told_by(number: Number, known: np.ndarray, truth: np.ndarray) -> Answer:
    """Ask how often a number alone is right: it says the commonest label of its bin in training.

    known, truth: the labels of training and validation, int64 (row,).
    p is one-sided, of McNemar's exact test against always saying the commonest label.
    """
    from scipy import stats

    edges = single_feature_leakage.edges(number.training)
    says = single_feature_leakage.counts(number.training, known, edges).argmax(axis=1)
    right = says[np.searchsorted(edges, number.validation)] == truth
    usual = np.bincount(known).argmax() == truth
    won, lost = int((right & ~usual).sum()), int((usual & ~right).sum())
    p = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    return Answer(number.name, float(right.mean()), float(usual.mean()), float(p))


def certain(marks: Marks, labels: np.ndarray) -> list[Mark]:
    """Return the marks whose label is all but certain, the commonest of them first.

    labels: of training, int64 (row,). Held against chance by the binomial test, corrected for all
    the marks that enough rows bear.
    """
    from scipy import stats

    counts = marks.borne.T @ np.eye(labels.max() + 1)[labels]  # (mark, label)
    rows = counts.sum(axis=1)
    asked = np.flatnonzero(rows >= max(FEWEST_MARKED, MARKED * len(labels)))
    if not len(asked):
        return []
    counts, rows = counts[asked], rows[asked]
    usual = np.bincount(labels) / len(labels)
    doubt = np.maximum(1 - usual, 1e-12)
    label = ((counts / rows[:, None] - usual) / doubt).argmax(axis=1)
    held = counts[np.arange(len(rows)), label]
    share, doubt = held / rows, doubt[label]
    chance = stats.binom.sf(held - 1, rows, 1 - (1 - SURELY) * doubt)
    p = np.array(holm(chance.tolist()))
    found = [
        Mark(str(marks.names[asked[at]]), int(rows[at]), int(label[at]), float(share[at]))
        for at in np.flatnonzero((p < ALPHA) & (share >= 1 - (1 - NEARLY_ALL) * doubt))
    ]
    return sorted(found, key=lambda mark: -mark.rows)


def _numbers(answers: list[Answer]) -> list[Finding]:
    corrected = holm([answer.p for answer in answers])
    return [
        Finding(
            name=f"label from {answer.name}",
            looked=f"{answer.name}, in {single_feature_leakage.BINS} bins: learnt on train, "
            "asked on validation",
            found=f"right in {answer.accuracy:.1%}, always the commonest label in "
            f"{answer.floor:.1%}; p {p:.2g}, corrected",
            ok=bool(p >= ALPHA or answer.taken < HALF),
            advice=f"A model may learn {answer.name} instead of the content: look at how the rows "
            "of each class were collected, and even it out.",
            facts={"accuracy": answer.accuracy, "floor": answer.floor, "p": p},
        )
        for answer, p in zip(answers, corrected, strict=True)
    ]


def _marks(found: list[Mark], labels: Sequence[str]) -> Finding:
    told = [
        {"mark": mark.name, "rows": mark.rows, "label": labels[mark.label], "share": mark.share}
        for mark in found
    ]
    said = "none makes the label all but certain"
    if told:
        first = told[0]
        said = (
            f"{len(told)} do: with {first['mark']!r}, in {first['rows']:,} rows, the label is "
            f"{first['label']} in {first['share']:.1%}"
        )
    return Finding(
        name="label from a mark",
        looked=f"each word of a text, or each file's format and size, in {MARKED:.0%} or more of "
        "the training rows",
        found=said,
        ok=not found,
        advice="A model may learn the mark instead of the content: take it out of the rows.",
        examples=told[:EXAMPLES],
        facts={"marks": len(found)},
    )
