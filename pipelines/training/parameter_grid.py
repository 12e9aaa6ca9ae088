"""The values of `--set`: one value of a parameter, several to try each, or a range to search in."""

import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.runtime.settings import UsageError

LOG_FACTOR = 10  # a range of numbers that spans more is searched by its logarithm


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included."""

    low: int | float
    high: int | float

    @property
    def logarithmic(self) -> bool:
        return 0 < self.low * LOG_FACTOR <= self.high


Choice = list | Range


def parsed(changes: Iterable[str]) -> dict[str, Choice]:
    """`["units=32,64", "dropout=0.1..0.5"]` → `{"units": [32, 64], "dropout": Range(0.1, 0.5)}`."""
    choices = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not (name and equals and text):
            raise UsageError(f"--set takes key=value, received {change!r}")
        if name in choices:
            raise UsageError(f"--set names {name} twice: list the values, {name}=a,b")
        choices[name] = _range(change, text) if ".." in text else _values(change, text)
    return choices


def grid(choices: Mapping[str, Choice]) -> list[dict]:
    """Every combination of the listed values: `{"units": [32, 64]}` → two dicts."""
    for name, choice in choices.items():
        if isinstance(choice, Range):
            raise UsageError(
                f"{name}={choice.low}..{choice.high} is a range: say how many trials to search it "
                f"with, --search N, or list the values, {name}={choice.low},{choice.high}"
            )
    lists = [choice for choice in choices.values() if not isinstance(choice, Range)]
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*lists)]


def ends(choices: Mapping[str, Choice]) -> list[dict]:
    """The combinations at the ends of the ranges: what to check before a search is begun."""
    return grid(
        {
            name: [choice.low, choice.high] if isinstance(choice, Range) else choice
            for name, choice in choices.items()
        }
    )


def _values(change: str, text: str) -> list:
    values = text.split(",")
    if not all(values):
        raise UsageError(f"--set {change} holds an empty value")
    return list(dict.fromkeys(_value(value) for value in values))


def _range(change: str, text: str) -> Range:
    low, high = (_value(end) for end in text.split("..", 1))
    if not {type(low), type(high)} <= {int, float} or not low < high:
        raise UsageError(f"--set {change} is no range: it takes a lower and a higher number")
    if type(low) is not type(high):
        low, high = float(low), float(high)
    return Range(low, high)


def _value(text: str) -> Any:
    # YAML would take 1e-4 for a word: it wants a point in it.
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return yaml.safe_load(text)
