"""What can be wrong with data, each with a message that names what was received and what to do."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot be read, declared or stored as asked; the message is one plain sentence."""


class GateRefused(DataError):
    """The validate stage ran and said no; data/reports/NAME holds its report."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """` (did you mean 'imdb'?)` when one of the names is close to `name`, else nothing."""
    close = difflib.get_close_matches(name, map(str, names), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
