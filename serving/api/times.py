"""When the values of a forecast fall: the time of the last value known, and steps after it."""

from datetime import UTC, datetime, timedelta

from models.inputs.errors import shown
from serving.http.errors import Problem
from serving.inference.pointer import Described
from serving.request_log.records import NamedSeries

EXAMPLE = "2026-11-29T13:00:00+01:00"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    def named(self, series: str) -> NamedSeries:
        """Return which series its request is of; a time without an offset is taken as UTC."""
        last = self.last if self.last.tzinfo else self.last.replace(tzinfo=UTC)
        since, microsecond = last - EPOCH, timedelta(microseconds=1)
        return NamedSeries(series, since // microsecond, self.interval // microsecond)

    def after(self, count: int) -> list[str]:
        """Return the times of so many steps."""
        try:
            return [(self.last + step * self.interval).isoformat() for step in range(1, count + 1)]
        except OverflowError:
            raise _invalid(self.time) from None


def _invalid(time: str) -> Problem:
    message = f'time must be a date and time in ISO 8601, such as "{EXAMPLE}", not {shown(time)}.'
    return Problem(422, "invalid_time", message)
