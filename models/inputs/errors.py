"""Why a raw input cannot be answered, in words that are fit for a client."""

import difflib
from collections.abc import Iterable
from typing import Any

NUMBERS = (int, float)  # the types of numbers in JSON: true is none, though Python takes it for 1


class InputError(ValueError):
    """What was sent cannot be answered; `message` says why in one sentence, fit for the client.

    The message never repeats more than a short ASCII form of what was sent.
    """

    def __init__(self, code: str, message: str):
        super().__init__(code, message)  # from which another process builds it anew
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


def shown(value: Any) -> str:
    """Describe what was received: short, ASCII, and safe to print whatever it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**15:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return ascii(value if len(value) <= 40 else value[:40] + "...")
    kinds: dict[type, str] = {dict: "an object", list: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return ` (did you mean 'text'?)` where one of `names` is close to `name`, else nothing.

    It stands behind the name that was received. The whole product uses it, except for `data/`,
    which imports no other room.
    """
    # A name may have megabytes.
    close = difflib.get_close_matches(str(name)[:40], names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
