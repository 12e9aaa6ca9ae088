"""What is expected of labels, for pictures and texts alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.suites.table import Table, between, expect, filled

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

FEWEST_ROWS = 10  # of a class: 6 to learn from, 2 to choose by, 2 to test on
SMALLEST_SHARE = 0.1  # of an even share


def classes(label: np.ndarray, labels: list[str]) -> Table:
    """The table of classes: each has rows, and enough of them.

    label: str (rows,), None where there is none; labels: the classes that are allowed.
    """
    import pandas as pd

    rows = [int((label == name).sum()) for name in labels]
    frame = pd.DataFrame({"label": labels, "rows": rows})
    frame["share"] = frame["rows"] / max(1, sum(rows))
    least = SMALLEST_SHARE / max(1, len(labels))
    expectations = [
        expect(
            "TableRowCountToBeBetween", "there are at least two classes to tell apart", min_value=2
        ),
        between("rows", "no class is missing", low=1),
        between("rows", f"each class has at least {FEWEST_ROWS} rows", low=FEWEST_ROWS),
        between(
            "share", f"each class has at least {SMALLEST_SHARE:.0%} of an even share", low=least
        ),
    ]
    return Table("classes", frame, ["label"], expectations)


def labelled(labels: list[str]) -> list[Expectation]:
    """What is expected of the column `label` of pictures or texts."""
    rule = f"labels are among {', '.join(labels)}"
    return [
        filled("label", "each row has a label"),
        expect("ColumnValuesToBeInSet", rule, column="label", value_set=labels),
    ]


def duplicates(rows: str) -> list[Expectation]:
    """What is expected of the columns `digest` and `labels_of_digest`: few doubles, no quarrels.

    rows: `pictures` or `texts`, as the rules name them.
    """
    unique, agree = "ColumnValuesToBeUnique", f"equal {rows} carry one label (99% of them)"
    few, done = (
        f"at most 5% of the {rows} are doubles",
        "prepare keeps equal ones on one side of the split",
    )
    return [
        expect(unique, few, column="digest", mostly=0.95),
        between("labels_of_digest", agree, high=1, mostly=0.99),
        expect(unique, f"no two {rows} are equal", done, column="digest"),
    ]
