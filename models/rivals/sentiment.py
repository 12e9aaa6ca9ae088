"""Logistic regression over tf-idf of words and pairs: what a network for texts has to beat."""

from collections.abc import Mapping

import numpy as np

from models.errors import WrongData
from models.evaluation import measure
from models.examples import Split
from models.inputs.texts import words_of

NAME = "logistic regression on tf-idf of words and pairs"

INVERSE_PENALTY = 100.0  # the best of 3, 10, 30 and 100 on the validation split of imdb


def rivals(splits: Mapping[str, Split], facts: Mapping) -> dict[str, dict[str, measure.Scores]]:
    """Fit on the training split and return the scores on validation and test, by the rival's name.

    Sublinear term frequency, inverse document frequency and unit length as in Manning, Raghavan and
    Schütze, Introduction to Information Retrieval, 2008, sections 6.2 to 6.4; a pair or a word
    counts that two texts hold.

    Args:
        splits: train, validation and test, as prepared.

    Raises:
        WrongData: no two texts of the training split have a word in common.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(
        tokenizer=words_of,
        lowercase=False,
        token_pattern=None,
        ngram_range=(1, 2),
        min_df=2,
        sublinear_tf=True,
        dtype=np.float32,
    )
    labels = splits["train"]["label"]
    try:
        tfidf = vectorizer.fit_transform(splits["train"]["text"])
    except ValueError as error:  # scikit-learn's own, which names its argument min_df
        raise WrongData("No two texts of the train split have a word in common.") from error
    model = LogisticRegression(C=INVERSE_PENALTY, tol=1e-6, max_iter=1000).fit(tfidf, labels)

    def probabilities(split: Split) -> np.ndarray:
        outputs = np.zeros((len(split["label"]), len(facts["labels"])))
        outputs[:, model.classes_] = model.predict_proba(vectorizer.transform(split["text"]))
        return outputs

    outputs = {name: probabilities(splits[name]) for name in ("validation", "test")}
    return {NAME: measure.score_probabilities(outputs, splits, facts)}
