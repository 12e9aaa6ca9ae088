"""How stamps are written, and how often a series is read, as its first rows tell."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.errors import DataError
from data.sources import conversion

DAY_FIRST = ["%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y"]
MONTH_FIRST = ["%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y", "%m-%d-%y"]
OTHERS = ["%Y/%m/%d", "%Y.%m.%d", "%Y %m %d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y"]
OTHERS += ["%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%m/%Y", "%m.%Y", "%m-%Y", "%b %Y", "%B %Y"]
DATES = [*DAY_FIRST, *MONTH_FIRST, *OTHERS, "%Y-%m-%d", "%y.%m.%d", "%y/%m/%d", "%y-%m-%d"]
CLOCKS = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M"]
CLOCKS += ["%H:%M%z", "%H:%M:%S%z", "%H:%M %z", "%H:%M:%S %z"]
DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
EPOCHS = {"s": (1e8, 4e9), "ms": (1e11, 4e12)}  # of 1973 to 2096
# One of those that change their clock at one instant; elsewhere the clock repeats another hour.
CLOCK_ZONES = ["Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York"]
CLOCK_ZONES += ["Australia/Sydney"]
SECOND_STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 360, 600, 900, 1200, 1800, 3600, 7200, 10800]
SECOND_STEPS += [14400, 21600, 28800, 43200, 86400, 604800]
DAY, MONTH = 86_400, 2_629_746
ROWS = 5_000  # that a form has to read before it is taken for one


Form = str | None  # None is ISO 8601


@dataclass
class Clock:
    """How stamps are read: settings of an entry, the instants, and what is to be said of it."""

    settings: dict[str, str]
    instants: np.ndarray
    in_utc: bool
    remarks: list[str]


def forms(column: pa.ChunkedArray) -> tuple[list[Form], list[Form]]:
    """The values of `time_format` that read the first rows of a column, and those that read the
    first of them.
    """
    first = column.slice(0, ROWS)
    if pa.types.is_timestamp(first.type) or pa.types.is_date(first.type):
        return [None], [None]
    try:
        words = conversion.stripped(conversion.words(first, "")).drop_null()
    except DataError:
        return [], []
    word = words[0].as_py() if len(words) else ""
    if not re.search(r"\d\d", word):
        return [], []
    if re.fullmatch(r"\d+([.]\d+)?", word):
        likely = _of_digits(word)
    else:
        likely = [None] if _reads(words.slice(0, 1), None) else _of_words(word)
    return [form for form in likely if _reads(words, form)], likely


def _of_digits(word: str) -> list[Form]:
    written: list[Form] = [form for length, form in DIGITS.items() if len(word) == length]
    written = [form for form in written if word.startswith(("19", "20"))]
    return written + [form for form, (low, high) in EPOCHS.items() if low <= float(word) <= high]


def _of_words(word: str) -> list[Form]:
    parts = re.fullmatch(r"(.*\d)(T| - |, | )(\d\d?[:.]\d\d.*)", word)
    if not parts:
        return [form for form in DATES if _matches(word, form)]
    date, between, clock = parts.groups()
    dates = [form for form in DATES if _matches(date, form)]
    clocks = [form for form in CLOCKS if _matches(clock, form)]
    return [f"{form}{between}{hour}" for form in dates for hour in clocks]


def _matches(word: str, form: str) -> bool:
    try:
        datetime.strptime(word, form)
    except ValueError:
        return False
    return True


def _reads(words: pa.ChunkedArray, form: Form) -> bool:
    try:
        conversion.times(words, "", form)
    except DataError:
        return False
    return True


def clock(column: pa.ChunkedArray, name: str, series: np.ndarray, possible: list[Form]) -> Clock:
    """How the stamps of a column are read.

    Where day, month and year may stand in another order, it is the one in which time runs on, and
    not from year to year where it may run from day to day.

    Args:
        column: of stamps.
        name: of the column.
        series: to which series each row belongs, (rows,).
        possible: what `forms` gave.

    Raises:
        DataError: a row below the first ones is not written so.
    """
    read = [(form, conversion.times(column, name, form)) for form in possible]
    form, stamps = min(read, key=lambda one: _turns(one[1], series))
    settings = {"time_format": form} if form else {}
    unit = {"s": "seconds since 1970", "ms": "milliseconds since 1970"}
    remarks = [f"times are read as {unit.get(form, form)}"] if form else []
    others = [other for other, _ in read if other != form]
    if others:
        remarks = [f"times are read as {form}, not as {others[0]}: `time_format` says another"]
    if zone := _zone(stamps, name, series):
        settings["time_zone"] = zone
        remarks.append(
            f"an hour is there twice, as on the clock of {zone} in autumn: `time_zone` says another"
        )
    elif stamps.dt.tz is not None and form not in EPOCHS:
        remarks.append("times have a zone: they become UTC")
    instants = conversion.in_utc(stamps, name, zone, series)
    return Clock(settings, instants, bool(zone or stamps.dt.tz), remarks)


def _turns(stamps: pd.Series, series: np.ndarray) -> tuple[int, bool]:
    """How often time runs back, or forward in a file that has the newest first; and whether most
    steps are of years."""
    steps = stamps.groupby(series, sort=False).diff().dt.total_seconds()
    turns = int(min((steps < 0).sum(), (steps > 0).sum()))
    return turns, bool(steps.abs().median() > 300 * DAY)


def _zone(stamps: pd.Series, name: str, series: np.ndarray) -> str | None:
    """The zone whose clock explains why an hour is there twice."""
    if stamps.dt.tz is not None or (turns := _repeated(stamps, series)) == 0:
        return None
    if turns > max(10, len(stamps) // 100):  # not a few days a year
        return None
    for zone in CLOCK_ZONES:
        try:
            instants = pd.Series(conversion.in_utc(stamps, name, zone, series))
        except DataError:
            continue
        if _repeated(instants, series) == 0:
            return zone
    return None


def _repeated(stamps: pd.Series, series: np.ndarray) -> int:
    return int(pd.DataFrame({"time": stamps, "series": series}).duplicated().sum())


def rhythm(instants: np.ndarray, series: np.ndarray, whole: bool) -> tuple[dict[str, Any], list]:
    """interval, history, horizon, season, and grid and fill where they are needed; remarks.

    Raises:
        DataError: time does not run on.
    """
    frame = pd.DataFrame({"time": instants, "series": series}).dropna()
    if (doubles := frame.duplicated().mean()) > 0.2:
        raise DataError(
            f"{doubles:.0%} of the times are there more than once: say --series where there are"
            " several series, or join date and time of day in one column"
        )
    frame = frame.drop_duplicates().sort_values(["series", "time"])
    steps = frame.groupby("series", sort=False)["time"].diff().dt.total_seconds().dropna()
    if not len(steps):
        raise DataError("no series has two readings at different times: expected a column of times")
    longest = int(frame.groupby("series").size().max())
    lengths = _of_steps(steps, pd.DatetimeIndex(frame["time"]))
    remarks = [f"a reading comes every {lengths['interval']:,} s"]
    if lengths.get("grid") == "rows":
        remarks = ["readings follow the calendar: each row is one step"]
    elif (missed := (steps > 1.5 * lengths["interval"]).mean()) > 0.005:
        lengths["fill"] = max(900, lengths["interval"] * 3)
        remarks.append(f"{missed:.1%} of the readings come late: up to three are filled in")
    window = longest // 10  # the gate asks for ten of them
    if whole and window < lengths["history"] + lengths["horizon"]:
        lengths["horizon"] = max(1, min(lengths["horizon"], window // 5))
        lengths["history"] = max(1, window - lengths["horizon"])
        remarks.append(
            f"history and horizon are short: the longest series has {longest:,} readings"
        )
    return lengths, remarks


def _of_steps(steps: pd.Series, time: pd.DatetimeIndex) -> dict[str, Any]:
    low, median, high = steps.quantile([0.4, 0.5, 0.6])
    days = median / DAY
    for least, most, season, months in ((27, 32, 12, 1), (88, 93, 4, 3), (364, 367, 1, 12)):
        if least <= days <= most:
            history = max(2 * season, 8)
            interval = MONTH * months
            return _lengths(interval, history, max(1, season // 2), season) | {"grid": "rows"}
    interval = min(SECOND_STEPS, key=lambda step: abs(step - median))
    # a round number is meant where the steps lie closely around it
    if not low <= interval <= high or abs(interval - median) > 0.05 * interval:
        interval = max(1, round(median))
    if interval == DAY and not (time.day_of_week >= 5).any() and len(time) > 20:
        return _lengths(DAY, 60, 5, 5) | {"grid": "rows"}
    if interval == DAY:
        return _lengths(DAY, 28, 7, 7)
    if interval > DAY:
        return _lengths(interval, 52, 4, 52 if interval == 7 * DAY else 1)
    season = max(1, round(DAY / interval))
    return _lengths(interval, min(max(2 * season, 12), 96), min(season, 12), season)


def _lengths(interval: int, history: int, horizon: int, season: int) -> dict[str, Any]:
    return {"interval": interval, "history": history, "horizon": horizon, "season": season}
