"""What can be wrong with data, each with a message that names what was received and what to do."""

import difflib


class DataError(ValueError):
    """Data that cannot be read, declared or stored as asked; the message is one plain sentence."""


class GateRefused(DataError):
    """The validate stage ran and said no; `report` is what it wrote to validation.json."""

    def __init__(self, report: dict, message: str):
        super().__init__(message)
        self.report = report


def nearest(name: str, known: list[str]) -> str:
    """` (did you mean 'imdb'?)` when a known name is close to the one received, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
