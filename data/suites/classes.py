"""What is expected of labels, for pictures and texts alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.suites.table import Table

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

FEWEST_ROWS = 10  # of a class: 6 to learn from, 2 to choose by, 2 to test on
SMALLEST_SHARE = 0.1  # of an even share


def classes(label: np.ndarray, labels: list[str]) -> Table:
    """The table of classes: each has rows, and enough of them.

    label: str (rows,), None where there is none; labels: the classes that are allowed.
    """
    import great_expectations.expectations as gxe
    import pandas as pd

    rows = [int((label == name).sum()) for name in labels]
    frame = pd.DataFrame({"label": labels, "rows": rows})
    frame["share"] = frame["rows"] / max(1, sum(rows))
    expectations = [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=2, description="there are at least two classes to tell apart"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="rows", min_value=1, description="no class is missing"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="rows",
            min_value=FEWEST_ROWS,
            description=f"each class has at least {FEWEST_ROWS} rows",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share",
            min_value=SMALLEST_SHARE / max(1, len(labels)),
            description=f"each class has at least {SMALLEST_SHARE:.0%} of an even share",
        ),
    ]
    return Table("classes", frame, ["label"], expectations)


def labelled(labels: list[str]) -> list[Expectation]:
    """What is expected of the column `label` of pictures or texts."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToNotBeNull(column="label", description="each row has a label"),
        gxe.ExpectColumnValuesToBeInSet(
            column="label", value_set=labels, description=f"labels are among {', '.join(labels)}"
        ),
    ]


def duplicates(things: str) -> list[Expectation]:
    """What is expected of the columns `digest` and `labels_of_digest`: few doubles, no quarrels."""
    import great_expectations.expectations as gxe

    from data.suites.table import finding

    return [
        gxe.ExpectColumnValuesToBeUnique(
            column="digest", mostly=0.95, description=f"at most 5% of the {things} are doubles"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="labels_of_digest",
            max_value=1,
            mostly=0.99,
            description=f"equal {things} carry one label (99% of them)",
        ),
        finding(
            gxe.ExpectColumnValuesToBeUnique,
            rule=f"no two {things} are equal",
            done="prepare keeps equal ones on one side of the split",
            column="digest",
        ),
    ]
