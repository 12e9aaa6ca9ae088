"""When the values of a forecast fall: the time of the last value known, and steps after it."""

from datetime import datetime, timedelta

from models.inputs.errors import shown
from serving.http.errors import Problem
from serving.inference.pointer import Described

EXAMPLE = "2026-11-29T13:00:00+01:00"


class Steps:
    """Times at the interval of a model's data; raises Problem 422.

    Args:
        time: Of the last value, in ISO 8601. Its offset from UTC is kept; without one, none is.
        data: What is known of the model's data.
    """

    def __init__(self, time: str, data: Described | None):
        if data is None or data.interval is None:
            message = (
                "This model's data has no fixed interval, so no times can be given: leave time out."
            )
            raise Problem(422, "no_interval", message)
        try:
            self.last = datetime.fromisoformat(time)
        except ValueError:
            raise _invalid(time) from None
        self.time, self.interval = time, timedelta(seconds=data.interval)

    def after(self, count: int) -> list[str]:
        """Return the times of so many steps."""
        try:
            return [(self.last + step * self.interval).isoformat() for step in range(1, count + 1)]
        except OverflowError:
            raise _invalid(self.time) from None


def _invalid(time: str) -> Problem:
    message = f'time must be a date and time in ISO 8601, such as "{EXAMPLE}", not {shown(time)}.'
    return Problem(422, "invalid_time", message)
