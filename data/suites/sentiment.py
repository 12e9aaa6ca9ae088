"""What is expected of labelled texts, in any language: words in them, few doubles, balance."""

import re
from collections.abc import Iterable
from math import ceil

import pandas as pd
from great_expectations.expectations import Expectation

from data import declared
from data.classes import digests, draw
from data.entries import ExpectTexts
from data.stored import Dataset
from data.suites.classes import belonging, classes, labelled
from data.suites.splits import of_classes
from data.suites.table import Table, allow, at_least, between, expect, filled, percent
from data.words import TAG, words_of

LONGEST = 200_000  # characters; what a request may have, in models/inputs/texts.py
LETTERS = "letters and digits to at least 40%"
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `texts`, with what can be counted without knowing the language, `classes`, and
    `validation`, what the training texts teach of its words.
    """
    frame, limits = statistics(raw), ExpectTexts(**entry.get("expect", {}))
    label, labels = frame["label"].to_numpy(), raw.facts["labels"]
    expectations = [
        at_least(limits.rows, "texts", len(frame)),
        *written(limits),
        *clean(limits),
        *labelled(label, labels, limits, "texts"),
        *belonging(frame, "texts"),
    ]
    return [
        Table("texts", frame, ["id"], expectations),
        classes(label, labels, limits, entry),
        of_classes(frame, labels),
        validation(frame, limits),
    ]


def statistics(raw: Dataset) -> pd.DataFrame:
    """One row for each text: id, label, text, length (characters, outer white space aside), words,
    letters (share of letters and digits among what is not white space), variety (different
    characters, of the 8 that a text of some length surely has), markup and broken (how many tags,
    control or replacement characters), digest, labels_of_digest.
    """
    frame = pd.DataFrame(raw.splits["rows"])
    texts = frame["text"].fillna("").astype(str)
    frame["length"] = texts.str.strip().str.len()
    frame["words"] = [len(words_of(text)) for text in texts]
    # A text has few different characters: to count each is many times faster than to match all.
    alphabets = [set(text) for text in texts]
    counted = list(zip(texts, alphabets, strict=True))
    blank = [_count(text, filter(str.isspace, alphabet)) for text, alphabet in counted]
    letters = [_count(text, filter(str.isalnum, alphabet)) for text, alphabet in counted]
    frame["letters"] = letters / (texts.str.len() - blank).clip(lower=1)
    frame["variety"] = [len(alphabet) / max(1, min(len(text), 8)) for text, alphabet in counted]
    frame["markup"] = texts.str.count(TAG)
    frame["broken"] = [_count(text, filter(_BROKEN.match, alphabet)) for text, alphabet in counted]
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


def validation(texts: pd.DataFrame, limits: ExpectTexts) -> Table:
    """The table of one row that tells how much of the validation split, as prepare will draw it,
    are words that no training text has: of those a model learns nothing.

    texts: as `statistics` gives them.
    """
    shares, words = declared.shares("classes"), texts["text"].fillna("").astype(str).map(words_of)
    labels = texts["label"].fillna("").astype(str)
    rows = draw(labels.to_numpy(), texts["digest"].to_numpy(), shares)
    known = set().union(*words.iloc[rows["train"]])
    new = [word not in known for own in words.iloc[rows["validation"]] for word in own]
    frame = pd.DataFrame([{"words": len(new), "unknown": sum(new)}])
    frame["share"] = share = sum(new) / max(1, len(new))
    few = f"at most {percent(limits.unknown)} of the words to validate on are in no training text"
    expectation = expect(
        *("ColumnMaxToBeBetween", few),
        remedy=f"are there spaces between the words? {allow('unknown', ceil(100 * share) / 100)}",
        column="share",
        max_value=limits.unknown,
    )
    return Table("validation", frame, [], [expectation])
