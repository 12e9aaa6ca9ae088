"""The parts of a suite: tables of plain columns, each with its expectations.

An expectation's rule is a phrase that the report repeats. One without `done` is critical and
refuses the dataset; with it, it is a finding, and `done` says what is done about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations import Expectation


@dataclass
class Table:
    """One row for each picture, text, …: `name` is their plural, `key` names one of them."""

    name: str
    frame: pd.DataFrame
    key: list[str]
    expectations: Sequence[Expectation]


def expect(kind: str, rule: str, done: str = "", **arguments: Any) -> Expectation:
    """An expectation of Great Expectations.

    Args:
        kind: its class, without the leading `Expect`.
        rule: a phrase that the report repeats.
        done: of a finding, what is done about it.
        arguments: those of the class.
    """
    finding = {"severity": "warning", "notes": done} if done else {}
    return getattr(gxe, f"Expect{kind}")(description=rule, **finding, **arguments)


def between(
    column: str,
    rule: str,
    low: float | None = None,
    high: float | None = None,
    done: str = "",
    **arguments: Any,
) -> Expectation:
    """Values of a column lie between two limits, of which one may be open.

    Args:
        column: of the table.
        rule: see `expect`.
        low: the least value allowed.
        high: the greatest value allowed.
        done: see `expect`.
        arguments: `mostly`, `strict_min`.
    """
    limits = {"min_value": low, "max_value": high}
    return expect("ColumnValuesToBeBetween", rule, done, column=column, **limits, **arguments)


def filled(column: str, rule: str) -> Expectation:
    """No value of a column is missing."""
    return expect("ColumnValuesToNotBeNull", rule, column=column)
