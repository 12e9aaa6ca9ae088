"""From words and types to labels, times and numbers: what is read, and what is refused how."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from data.errors import DataError
from data.sources import conversion

HOURS = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
IN_UTC = ["2024-10-26T23", "2024-10-27T00", "2024-10-27T01", "2024-10-27T02"]


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def instants(values, form=None, zone=None, series=None, kind=None):
    stamps = conversion.times(column(values, kind), "when", form)
    ids = np.array(series or ["one"] * len(values), dtype=object)
    hours = conversion.in_utc(stamps, "when", zone, ids).astype("datetime64[h]")
    return hours.astype(str).tolist()


@pytest.mark.parametrize(
    ("stamp", "form"),
    [
        ("13.02.2024 10:00", "%d.%m.%Y %H:%M"),
        ("02/13/2024 10:00 AM", "%m/%d/%Y %I:%M %p"),
        ("2024-02-13T11:00:00+0100", None),
        ("2024-02-13 10", None),
        ("2024-02-13T12+02", None),
        ("13 Feb 2024 12:00 +0200", "%d %b %Y %H:%M %z"),
        ("1707818400", "s"),
        (1707818400.0, "s"),
        (1707818400000, "ms"),
        (datetime.datetime(2024, 2, 13, 10, tzinfo=datetime.UTC), None),
        (datetime.datetime(2024, 2, 13, 10), "%d.%m.%Y"),
        (datetime.datetime(2024, 2, 13, 12, tzinfo=ZoneInfo("Europe/Athens")), None),
    ],
)
def test_a_stamp_is_read_as_its_format_says(stamp, form):
    assert instants([stamp, None], form) == ["2024-02-13T10", "NaT"]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_the_midnight_of_its_zone(kind):
    day = [datetime.date(2024, 7, 1)]
    assert instants(day, kind=kind) == ["2024-07-01T00"]
    assert instants(day, zone="Europe/Berlin", kind=kind) == ["2024-06-30T22"]


def test_the_clock_of_a_zone_becomes_utc_and_the_first_of_two_hours_is_summer_time():
    berlin = {"zone": "Europe/Berlin"}
    assert instants(HOURS, **berlin) == IN_UTC
    assert instants(HOURS[::-1], **berlin) == IN_UTC[::-1]  # newest first
    twice = [hour for hour in HOURS for _ in range(2)]  # two meters, row by row
    interleaved = instants(twice, series=["a", "b"] * 4, **berlin)
    assert interleaved == [hour for hour in IN_UTC for _ in range(2)]
    assert instants(["2024-07-01 12:00Z"], **berlin) == ["2024-07-01T12"]


@pytest.mark.parametrize(
    ("values", "form", "zone", "message"),
    [
        (HOURS[1:2], None, "Europe/Berlin", "clock of Europe/Berlin, .* 2024-10-27 02:00.*in UTC"),
        (["2024-03-31 02:30"], None, "Europe/Berlin", "2024-03-31 02:30:00 is a nonexistent time"),
        (["3024-01-01"], None, None, "a year that is none: .*3024"),
        ([10**17], "s", None, "not a number of s since 1970: '1000"),
        (["2024-02-13"], "%d.%m.%Y", None, "not a time stamp of the form %d.%m.%Y: '2024-02-13'"),
        (["2024"], "%Q", None, "time_format is '%Q'"),
        ([20240101], None, None, "numbers such as 20240101, .* `time_format: s`"),
        ([True], None, None, "'when' is of the type bool, expected time stamps"),
        ([datetime.time(12)], None, None, "'when' is of the type time64.*, expected time stamps"),
        ([datetime.timedelta(1)], None, None, "type duration.*, expected time stamps"),
    ],
)
def test_a_stamp_that_cannot_be_known_is_told(values, form, zone, message):
    with pytest.raises(DataError, match=message):
        instants(values, form, zone)


@pytest.mark.parametrize(
    ("values", "decimal", "thousands", "expected"),
    [
        (["1.234,5", "-12", " ,5 ", "1e3"], ",", ".", [1234.5, -12, 0.5, 1000]),
        (["1 234,5", "1\u00a0234", "1\u202f234"], ",", " ", [1234.5, 1234, 1234]),
        (["52,583.0", "7"], ".", ",", [52583, 7]),
        (["+1.5", "2"], ".", "", [1.5, 2]),
        (["True", "false"], ".", "", [1, 0]),
        (["-7", "1e-3"], ".", "", [-7, 0.001]),
        ([True, False], ".", "", [1, 0]),
    ],
)
def test_a_number_is_read_as_its_signs_say(values, decimal, thousands, expected):
    missing = [None] if isinstance(values[0], bool) else [None, "-", "N/A", " "]
    read = conversion.numbers(column([*values, *missing]), "kW", decimal, thousands)
    assert read.tolist()[: len(values)] == expected
    assert np.isnan(read[len(values) :]).all()


@pytest.mark.parametrize(
    ("value", "decimal", "thousands"),
    [("1.5", ",", ""), ("1,5", ".", ""), ("12,34", ".", ","), ("52 MW", ".", "")],
)
def test_a_number_of_other_signs_is_told_and_never_taken_for_another(value, decimal, thousands):
    with pytest.raises(DataError, match=f"not a number: {value!r} in row 2; `decimal`"):
        conversion.numbers(column(["1", value]), "kW", decimal, thousands)


NESTED = [[["a"]], [{"en": "a"}]]


@pytest.mark.parametrize("values", NESTED)
@pytest.mark.parametrize("read", [conversion.words, conversion.numbers, conversion.times])
def test_a_column_of_more_than_one_value_a_row_is_told_with_its_type(values, read):
    with pytest.raises(DataError, match=r"'c' is of the type (list|struct)<.*one a row: name"):
        read(column(values), "c")


@pytest.mark.parametrize(
    "kind", ["string", "large_string", "string_view", "binary", "large_binary", "binary_view"]
)
def test_words_are_read_of_every_type(kind):
    made = column(
        [b"na", None, b"7"] if "binary" in kind else ["na", None, "7"], getattr(pa, kind)()
    )
    assert conversion.words(made, "c").to_pylist() == ["na", None, "7"]
    assert conversion.names(made, "c").tolist() == ["na", None, "7"]
    assert conversion.labels(made, "c").tolist() == [None, None, "7"]
    assert np.isnan(conversion.numbers(made, "c")).tolist() == [True, True, False]


def test_labels_that_were_whole_numbers_keep_their_names_and_a_gap_is_missing():
    assert conversion.labels(column([0.0, float("nan"), 1.0]), "c").tolist() == ["0", None, "1"]
