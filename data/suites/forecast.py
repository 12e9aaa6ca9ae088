"""What is expected of series: numbers in range, time that runs forward, a known interval."""

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation

from data.entries import ExpectReadings
from data.stored import Dataset
from data.suites.table import Table, allow, between, expect, filled, percent

LARGEST = 1e12
HOUR = 3600
MONTH = 28 * 86_400, 31 * 86_400  # seconds
ROWS = "`grid: rows` in its entry takes each row as one step"


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `readings`, with the step since the one before, and `series`."""
    limits = ExpectReadings(**entry.get("expect", {}))
    frame = steps(raw, entry["interval"])
    on_clock = entry["grid"] == "clock"
    expectations = [
        *numbers(entry.get("range")),
        *forward(limits),
        *(regular(frame["step"], entry, limits) if on_clock else []),
    ]
    key = ["id", "time"] if frame["series"].nunique() == 1 else ["id", "time", "series"]
    readings = frame.assign(time=frame["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    return [Table("readings", readings, key, expectations), series(frame, entry, limits)]


def steps(raw: Dataset, interval: int) -> pd.DataFrame:
    """One row for each reading, in the order of the source: id, time, value, series (missing where
    its name is empty), and in seconds since (the reading in the row before of the same series),
    step (the reading before in time), missed (how much longer than `interval`) and beside (how far
    from a multiple of it).
    """
    frame = pd.DataFrame(raw.splits["rows"])
    frame["series"] = frame["series"].where(frame["series"].astype(str).str.strip() != "")
    frame["since"] = _since_before(frame)
    frame["step"] = _since_before(frame.sort_values("time", kind="stable"))
    frame["missed"] = frame["step"] - interval
    frame["beside"] = (frame["step"] - interval * (frame["step"] / interval).round()).abs()
    return frame


def _since_before(readings: pd.DataFrame) -> pd.Series:
    return readings.groupby("series")["time"].diff().dt.total_seconds()


def numbers(limits: tuple[float, float] | None) -> list[Expectation]:
    """Every reading has a time and a finite value in the declared range."""
    low, high = limits or (-LARGEST, LARGEST)
    default = "" if limits else "without `range: [lowest, highest]` in its entry this is the limit"
    columns = ["id", "time", "value", "series"]
    present = f"there are the columns {', '.join(columns)}"
    number = {"column": "value", "type_": "float64"}
    inside = f"values lie between {low:g} and {high:g}"
    return [
        expect("TableColumnsToMatchSet", present, column_set=columns, exact_match=False),
        expect("ColumnValuesToBeOfType", "values are numbers", **number),
        filled("time", "each reading has a time"),
        filled("series", "each reading belongs to a series"),
        filled("value", "each reading has a value (no NaN)"),
        between("value", inside, low, high, remedy=default),
    ]


def forward(limits: ExpectReadings) -> list[Expectation]:
    """Stamps stand still in a hundredth of the readings at most; rows in another order are put in
    that of time.
    """
    later = f"{percent(1 - limits.repeated_times)} of the time stamps are later than the one before"
    several = "of several series in one file, name the column as `series:` under `columns:`"
    sorted_, sorts = "rows are sorted by time", "prepare sorts them"
    twice, first = "no time stamp occurs twice", "prepare keeps the first reading of a stamp"
    return [
        between(
            *("step", later),
            low=0,
            strict_min=True,
            mostly=1 - limits.repeated_times,
            remedy=f"{several}; {allow('repeated_times')}",
        ),
        between("since", sorted_, low=0, done=sorts),
        between("step", twice, low=0, strict_min=True, done=first),
    ]


def regular(step: pd.Series, entry: dict, limits: ExpectReadings) -> list[Expectation]:
    """The sampling interval is the declared one, give or take jitter and some holes.

    step: seconds since the reading before (readings,).
    """
    interval, fill = entry["interval"], entry["fill"]
    jitter = interval / 10
    low, high = interval - jitter, interval + jitter
    declared = f"the median step is the declared interval of {interval:g} s"
    multiples = f"steps are whole multiples of {interval:g} s"
    followed = f"readings follow without a hole of more than {fill:g} s"
    hole = f"no reading is missing between two others for more than {fill:g} s"
    snapped = "prepare snaps each reading to the nearest point of the regular grid"
    kept = (
        "such holes are not filled, and no window spans one; shorter ones carry the last value "
        "forward, for histories only"
    )
    return [
        expect(
            *("ColumnMedianToBeBetween", declared),
            remedy=_calendar(step) or f"is `interval:` {max(step.median(), 1):.0f} s?",
            column="step",
            min_value=low,
            max_value=high,
        ),
        between(
            *("beside", f"{percent(1 - limits.off_grid)} of the {multiples}"),
            high=jitter,
            mostly=1 - limits.off_grid,
            remedy=_calendar(step) or f"{ROWS}; {allow('off_grid')}",
        ),
        between(
            *("missed", f"{percent(1 - limits.holes)} of the {followed}"),
            high=fill,
            mostly=1 - limits.holes,
            remedy=_calendar(step)
            or f"a longer `fill:` carries the last value over holes; {ROWS}; {allow('holes')}",
        ),
        between("beside", multiples, high=jitter, done=snapped),
        between("missed", hole, high=fill, done=kept),
    ]


def _calendar(step: pd.Series) -> str:
    """The remedy where steps are calendar months, quarters or years, which no clock keeps."""
    months = (step / (sum(MONTH) / 2)).round()
    inside = step.between(months * MONTH[0], months * MONTH[1])
    if inside.mean() < 0.9 or step.median() < MONTH[0]:
        return ""
    return f"these are calendar months: {ROWS}"


def series(readings: pd.DataFrame, entry: dict, limits: ExpectReadings) -> Table:
    """The table of series: one at least is long enough to be kept, learned from and tested on, none
    is flat, none runs back into what was read already.

    readings: as `steps` gives them.
    """
    finite = readings.assign(value=readings["value"].where(np.isfinite(readings["value"])))
    finite["repeats"] = _runs_back(readings, entry["interval"])
    by_name = finite.groupby("series", as_index=False)
    frame = by_name.agg(rows=("value", "size"), spread=("value", "std"), repeats=("repeats", "sum"))
    frame["spread"] = frame["spread"].fillna(0.0)  # of one reading
    least, tiny = entry["min_rows"], float(np.finfo(np.float32).tiny)
    window = entry["history"] + entry["horizon"]
    enough = max(limits.windows * window, least)
    windows = frame["rows"].max() // window if len(frame) else 0
    shorter = "a shorter `history:` or `horizon:`"
    long = f"a series has at least {enough:,} readings: {limits.windows} windows, and `min_rows`"
    flat = "no series is one value all along"
    few_flat = f"at most {percent(limits.flat)} of the series are one value all along"
    local = "no hour is there twice, as on a local clock in autumn"
    zone = "local time without a zone? set `time_zone: Europe/Berlin`, or which it is, in its entry"
    each = f"each series has at least {least:,} readings"
    left_out = "prepare leaves shorter ones out"
    expectations = [
        expect(
            *("ColumnMaxToBeBetween", long),
            remedy=f"{shorter}; {allow('windows', windows)}" if windows > 2 else shorter,
            column="rows",
            min_value=enough,
        ),
        between(
            *("spread", few_flat if limits.flat else flat),
            low=tiny,
            mostly=1 - limits.flat,
            remedy=allow("flat"),
        ),
        between("repeats", local, high=0, remedy=zone),
        between("rows", each, low=least, done=left_out),
    ]
    return Table("series", frame, ["series"], expectations)


def _runs_back(readings: pd.DataFrame, interval: int) -> pd.Series:
    """Where time runs back by an hour, in the order of the source, to stamps that were there before
    already: bool (readings,). Rows in any other order only want sorting.
    """
    newest_first = readings.groupby("series")["since"].transform("median") < 0
    order = np.argsort(np.where(newest_first, -1, 1) * readings["id"].to_numpy())
    since = _since_before(readings.iloc[order])
    in_time = readings.sort_values("time", kind="stable").groupby("series")["step"]
    near = (readings["step"] < interval / 2) | (in_time.shift(-1) < interval / 2)
    return (since < 0) & ((since - interval + HOUR).abs() < interval / 2) & near
