"""What is expected of series: numbers in range, time that runs forward, a known interval."""

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation

from data.entries import ExpectReadings
from data.stored import Dataset
from data.suites.splits import of_series
from data.suites.table import Table, allow, between, expect, filled, percent

LARGEST = 1e12
MOST_FILLED = 10_000_000  # 0.5 GB in prepare
HOUR = 3600
DAY = 86_400
MONTH = 28 * DAY, 31 * DAY  # seconds
ZONE = "set `time_zone: Europe/Berlin`, or which it is, in its entry"
ROWS = "`grid: rows` in its entry takes each row as one step"


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `readings`, with the step since the one before, `series`, and `splits`, as prepare
    will make them; without the last where that would take too much memory, or there is too little.
    """
    limits = ExpectReadings(**entry.get("expect", {}))
    frame = steps(raw, entry["interval"])
    on_clock = entry["grid"] == "clock"
    expectations = [
        *numbers(entry.get("range")),
        *codes(frame),
        *forward(frame, limits),
        *(regular(frame, entry, limits) if on_clock else []),
    ]
    key = ["id", "time"] if frame["series"].nunique() == 1 else ["id", "time", "series"]
    readings = frame.assign(time=frame["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    by_name = series(frame, entry, limits)
    tables = [Table("readings", readings, key, expectations), by_name]
    whole = frame.dropna(subset=["time", "value"])["series"].value_counts()
    if by_name.frame["filled"].sum() <= MOST_FILLED and whole.max() >= entry["min_rows"]:
        tables.append(of_series(frame, entry))
    return tables


def steps(raw: Dataset, interval: int) -> pd.DataFrame:
    """One row for each reading, in the order of the source: id, time, value, series (missing where
    its name is empty), and in seconds since (the reading in the row before of the same series),
    step (the reading before in time), missed (how many whole intervals lie between, as the grid
    sees it; of calendar months, which no grid keeps, the rest too) and beside (how far the step is
    from a multiple of the interval).
    """
    frame = pd.DataFrame(raw.splits["rows"])
    frame["series"] = frame["series"].where(frame["series"].astype(str).str.strip() != "")
    frame["since"] = _since_before(frame)
    frame["step"] = _since_before(frame.sort_values("time", kind="stable"))
    whole = interval * (frame["step"] / interval).round()
    frame["missed"] = (frame["step"] if _calendar(frame) else whole) - interval
    frame["beside"] = (frame["step"] - whole).abs()
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


def codes(readings: pd.DataFrame) -> list[Expectation]:
    """No one value comes again and again, far from all others: -999 where nothing was measured.

    readings: as `steps` gives them.
    """
    found = sorted({code for _, one in readings.groupby("series") for code in _codes(one["value"])})
    named = f" ({', '.join(f'{code:g}' for code in found[:5])})" if found else ""
    rule = f"no value far from all others recurs{named}"
    done = (
        "it stays in; if nothing was measured there, `range: [lowest, highest]` with "
        "`on_bad_rows: drop` in its entry leaves it out"
    )
    return [expect("ColumnValuesToNotBeInSet", rule, done, column="value", value_set=found)]


def _codes(values: pd.Series) -> list[float]:
    """Values of three readings or more of one series, and of half at most, apart from the bulk of
    the others by more than its width, and from the next other value too.
    """
    values = values[np.isfinite(values)]
    unique, counts = np.unique(values, return_counts=True)
    gaps = np.diff(unique, prepend=-np.inf, append=np.inf)
    apart = np.where((counts >= 3) & (counts <= len(values) / 2), np.fmin(gaps[:-1], gaps[1:]), 0)
    found = []
    for code in unique[np.argsort(-apart, kind="stable")[:5]][: np.count_nonzero(apart)]:
        rest = values[values != code]
        low, high = rest.quantile([0.05, 0.95])
        outside = max(low - code, code - high)
        if high > low and min(outside, (rest - code).abs().min()) > high - low:
            found.append(float(code))
    return found


def forward(readings: pd.DataFrame, limits: ExpectReadings) -> list[Expectation]:
    """Stamps stand still in a hundredth of the readings at most; rows in another order are put in
    that of time.

    readings: as `steps` gives them.
    """
    later = f"{percent(1 - limits.repeated_times)} of the time stamps are later than the one before"
    several = "of several series in one file, name the column as `series:` under `columns:`"
    sorted_, sorts = "rows are sorted by time", "prepare sorts them"
    twice, first = "no time stamp occurs twice", "prepare keeps the first reading of a stamp"
    repeated = readings["time"][readings["step"] == 0]
    by_night = (repeated.dt.day_of_week == 6) & (repeated.dt.hour < 4)
    if len(repeated) and by_night.all() and readings["step"].median() <= HOUR:
        first += f". Always in a Sunday's night, as of a local clock in autumn: {ZONE}"
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


def regular(readings: pd.DataFrame, entry: dict, limits: ExpectReadings) -> list[Expectation]:
    """The sampling interval is the declared one, give or take jitter and some holes.

    readings: as `steps` gives them.
    """
    calendar, median = _calendar(readings), readings["step"].median()
    interval, fill = entry["interval"], entry["fill"]
    beside = "is the time of day in a column beside?"
    other = f"is it `interval: {median:.0f}`?" if median >= 1 else beside
    jitter = interval / 10
    low, high = interval - jitter, interval + jitter
    declared = f"the median step is the declared interval of {interval} s"
    multiples = f"steps are whole multiples of {interval} s"
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
            remedy=calendar or other,
            column="step",
            min_value=low,
            max_value=high,
        ),
        between(
            *("beside", f"{percent(1 - limits.off_grid)} of the {multiples}"),
            high=jitter,
            mostly=1 - limits.off_grid,
            remedy=calendar or f"{ROWS}; {allow('off_grid')}",
        ),
        between(
            *("missed", f"{percent(1 - limits.holes)} of the {followed}"),
            high=fill,
            mostly=1 - limits.holes,
            remedy=calendar
            or f"a longer `fill:` carries the last value over holes; {ROWS}; {allow('holes')}",
        ),
        between("beside", multiples, high=jitter, done=snapped),
        between("missed", hole, high=fill, done=kept),
    ]


def _calendar(readings: pd.DataFrame) -> str:
    """The remedy where steps are calendar months, quarters or years, or from a working day to the
    next, which no clock keeps.

    readings: with the columns `time` and `step`.
    """
    step, weekday = readings["step"].dropna(), readings["time"].dt.day_of_week
    if step.median() == DAY and weekday.max() == 4 and (step == 3 * DAY).mean() > 0.1:
        return f"these are business days, from Monday to Friday: {ROWS}"
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
    finite["filled"] = _filled(readings["step"], entry)
    by_name = finite.groupby("series", as_index=False)
    sums = {column: (column, "sum") for column in ("repeats", "filled")}
    frame = by_name.agg(rows=("value", "size"), spread=("value", "std"), **sums)
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
    bounded = f"at most {MOST_FILLED:,} points of the grid are carried forward"
    stamp = "a shorter `fill:`; is a stamp far from all others, a year mistyped?"
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
        between("repeats", local, high=0, remedy=f"local time without a zone? {ZONE}"),
        expect(
            *("ColumnSumToBeBetween", bounded),
            remedy=stamp,
            column="filled",
            max_value=MOST_FILLED,
        ),
        between("rows", each, low=least, done=left_out),
    ]
    return Table("series", frame, ["series"], expectations)


def _filled(step: pd.Series, entry: dict) -> pd.Series:
    """How many points of the grid each reading's value would be carried to (readings,)."""
    missing = (step / entry["interval"]).round() - 1
    short = missing.between(1, entry["fill"] / entry["interval"]) & (entry["grid"] == "clock")
    return missing.where(short, 0.0)


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
