"""What is expected of series: numbers in range, time that runs forward, a known interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.stored import Dataset
from data.suites.table import Table, finding

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation

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
    import pandas as pd

    frame = pd.DataFrame(raw.splits["rows"])
    frame["step"] = frame.groupby("series")["time"].diff().dt.total_seconds()
    frame["missed"] = frame["step"] - interval
    frame["beside"] = (frame["step"] - interval * (frame["step"] / interval).round()).abs()
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%d %H:%M:%S")
    return frame


def numbers(low: float, high: float) -> list[Expectation]:
    """Every reading has a time and a finite value in the declared range."""
    import great_expectations.expectations as gxe

    columns = ["id", "time", "value", "series"]
    return [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=columns,
            exact_match=False,
            description=f"there are the columns {', '.join(columns)}",
        ),
        gxe.ExpectColumnValuesToBeOfType(
            column="value", type_="float64", description="values are numbers"
        ),
        gxe.ExpectColumnValuesToNotBeNull(column="time", description="each reading has a time"),
        gxe.ExpectColumnValuesToNotBeNull(
            column="series", description="each reading belongs to a series"
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="value", description="each reading has a value (no NaN)"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="value",
            min_value=low,
            max_value=high,
            description=f"values lie between {low:g} and {high:g}",
        ),
    ]


def forward() -> list[Expectation]:
    """Time never runs back, and stands still in a hundredth of the readings at most."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="step",
            min_value=0,
            description="rows are sorted by time: no stamp is earlier than the one before",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="step",
            min_value=0,
            strict_min=True,
            mostly=0.99,
            description="99% of the time stamps are later than the one before",
        ),
        finding(
            gxe.ExpectColumnValuesToBeBetween,
            rule="no time stamp occurs twice",
            done="prepare keeps the first reading of a stamp",
            column="step",
            min_value=0,
            strict_min=True,
        ),
    ]


def regular(interval: int, fill: int) -> list[Expectation]:
    """The sampling interval is the declared one, give or take jitter and some holes."""
    import great_expectations.expectations as gxe

    jitter = interval / 10
    return [
        gxe.ExpectColumnMedianToBeBetween(
            column="step",
            min_value=interval - jitter,
            max_value=interval + jitter,
            description=f"the median step is the declared interval of {interval:g} s",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="beside",
            max_value=jitter,
            mostly=0.9,
            description=f"90% of the steps are whole multiples of {interval:g} s",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="missed",
            max_value=fill,
            mostly=0.95,
            description=f"95% of the readings follow without a hole of more than {fill:g} s",
        ),
        finding(
            gxe.ExpectColumnValuesToBeBetween,
            rule=f"steps are whole multiples of {interval:g} s",
            done="prepare snaps each reading to the nearest point of the regular grid",
            column="beside",
            max_value=jitter,
        ),
        finding(
            gxe.ExpectColumnValuesToBeBetween,
            rule=f"no reading is missing between two others for more than {fill:g} s",
            done="such holes are not filled, and no window spans one; shorter ones carry the last"
            " value forward, for histories only",
            column="missed",
            max_value=fill,
        ),
    ]


def series(readings: pd.DataFrame, entry: dict) -> Table:
    """The table of series: one at least is long enough to be kept, learned from and tested on, none
    is flat.

    readings: as `steps` gives them.
    """
    import great_expectations.expectations as gxe

    finite = readings.assign(value=readings["value"].where(np.isfinite(readings["value"])))
    frame = finite.groupby("series", as_index=False)["value"].agg(["size", "std"])
    frame = frame.rename(columns={"size": "rows", "std": "spread"}).fillna({"spread": 0.0})
    enough = max(10 * (entry["history"] + entry["horizon"]), entry["min_rows"])
    expectations = [
        gxe.ExpectColumnMaxToBeBetween(
            column="rows",
            min_value=enough,
            description=f"a series has at least {enough:,} readings: ten windows, and `min_rows`",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="spread",
            min_value=float(np.finfo(np.float32).tiny),
            description="no series is one value all along",
        ),
    ]
    if entry["min_rows"] > 1:
        expectations.append(
            finding(
                gxe.ExpectColumnValuesToBeBetween,
                rule=f"each series has at least {entry['min_rows']:,} readings",
                done="prepare leaves shorter ones out",
                column="rows",
                min_value=entry["min_rows"],
            )
        )
    return Table("series", frame, ["series"], expectations)
