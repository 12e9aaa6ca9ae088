"""The parts of a suite: tables of plain columns, each with its expectations.

An expectation's rule is a phrase that the report repeats. One without `done` is critical and
refuses the dataset, and `remedy` says what to do about that; with it, it is a finding, and `done`
says what is done about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations import Expectation

SHARE = "SHARE"  # in a remedy, for how much of the rows is so


@dataclass
class Table:
    """One row for each picture, text, …: `name` is their plural, `key` names one of them.

    A table with an `id` is of the dataset's rows: one that breaks a rule without exceptions may be
    set aside (`row_rules`).
    """

    name: str
    frame: pd.DataFrame
    key: list[str]
    expectations: Sequence[Expectation]

    def row_rules(self) -> list[Expectation]:
        """The critical expectations that every row has to meet."""
        critical = [one for one in self.expectations if one.severity == "critical"]
        every = [one for one in critical if getattr(one, "mostly", None) == 1]
        return every if "id" in self.key else []


def percent(share: float) -> str:
    """A share in words: `5%`, `0.5%`."""
    return f"{round(100 * share, 3):g}%"


def allow(setting: str, value: object = SHARE) -> str:
    """The remedy that lets a dataset pass: a key of `expect:`, and its value."""
    return f"`expect: {{{setting}: {value}}}` in its entry allows it"


def expect(kind: str, rule: str, done: str = "", remedy: str = "", **arguments: Any) -> Expectation:
    """An expectation of Great Expectations.

    Args:
        kind: its class, without the leading `Expect`.
        rule: a phrase that the report repeats.
        done: of a finding, what is done about it.
        remedy: what to do where it is not met.
        arguments: those of the class.
    """
    more = {"severity": "warning", "notes": done} if done else {"meta": {"remedy": remedy}}
    return getattr(gxe, f"Expect{kind}")(description=rule, **more, **arguments)


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
        arguments: `remedy`, `mostly`, `strict_min`.
    """
    limits = dict(min_value=low, max_value=high, **arguments)
    return expect("ColumnValuesToBeBetween", rule, done, column=column, **limits)


def filled(column: str, rule: str) -> Expectation:
    """No value of a column is missing."""
    return expect("ColumnValuesToNotBeNull", rule, column=column)


def at_least(count: int, rows: str, present: int) -> Expectation:
    """There are so many rows; `rows` is their plural."""
    rule = f"there are at least {count} {rows}"
    remedy = f"add some, or {allow('rows', present)}"
    return expect("TableRowCountToBeBetween", rule, remedy=remedy, min_value=count)
