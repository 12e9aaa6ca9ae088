"""What a suite is made of: tables of plain columns, each with what is expected of it.

An expectation's `description` is its rule, a phrase that the report repeats. One of severity
"critical", the default, refuses the dataset; of severity "warning" it is a finding, and its
`notes` say what is done about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation


@dataclass
class Table:
    """One row for each thing looked at: `name` is their plural, `key` names one of them."""

    name: str
    frame: pd.DataFrame
    key: list[str]
    expectations: list[Expectation]


def finding(kind: type[Expectation], rule: str, done: str, **arguments) -> Expectation:
    """An expectation that is reported, with what is done about it, and refuses nothing."""
    return kind(description=rule, notes=done, severity="warning", **arguments)
