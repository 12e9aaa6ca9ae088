"""What is expected of series: numbers in range, time that runs forward, a known interval."""

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation

from data.stored import Dataset
from data.suites.table import Table, between, expect, filled

LARGEST = 1e12


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `readings`, with the step since the one before, and `series`."""
    frame = steps(raw, entry["interval"])
    on_clock = entry["grid"] == "clock"
    expectations = [
        *numbers(*entry.get("range", (-LARGEST, LARGEST))),
        *forward(),
        *(regular(entry["interval"], entry["fill"]) if on_clock else []),
    ]
    key = ["id", "time"] if frame["series"].nunique() == 1 else ["id", "time", "series"]
    return [Table("readings", frame, key, expectations), series(frame, entry)]


def steps(raw: Dataset, interval: int) -> pd.DataFrame:
    """One row for each reading, in the order of the source: id, time, value, series, and in seconds
    step (since the reading before of the same series), missed (how much longer than `interval`)
    and beside (how far from a multiple of it).
    """
    frame = pd.DataFrame(raw.splits["rows"])
    frame["step"] = frame.groupby("series")["time"].diff().dt.total_seconds()
    frame["missed"] = frame["step"] - interval
    frame["beside"] = (frame["step"] - interval * (frame["step"] / interval).round()).abs()
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%d %H:%M:%S")
    return frame


def numbers(low: float, high: float) -> list[Expectation]:
    """Every reading has a time and a finite value in the declared range."""
    columns = ["id", "time", "value", "series"]
    present = f"there are the columns {', '.join(columns)}"
    number = {"column": "value", "type_": "float64"}
    return [
        expect("TableColumnsToMatchSet", present, column_set=columns, exact_match=False),
        expect("ColumnValuesToBeOfType", "values are numbers", **number),
        filled("time", "each reading has a time"),
        filled("series", "each reading belongs to a series"),
        filled("value", "each reading has a value (no NaN)"),
        between("value", f"values lie between {low:g} and {high:g}", low, high),
    ]


def forward() -> list[Expectation]:
    """Time never runs back, and stands still in a hundredth of the readings at most."""
    sorted_ = "rows are sorted by time: no stamp is earlier than the one before"
    later = "99% of the time stamps are later than the one before"
    twice, first = "no time stamp occurs twice", "prepare keeps the first reading of a stamp"
    return [
        between("step", sorted_, low=0),
        between("step", later, low=0, strict_min=True, mostly=0.99),
        between("step", twice, low=0, strict_min=True, done=first),
    ]


def regular(interval: int, fill: int) -> list[Expectation]:
    """The sampling interval is the declared one, give or take jitter and some holes."""
    jitter = interval / 10
    low, high = interval - jitter, interval + jitter
    declared = f"the median step is the declared interval of {interval:g} s"
    multiples = f"steps are whole multiples of {interval:g} s"
    followed = f"95% of the readings follow without a hole of more than {fill:g} s"
    hole = f"no reading is missing between two others for more than {fill:g} s"
    snapped = "prepare snaps each reading to the nearest point of the regular grid"
    kept = (
        "such holes are not filled, and no window spans one; shorter ones carry the last value "
        "forward, for histories only"
    )
    return [
        expect("ColumnMedianToBeBetween", declared, column="step", min_value=low, max_value=high),
        between("beside", f"90% of the {multiples}", high=jitter, mostly=0.9),
        between("missed", followed, high=fill, mostly=0.95),
        between("beside", multiples, high=jitter, done=snapped),
        between("missed", hole, high=fill, done=kept),
    ]


def series(readings: pd.DataFrame, entry: dict) -> Table:
    """The table of series: one at least is long enough to be kept, learned from and tested on, none
    is flat.

    readings: as `steps` gives them.
    """
    finite = readings.assign(value=readings["value"].where(np.isfinite(readings["value"])))
    frame = finite.groupby("series", as_index=False)["value"].agg(rows="size", spread="std")
    frame["spread"] = frame["spread"].fillna(0.0)  # of one reading
    least, tiny = entry["min_rows"], float(np.finfo(np.float32).tiny)
    enough = max(10 * (entry["history"] + entry["horizon"]), least)
    long = f"a series has at least {enough:,} readings: ten windows, and `min_rows`"
    each = f"each series has at least {least:,} readings"
    left_out = "prepare leaves shorter ones out"
    expectations = [
        expect("ColumnMaxToBeBetween", long, column="rows", min_value=enough),
        between("spread", "no series is one value all along", low=tiny),
        between("rows", each, low=least, done=left_out),
    ]
    return Table("series", frame, ["series"], expectations)
