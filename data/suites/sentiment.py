"""What is expected of labelled texts, in any language: words in them, few doubles, balance."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain

import pandas as pd
from great_expectations.expectations import Expectation

from data.classes import digests
from data.entries import ExpectTexts
from data.stored import Dataset
from data.suites.classes import belonging, classes, labelled
from data.suites.table import Table, allow, at_least, between, expect, filled, percent

LONGEST = 200_000  # characters; what a request may have, in models/inputs/texts.py
LETTERS = "letters and digits to at least 40%"
_MARKUP = re.compile(r"</?[a-zA-Z!][^<>]*>")
_UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{8}")
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `texts`, with what can be counted without knowing the language, and `classes`."""
    frame, limits = statistics(raw), ExpectTexts(**entry.get("expect", {}))
    label, labels = frame["label"].to_numpy(), raw.facts["labels"]
    expectations = [
        at_least(limits.rows, "texts", len(frame)),
        *written(limits),
        *clean(limits),
        *learnable(),
        *labelled(label, labels, limits, "texts"),
        *belonging(frame, "texts"),
    ]
    return [
        Table("texts", frame, ["id"], expectations),
        classes(label, labels, limits, "labels" in entry),
    ]


def statistics(raw: Dataset) -> pd.DataFrame:
    """One row for each text: id, label, text, length (characters, outer white space aside), words,
    letters (share of letters and digits among what is not white space), variety (different
    characters, of the 8 that a text of some length surely has), markup and broken (how many tags,
    control or replacement characters), shared (how many of its first words another text has, too),
    unspaced (whether a script without spaces goes on and on), digest, labels_of_digest.
    """
    frame = pd.DataFrame(raw.splits["rows"])
    texts = frame["text"].fillna("").astype(str)
    frame["length"] = texts.str.strip().str.len()
    frame["words"] = [len(text.split()) for text in texts]
    # A text has few different characters: to count each is many times faster than to match all.
    alphabets = [set(text) for text in texts]
    counted = list(zip(texts, alphabets, strict=True))
    blank = [_count(text, filter(str.isspace, alphabet)) for text, alphabet in counted]
    letters = [_count(text, filter(str.isalnum, alphabet)) for text, alphabet in counted]
    frame["letters"] = letters / (texts.str.len() - blank).clip(lower=1)
    frame["variety"] = [len(alphabet) / max(1, min(len(text), 8)) for text, alphabet in counted]
    frame["markup"] = texts.str.count(_MARKUP)
    frame["broken"] = [_count(text, filter(_BROKEN.match, alphabet)) for text, alphabet in counted]
    words = [set(text.casefold().split()) for text in texts.str[:200]]  # a review: 6 s for all
    texts_of = Counter(chain.from_iterable(words))
    frame["shared"] = [sum(texts_of[word] > 1 for word in own) for own in words]
    frame["unspaced"] = texts.str.count(_UNSPACED)
    frame["digest"] = digests(texts)
    frame["labels_of_digest"] = frame.groupby("digest")["label"].transform("nunique")
    return frame


def _count(text: str, characters: Iterable[str]) -> int:
    return sum(map(text.count, characters))


def written(limits: ExpectTexts) -> list[Expectation]:
    """Every row holds a text of a length that can be read, and signs of junk, in any language, are
    few.
    """
    columns = ["id", "text", "label"]
    present = "there are the columns id, text and label"
    most = f"{percent(1 - limits.few_letters)} of the texts are {LETTERS}"
    varied = (
        f"{percent(1 - limits.repetitive)} of the texts are more than a few characters repeated"
    )
    junk = f"rows of little but signs stay in; above {percent(limits.few_letters)} they are refused"
    return [
        expect("TableColumnsToMatchSet", present, column_set=columns, exact_match=False),
        filled("text", "each row has a text"),
        between("length", "no text is empty", low=1),
        between("length", f"no text has more than {LONGEST:,} characters", high=LONGEST),
        between(
            *("letters", most),
            low=0.4,
            mostly=1 - limits.few_letters,
            remedy=allow("few_letters"),
        ),
        between("letters", f"each text is {LETTERS}", low=0.4, done=junk),
        between(
            *("variety", varied),
            low=0.5,
            mostly=1 - limits.repetitive,
            remedy=allow("repetitive"),
        ),
    ]


def clean(limits: ExpectTexts) -> list[Expectation]:
    """Traces of how the texts were stored: counted, and refused when they are everywhere."""
    free = "texts are free of control and replacement characters"
    kept = "they stay in the raw text, like any other character"
    dropped = "raw text stays raw; the tokenizer drops tags, in training and serving alike"
    return [
        between(
            *("broken", f"{percent(1 - limits.broken)} of the {free}"),
            high=0,
            mostly=1 - limits.broken,
            remedy=f"what is `encoding:` of the file? {allow('broken')}",
        ),
        between("broken", free, high=0, done=kept),
        between("markup", "texts are free of markup such as <br />", high=0, done=dropped),
    ]


def learnable() -> list[Expectation]:
    """Words recur from text to text: nothing can be learned of one that no other text has."""
    recur = "most texts have a word that another one has, too"
    apart = "most texts have spaces between their words"
    unseen = "a model learns from words that recur, and finds none here"
    segment = "a sentence without spaces is one word to a model: put spaces between the words"
    return [
        between("shared", recur, low=1, mostly=0.5, done=unseen),
        between("unspaced", apart, high=0, mostly=0.5, done=segment),
    ]
