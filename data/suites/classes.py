"""What is expected of labels, for pictures and texts alike."""

import unicodedata
from math import floor

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation

from data.classes import GROUPS, RARE, metric_of
from data.entries import ExpectClasses
from data.suites.table import Table, allow, between, expect, filled, percent

LISTED = 20  # of more labels the rest is counted
SWAPPED = "are text and label swapped under `columns:`?"


def classes(label: np.ndarray, labels: list[str], limits: ExpectClasses, entry: dict) -> Table:
    """The table of classes: each has rows, enough of them, and a name of its own.

    Args:
        label: str (rows,), None where there is none.
        labels: the classes that are allowed.
        limits: `expect:` of the entry.
        entry: of the dataset; where it lists the labels, names that look alike are meant.
    """
    rows = pd.Series(label).value_counts().reindex(labels, fill_value=0)
    frame = pd.DataFrame({"label": labels, "rows": rows.to_numpy()})
    frame["share"] = frame["rows"] / max(1, frame["rows"].sum())
    frame["name"] = labels if "labels" in entry else [_plain(label) for label in labels]
    even = 1 / max(1, len(labels))
    fewest = int(rows.min()) if labels else 0
    portion = floor(100 * frame["share"].min() / even) / 100 if labels else 0.0
    join = "add rows, or list the other classes as `labels:` with `on_bad_rows: drop`"
    few = SWAPPED if _a_class_a_row(label, labels) else join
    enough = f"each class has at least {limits.class_rows} rows"
    balanced = f"each class has at least {percent(limits.class_share)} of an even share"
    two = "there are at least two classes to tell apart"
    apart = f"no two classes differ by case or space alone{_shown(_pairs(labels))}"
    one = "make them one, or list all of them as `labels:` in its entry"
    named = "`labels:` names it" if "labels" in entry else ""
    expectations = [
        expect("TableRowCountToBeBetween", two, min_value=2),
        between("rows", "no class is missing", low=1, remedy=named),
        between(
            *("rows", enough),
            low=limits.class_rows,
            remedy=allow("class_rows", fewest) if fewest > 2 else few,
        ),
        between(
            *("share", balanced),
            low=limits.class_share * even,
            remedy=allow("class_share", portion) if portion else join,
        ),
        expect("ColumnValuesToBeUnique", apart, remedy=one, column="name"),
    ]
    if "metric" not in entry and (said := metric_of(rows.to_dict())):
        rare = "no class is rarer than one in ten"
        proposed = ", ".join(f"`{key}: {value}`" for key, value in said.items())
        tip = f"accuracy rewards who never names it: its entry may say {proposed}"
        expectations.append(between("share", rare, low=RARE, done=tip))
    return Table("classes", frame, ["label"], expectations)


def labelled(
    label: np.ndarray, labels: list[str], limits: ExpectClasses, rows: str
) -> list[Expectation]:
    """What is expected of the columns `label`, `digest` and `labels_of_digest`: declared labels,
    few doubles, no quarrels.

    Args:
        label: str (rows,), None where there is none.
        labels: the classes that are allowed.
        limits: `expect:` of the entry.
        rows: `pictures` or `texts`, as the rules name them.
    """
    more = f", … ({len(labels):,} in all)" if len(labels) > LISTED else ""
    among = f"labels are among {', '.join(labels[:LISTED])}{more}"
    others = sorted(set(pd.Series(label).dropna()) - set(labels))
    near = [pair for pair in _pairs([*labels, *others]) if pair not in _pairs(labels)]
    look_alike = f"by case or space alone differ {'; '.join(near[:3])}" if near else ""
    few = f"at most {percent(limits.doubles)} of the {rows} are doubles"
    agree = f"equal {rows} carry one label ({percent(1 - limits.contradictions)} of them)"
    done = "prepare keeps equal ones on one side of the split"
    unique = "ColumnValuesToBeUnique"
    repeated = SWAPPED if _a_class_a_row(label, labels) else allow("doubles")
    return [
        filled("label", "each row has a label"),
        expect(
            *("ColumnValuesToBeInSet", among),
            remedy=look_alike,
            column="label",
            value_set=labels,
        ),
        expect(unique, few, remedy=repeated, column="digest", mostly=1 - limits.doubles),
        between(
            *("labels_of_digest", agree),
            high=1,
            mostly=1 - limits.contradictions,
            remedy=allow("contradictions"),
        ),
        expect(unique, f"no two {rows} are equal", done, column="digest"),
    ]


def belonging(frame: pd.DataFrame, rows: str) -> list[Expectation]:
    """What is expected of the columns `key` and `group`, where the entry names them.

    Args:
        frame: one row for each picture or text.
        rows: their plural.
    """
    expectations = []
    if "key" in frame:
        done = "prepare keeps them on one side of the split"
        unique = expect("ColumnValuesToBeUnique", f"no two {rows} have one id", done, column="key")
        expectations += [filled("key", "each row has an id"), unique]
    if "group" in frame:
        several = f"the {rows} are of at least {GROUPS} groups"
        remedy = "with fewer leave `group:` out: no split of them says how a model does on new ones"
        kind = "ColumnUniqueValueCountToBeBetween"
        enough = expect(kind, several, remedy=remedy, column="group", min_value=GROUPS)
        expectations += [filled("group", "each row has a group"), enough]
    return expectations


def _a_class_a_row(label: np.ndarray, labels: list[str]) -> bool:
    return 2 * len(labels) > len(label) > 2


def _plain(label: str) -> str:
    """A label without regard to case, spaces, and signs that nobody sees."""
    seen = [
        sign for sign in unicodedata.normalize("NFKC", label) if unicodedata.category(sign) != "Cf"
    ]
    return " ".join("".join(seen).casefold().split())


def _pairs(labels: list[str]) -> list[str]:
    """Which labels look alike: `'Cat' and 'cat'`."""
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(_plain(label), []).append(label)
    return [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]


def _shown(pairs: list[str]) -> str:
    return f" ({'; '.join(pairs[:5])})" if pairs else ""
