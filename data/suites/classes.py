"""What is expected of labels, for pictures and texts alike."""

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation

from data.suites.table import Table, between, expect, filled

FEWEST_ROWS = 10  # of a class: 6 to learn from, 2 to choose by, 2 to test on
SMALLEST_SHARE = 0.1  # of an even share


def classes(label: np.ndarray, labels: list[str]) -> Table:
    """The table of classes: each has rows, and enough of them.

    label: str (rows,), None where there is none; labels: the classes that are allowed.
    """
    rows = pd.Series(label).value_counts().reindex(labels, fill_value=0)
    frame = pd.DataFrame({"label": labels, "rows": rows.to_numpy()})
    frame["share"] = frame["rows"] / max(1, frame["rows"].sum())
    least = SMALLEST_SHARE / max(1, len(labels))
    two = "there are at least two classes to tell apart"
    even = f"each class has at least {SMALLEST_SHARE:.0%} of an even share"
    expectations = [
        expect("TableRowCountToBeBetween", two, min_value=2),
        between("rows", "no class is missing", low=1),
        between("rows", f"each class has at least {FEWEST_ROWS} rows", low=FEWEST_ROWS),
        between("share", even, low=least),
    ]
    return Table("classes", frame, ["label"], expectations)


def labelled(labels: list[str], rows: str) -> list[Expectation]:
    """What is expected of the columns `label`, `digest` and `labels_of_digest`: declared labels,
    few doubles, no quarrels.

    labels: the classes that are allowed; rows: `pictures` or `texts`, as the rules name them.
    """
    among = f"labels are among {', '.join(labels)}"
    few = f"at most 5% of the {rows} are doubles"
    agree = f"equal {rows} carry one label (99% of them)"
    done = "prepare keeps equal ones on one side of the split"
    unique = "ColumnValuesToBeUnique"
    return [
        filled("label", "each row has a label"),
        expect("ColumnValuesToBeInSet", among, column="label", value_set=labels),
        expect(unique, few, column="digest", mostly=0.95),
        between("labels_of_digest", agree, high=1, mostly=0.99),
        expect(unique, f"no two {rows} are equal", done, column="digest"),
    ]
