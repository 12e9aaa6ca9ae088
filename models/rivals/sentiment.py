"""Linear models over words and their runs: what a network for texts has to beat."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.errors import WrongData
from models.evaluation import measure
from models.examples import Split
from models.inputs.texts import words_of

TF_IDF = "logistic regression on tf-idf of words and pairs"
NB_SVM = "NB-SVM of logistic loss on words, pairs and triples"

INVERSE_PENALTY = 100.0  # the best of 3, 10, 30 and 100 on the validation split of imdb
NB_INVERSE_PENALTY = 10.0  # of 0.1, 1 and 10, likewise
CHARACTERS = 50_000_000  # of the texts that are learned from: a minute of one core


def rivals(splits: Mapping[str, Split], facts: Mapping) -> dict[str, dict[str, measure.Scores]]:
    """Fit on the training split and return the scores on validation and test, by the rival's name.

    A word, a pair or a triple counts that two texts hold. Of more texts than a minute is enough for
    the first ones are read: their order says nothing.

    Args:
        splits: train, validation and test, as prepared.

    Raises:
        WrongData: no two texts of the training split have a word in common.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(
        tokenizer=words_of,
        lowercase=False,
        token_pattern=None,
        ngram_range=(1, 3),
        min_df=2,
        dtype=np.float32,
    )
    size = np.cumsum([len(text) for text in splits["train"]["text"]])
    few = max(1, int(np.searchsorted(size, CHARACTERS, side="right")))
    try:
        counts = {"train": vectorizer.fit_transform(splits["train"]["text"][:few])}
    except ValueError as error:  # scikit-learn's own, which names its argument min_df
        raise WrongData("No two texts of the train split have a word in common.") from error
    counts |= {name: vectorizer.transform(splits[name]["text"]) for name in measure.SCORED}
    triples = np.array([run.count(" ") == 2 for run in vectorizer.get_feature_names_out()])
    without = {name: runs[:, np.flatnonzero(~triples)] for name, runs in counts.items()}
    label, classes = splits["train"]["label"][:few], len(facts["labels"])
    outputs = {TF_IDF: _tf_idf(without, label, classes), NB_SVM: _nb_svm(counts, label, classes)}
    return {
        name: measure.score_probabilities(of_split, splits, facts)
        for name, of_split in outputs.items()
    }


def _tf_idf(counts: Mapping[str, Any], label: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Return probabilities of validation and test (row, class).

    Sublinear term frequency, inverse document frequency and unit length as in Manning, Raghavan and
    Schütze, Introduction to Information Retrieval, 2008, sections 6.2 to 6.4.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    weighing = TfidfTransformer(sublinear_tf=True).fit(counts["train"])
    model = LogisticRegression(C=INVERSE_PENALTY, tol=1e-6, max_iter=1000)
    model.fit(weighing.transform(counts["train"]), label)
    outputs = {name: np.zeros((counts[name].shape[0], classes)) for name in measure.SCORED}
    for name, chances in outputs.items():
        chances[:, model.classes_] = model.predict_proba(weighing.transform(counts[name]))
    return outputs


def _nb_svm(counts: Mapping[str, Any], label: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Return probabilities of validation and test (row, class), each class against the others.

    What a text holds is weighed by the log ratio of how often either side holds it: Wang and
    Manning, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, ACL, 2012. The
    loss is the logistic one, so that there are probabilities.
    """
    from scipy.sparse import diags_array
    from sklearn.linear_model import LogisticRegression

    held = {name: runs.sign() for name, runs in counts.items()}
    outputs = {name: np.zeros((held[name].shape[0], classes)) for name in measure.SCORED}
    present = np.unique(label)
    for one in present[-1:] if len(present) == 2 else present:
        sides = [1 + held["train"][side].sum(axis=0) for side in (label == one, label != one)]
        inside, outside = (np.asarray(side).ravel() / side.sum() for side in sides)
        ratio = diags_array(np.log(inside / outside).astype(np.float32))
        model = LogisticRegression(C=NB_INVERSE_PENALTY, solver="liblinear", dual=True)
        model.set_params(max_iter=1000, random_state=0).fit(held["train"] @ ratio, label == one)
        for name, chances in outputs.items():
            chances[:, one] = model.predict_proba(held[name] @ ratio)[:, 1]
    if len(present) == 2:
        for chances in outputs.values():
            chances[:, present[0]] = 1 - chances[:, present[1]]
    return {name: chances / chances.sum(axis=1, keepdims=True) for name, chances in outputs.items()}
