"""What is proposed for a file or folder that nobody described: its entry, three rows, remarks."""

import csv
import io
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image
from project import ROOT

from data.entries import ENTRIES
from data.errors import DataError
from data.proposal import proposed
from data.sources import json, parquet

HOURS = [datetime(2024, 1, 1) + timedelta(hours=number) for number in range(900)]
SIZES = [f"{1000 + number % 24}.{number % 7}5" for number in range(900)]
SENTENCES = [f"The soup on day {number} was, as ever, {number % 9} of nine" for number in range(90)]
STARS = [str(1 + number % 5) for number in range(90)]
HOURLY = {"interval": 3600, "history": 48, "horizon": 12, "season": 24}


def written(path, header, rows, encoding="utf-8", **options):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", **options).writerows([header, *rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def look(path, task=None, **columns):
    """The proposal, its entry as short as params.yaml would take it."""
    proposal = proposed(task, path, columns)
    entry = dict(proposal.entry)
    ENTRIES[entry["task"]].model_validate(entry)
    assert entry.pop("path") == str(path)
    return entry, proposal.sample, " | ".join(proposal.remarks)


@pytest.mark.parametrize(
    ("form", "settings"),
    [
        ("%Y-%m-%dT%H:%M", {}),
        ("%d.%m.%Y %H:%M", {"time_format": "%d.%m.%Y %H:%M"}),
        ("%m/%d/%Y %I:%M %p", {"time_format": "%m/%d/%Y %I:%M %p"}),
        ("%d-%b-%Y %H:%M:%S", {"time_format": "%d-%b-%Y %H:%M:%S"}),
        ("%Y%m%d%H%M", {"time_format": "%Y%m%d%H%M"}),
        ("%Y%m%d%H", {"time_format": "%Y%m%d%H"}),
        ("s", {"time_format": "s"}),
        ("ms", {"time_format": "ms"}),
    ],
)
@pytest.mark.parametrize(
    ("decimal", "thousands", "separator"),
    [(".", "", ","), (",", "", ";"), (",", ".", "\t"), (".", ",", ";")],
)
def test_how_a_series_is_written_is_found_out(
    tmp_path, form, settings, decimal, thousands, separator
):
    scale = {"s": 1, "ms": 1000}.get(form)
    since = datetime(1970, 1, 1)
    times = [
        str(int((hour - since).total_seconds()) * scale) if scale else hour.strftime(form)
        for hour in HOURS
    ]
    values = [f"{size[0]}{thousands}{size[1:4]}{decimal}{size[5:]}" for size in SIZES]
    rows = zip(times, values, ["x"] * 900, strict=True)
    path = written(tmp_path / "load.csv", ["when", "mw", "note"], rows, delimiter=separator)
    entry, sample, remarks = look(path)
    signs = {"decimal": decimal, "thousands": thousands, "separator": separator}
    differing = {k: v for k, v in signs.items() if v != {"decimal": ".", "separator": ","}.get(k)}
    named = {"task": "forecast", "kind": "csv", "columns": {"time": "when", "value": "mw"}}
    assert entry == named | HOURLY | settings | {k: v for k, v in differing.items() if v}
    utc = "Z" if scale else ""
    assert sample[1] == {"time": f"2024-01-01T01:00:00{utc}", "value": 1001.15, "series": "load"}
    assert "not used: 'note'" in remarks


@pytest.mark.parametrize(
    ("days", "form", "taken"),
    [(20, "%d/%m/%Y", "%d/%m/%Y"), (20, "%m/%d/%Y", "%m/%d/%Y"), (5, "%m/%d/%Y", "%d/%m/%Y")],
)
def test_day_and_month_stand_in_the_order_in_which_time_runs_on(tmp_path, days, form, taken):
    dates = [datetime(2024, 1 + n // 5, 1 + n % 5) for n in range(days)]
    rows = [(date.strftime(form), n) for n, date in enumerate(dates)]
    entry, _, remarks = look(written(tmp_path / "a.csv", ["date", "y"], rows))
    assert entry["time_format"] == taken
    assert f"times are read as {taken}, not as" in remarks


@pytest.mark.parametrize("days", [10, 100])
@pytest.mark.parametrize(
    "form", ["%y.%m.%d", "%y/%m/%d", "%y-%m-%d", "%d.%m.%y", "%d/%m/%y", "%y.%m.%d %H:%M"]
)
def test_a_year_of_two_digits_stands_where_day_follows_day(tmp_path, form, days):
    rows = [((HOURS[0] + timedelta(days=n)).strftime(form), n) for n in range(days)]
    assert look(written(tmp_path / "a.csv", ["date", "y"], rows))[0]["time_format"] == form


@pytest.mark.parametrize(
    ("separator", "form", "values", "signs", "remark"),
    [
        (";", "%d.%m.%Y", ("1.005", "987", "1.081"), (",", "."), "'.' stands between thousands"),
        (",", "%d.%m.%Y", ("1.005", "987", "1.081"), (".", ""), "point is the decimal sign; `tho"),
        (";", "%Y-%m-%d", ("1.005", "987", "1.081"), (".", ""), "point is the decimal sign; `tho"),
        (";", "%d.%m.%Y", ("1.005", "0.987", "1.081"), (".", ""), None),
        (";", "%d.%m.%Y", ("1.005", "9.87", "1.081"), (".", ""), None),
        (";", "%d.%m.%Y", ("1,005", "987", "1,081"), (",", ""), "comma is the decimal sign; `tho"),
    ],
)
def test_a_sign_that_may_stand_between_thousands_is_doubted(
    tmp_path, separator, form, values, signs, remark
):
    dates = [(HOURS[0] + timedelta(days=n)).strftime(form) for n in range(90)]
    rows = [(date, values[n % 3]) for n, date in enumerate(dates)]
    path = written(tmp_path / "a.csv", ["date", "mw"], rows, delimiter=separator)
    entry, _, remarks = look(path)
    assert (entry.get("decimal", "."), entry.get("thousands", "")) == signs
    assert remark in remarks if remark else "decimal sign" not in remarks


def test_a_number_of_a_parquet_file_is_not_doubted(tmp_path):
    pd.DataFrame({"when": HOURS[:90], "mw": [1.005, 1.081] * 45}).to_parquet(tmp_path / "a.parquet")
    assert "decimal sign" not in look(tmp_path / "a.parquet")[2]


@pytest.mark.parametrize(
    ("steps", "interval"),
    [
        ([3660], 3660),
        ([62], 62),
        ([3599, 3601, 3600, 3602, 3598], 3600),
        ([3599, 3601], 3600),
        ([57, 62, 67], 62),
        ([1200, 3000, 3600], 3000),
    ],
)
def test_a_round_interval_is_one_around_which_the_steps_lie(tmp_path, steps, interval):
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(steps * 300), unit="s")
    pd.DataFrame({"time": times, "value": 1.0}).to_parquet(tmp_path / "a.parquet")
    assert look(tmp_path / "a.parquet")[0]["interval"] == interval


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("5min", {"interval": 300, "horizon": 12, "season": 288}),
        ("D", {"interval": 86400, "history": 28, "horizon": 7, "season": 7}),
        ("B", {"interval": 86400, "season": 5, "grid": "rows"}),
        ("MS", {"season": 12, "grid": "rows"}),
        ("QS", {"season": 4, "grid": "rows"}),
        ("W", {"interval": 604800, "season": 52}),
    ],
)
def test_the_rhythm_of_a_series_gives_its_lengths(tmp_path, frequency, expected):
    times = pd.date_range("1960-01-01", periods=750, freq=frequency)
    path = tmp_path / "a.parquet"
    pd.DataFrame({"time": times, "value": np.arange(750.0)}).to_parquet(path)
    entry, _, _ = look(path)
    assert expected.items() <= entry.items()
    assert ("grid" in entry) == ("grid" in expected)


def test_an_hour_that_is_there_twice_gives_the_zone_and_holes_are_filled(tmp_path):
    start = datetime(2024, 10, 1, tzinfo=ZoneInfo("UTC"))
    local = [(start + timedelta(hours=n)).astimezone(ZoneInfo("Europe/Paris")) for n in range(900)]
    rows = [(time.strftime("%Y-%m-%d %H:%M"), n) for n, time in enumerate(local) if n % 40 != 7]
    entry, sample, remarks = look(written(tmp_path / "a.csv", ["time", "kW"], rows))
    assert (entry["time_zone"], entry["fill"]) == ("Europe/Berlin", 10800)
    assert sample[0]["time"] == "2024-10-01T00:00:00Z"
    assert "an hour is there twice, as on the clock of Europe/Berlin" in remarks


def test_rows_of_equal_times_are_parted_by_a_column(tmp_path):
    rows = [(hour, hour, meter, 7, n) for n, hour in enumerate(HOURS) for meter in ("07", "7")]
    header = ["zeit von", "zeit bis", "zähler", "c", "wert"]
    entry, sample, remarks = look(written(tmp_path / "a.csv", header, rows))
    assert entry["columns"] == {"time": "zeit von", "value": "wert", "series": "zähler"}
    assert [row["series"] for row in sample] == ["07", "7", "07"]
    assert "of 2 series" in remarks


def test_shops_that_are_as_many_as_hours_are_series_by_their_name(tmp_path):
    path = written(tmp_path / "a.csv", ["date", "shop", "mw"], OF_HOURS)
    assert look(path)[0]["columns"]["series"] == "shop"


def test_a_better_named_column_with_an_odd_cell_is_not_passed_over(tmp_path):
    rows = [(*row, 5) for row in ODD]
    with pytest.raises(DataError, match="'mw' holds something that is not a number: '#DIV/0!'"):
        look(written(tmp_path / "a.csv", ["when", "mw", "c"], rows))
    entry, _, _ = look(written(tmp_path / "b.csv", ["when", "c", "mw"], rows))
    assert entry["columns"]["value"] == "mw"


@pytest.mark.parametrize(
    ("encoding", "separator", "settings"),
    [
        ("utf-8", ",", {}),
        ("utf-8-sig", ";", {"separator": ";"}),
        ("cp1252", ";", {"encoding": "windows-1252", "separator": ";"}),
        ("utf-16", "\t", {"encoding": "utf-16", "separator": "\t"}),
        ("utf-16-le", ",", {"encoding": "utf-16-le"}),
    ],
)
def test_how_texts_are_written_is_found_out(tmp_path, encoding, separator, settings):
    rows = zip(range(90), STARS, [f"{text} Größe" for text in SENTENCES], strict=True)
    header = ["nr", "sterne", "Rezension"]
    path = written(tmp_path / "a.txt", header, rows, encoding, delimiter=separator)
    entry, sample, remarks = look(path)
    columns = {"text": "Rezension", "label": "sterne"}
    assert entry == {"task": "sentiment", "kind": "csv", "columns": columns} | settings
    assert sample[0] == {"text": f"{SENTENCES[0]} Größe", "label": "1"}
    assert "90 rows of 5 classes: 1 18" in remarks


@pytest.mark.parametrize("kind", ["json", "excel", "parquet"])
def test_other_tables_are_known_by_what_they_are(tmp_path, kind):
    path = tmp_path / "a"
    frame = pd.DataFrame({"review": SENTENCES, "stars": STARS})
    if kind == "json":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        book = openpyxl.Workbook()
        for cells in (["a cover"], ["of the year", 2026]):  # no header: one name for two columns
            book.active.append(cells)
        for row in [list(frame), *frame.to_numpy().tolist()]:
            (book["data"] if "data" in book.sheetnames else book.create_sheet("data")).append(row)
        book.save(path)
    entry, _, _ = look(path)
    assert entry["kind"] == kind
    assert entry["columns"] == {"text": "review", "label": "stars"}
    assert entry.get("sheet") == ("data" if kind == "excel" else None)


@pytest.mark.parametrize("kind", ["folder", "zip", "npz", "idx"])
def test_pictures_are_known_by_what_they_are(tmp_path, kind):
    pixels = np.zeros((2, 6, 5), np.uint8)
    path = tmp_path / ("pets.zip" if kind == "zip" else "pets.npz" if kind == "npz" else "pets")
    if kind == "npz":
        np.savez(path, x=pixels, y=np.array([3, 4]))
    elif kind == "idx":
        path.mkdir()
        for name, values in (("images-idx3", pixels), ("labels-idx1", np.array([3, 4], np.uint8))):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            (path / f"{name}-ubyte").write_bytes(head + values.tobytes())
        assert proposed(None, path / "images-idx3-ubyte", {}).entry["path"] == str(path)
    else:
        for name in ("3", "4"):
            (tmp_path / "pets" / name).mkdir(parents=True)
            Image.fromarray(pixels[0]).save(tmp_path / "pets" / name / "0.png")
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for file in sorted((tmp_path / "pets").rglob("*.png")):
                    archive.write(file, file.relative_to(tmp_path))
    entry, sample, remarks = look(path)
    assert entry == {"task": "image", "kind": "arrays" if kind in ("npz", "idx") else "folder"}
    assert [(row["label"], row["size"]) for row in sample] == [("3", "5 x 6"), ("4", "5 x 6")]
    assert "2 pictures of 2 classes: 3 1, 4 1 | all are 5 x 6" in remarks
    assert "the gate refuses fewer than 50 pictures" in remarks
    assert "a single class" not in remarks


def test_of_arrays_sizes_that_differ_missing_labels_and_unused_arrays_are_told(tmp_path):
    pixels = np.zeros((2, 6, 5), np.uint8)
    train, test = {"x_train": pixels, "y_train": ["a", ""]}, {"x_test": pixels[:, 3:]}
    np.savez(tmp_path / "a.npz", **train, **test, y_test=["a", "b"], names=["?"])
    _, _, remarks = look(tmp_path / "a.npz")
    assert remarks.startswith("3 pictures of 2 classes: a 2, b 1 | the sizes differ: ")
    assert "train is 5 x 6, test is 5 x 3 | arrays that are not used: 'names' | 1 more" in remarks


def test_a_single_class_is_told_at_once(tmp_path):
    (tmp_path / "cat").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "1.png")
    _, _, remarks = look(tmp_path)
    assert remarks.startswith("1 picture of 1 class: cat 1 |")
    assert "the gate refuses a single class" in remarks


@pytest.mark.parametrize(
    ("classes", "proposed"),
    [
        ({"ham": 95, "spam": 5}, {"metric": "f1", "positive": "spam"}),
        ({"ham": 85, "spam": 15}, {}),
        ({"ham": 60, "eggs": 36, "spam": 4}, {"metric": "macro_f1"}),
        (
            {"ham": 970, "spam": 30},
            {"metric": "f1", "positive": "spam", "expect": {"class_share": 0.06}},
        ),
        ({"ham": 991, "spam": 9}, {"metric": "f1", "positive": "spam"}),  # too few rows as well
        ({str(one): 5 for one in range(20)}, {}),  # each is rare, and none among the others
    ],
)
def test_a_metric_is_proposed_where_a_class_is_rare(tmp_path, classes, proposed):
    labels = [label for label, count in classes.items() for _ in range(count)]
    rows = [(f"this is text number {number}", label) for number, label in enumerate(labels)]
    entry, _, remarks = look(written(tmp_path / "mail.csv", ("text", "label"), rows))
    of_classes = ("metric", "positive", "expect")
    assert {key: entry[key] for key in of_classes if key in entry} == proposed
    assert ("class_share" in remarks) == ("expect" in proposed)
    assert ("`metric: " in remarks) == bool(proposed)


@pytest.mark.parametrize(
    ("header", "rows", "proposed"),
    [
        (("ticket", "customer"), lambda n: (f"T-{n}", f"C{n % 30}"), ("ticket", "customer")),
        (("userId", "author"), lambda n: (f"u{n // 2}", ""), (None, "userId")),
        (("id", "video"), lambda n: (n, n % 4), (None, None)),  # counts the rows; too few videos
        (("user", "session"), lambda n: (n % 30, n % 20), (None, None)),  # either may be meant
    ],
)
def test_columns_that_name_a_row_and_its_group_are_proposed(tmp_path, header, rows, proposed):
    table = [
        (text, star, *rows(n)) for n, (text, star) in enumerate(zip(SENTENCES, STARS, strict=True))
    ]
    entry, _, remarks = look(written(tmp_path / "t.csv", ("text", "stars", *header), table))
    assert (entry.get("id"), entry.get("group")) == proposed
    for role, name in zip(("id", "group"), proposed, strict=True):
        assert (f"`{role}: {name}`" in remarks) == (name is not None)


def test_a_proposal_waits_for_no_gate():
    """Great Expectations takes seconds to import."""
    code = "import sys, data.proposal; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_swapped_columns_are_told(tmp_path):
    path = written(tmp_path / "a.csv", ["a", "b"], zip(STARS, SENTENCES, strict=True))
    assert "are text and label swapped?" in look(path, text="a", label="b")[2]
    assert "swapped" not in look(path, text="b", label="a")[2]


PAIRS = list(zip(STARS, STARS, strict=True))
TRIPLES = list(zip(SENTENCES, STARS, STARS, strict=True))
TIMED = [(hour.isoformat(), 1, 2) for hour in HOURS]
OF_HOURS = [(hour.date(), hour.hour + 1, 1) for hour in HOURS[:888]]
ODD = [(hour, "#DIV/0!" if n == 7 else "NA" if n == 3 else "1,5") for n, hour in enumerate(HOURS)]


@pytest.mark.parametrize(
    ("rows", "given", "message"),
    [
        ([("when", "m1", "m2"), *TIMED], {}, "could be the value: 'm1', 'm2'; say --value"),
        ([("when", "m1", "m2"), *TIMED], {"value": "wen"}, r"is 'wen' \(did you mean 'when'"),
        ([("when", "m1", "m2"), *TIMED], {"text": "m1", "value": "m2"}, "--text is not for --task"),
        ([("when", "m1", "m2"), *TIMED], {"task": "image"}, "--task is image, but .* a table"),
        ([("when", "m1", "m2"), *TIMED], {"task": "tables"}, "--task is 'tables', expected image"),
        ([("when", "mw"), ("2024-01-01", 1), ("Total", 2)], {}, "'Total' in row 2"),
        ([("when", "mw"), ("2024-01-01", "5 MW")], {}, "no column holds numbers: say --value"),
        ([("when", "mw"), ("2024-01-01", 1), ("2024-01-01", 2)], {}, "than once: say --series"),
        ([("date", "hour", "mw"), *OF_HOURS], {}, "join date and time of day in one column"),
        ([("when", "mw"), *ODD], {}, "not a number: '#DIV/0!' in row 8; leave that cell empty"),
        ([("2024-01-01", "1"), ("2024-01-02", 2)], {}, "'2024-01-01', looks like data: write the"),
        ([("a", "b"), ("x", "y"), ("z", "y")], {}, "say --task sentiment with --text and --label"),
        ([("text", "label"), *zip(SENTENCES, SENTENCES, strict=True)], {}, "say --label"),
        ([("text", "label")], {}, "holds no rows"),
        ([("text", "label", "label"), *TRIPLES], {}, "the column 'label' is there twice: rename"),
        ([("text", "label", "label"), *TRIPLES], {"label": "label"}, "'label' is there twice"),
        ([("text", "text", "label"), *TRIPLES], {}, "the column 'text' is there twice: rename one"),
        ([("when", "mw", "mw"), *TIMED], {}, "the column 'mw' is there twice: rename one"),
        ([("a", "b"), *PAIRS], {"text": "b", "label": "b"}, "twice, as --text b, --label b:"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_asked_by_the_option(tmp_path, rows, given, message):
    path = written(tmp_path / "a.csv", rows[0], rows[1:])
    with pytest.raises(DataError, match=message):
        look(path, **given)


def test_a_table_is_known_whatever_idx_is_in_its_name(tmp_path):
    path = written(tmp_path / "idx_prices.csv", ["when", "mw"], [row[:2] for row in TIMED])
    assert look(path)[0]["kind"] == "csv"


def test_a_column_of_objects_of_json_lines_is_not_used(tmp_path):
    frame = pd.DataFrame({"review": SENTENCES, "stars": STARS, "place": [{"x": 1}] * 90})
    frame["tags"] = [[number] for number in range(90)]
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    entry, _, remarks = look(tmp_path / "a.jsonl")
    assert "not used: 'place', 'tags'" in remarks
    rows = json.rows("a", entry | {"path": str(tmp_path / "a.jsonl")}).splits["rows"]
    assert rows["text"].tolist() == SENTENCES
    with pytest.raises(DataError, match="--text is 'place', which is empty, or of the type struct"):
        look(tmp_path / "a.jsonl", text="place")


def test_json_lines_of_whole_columns_are_told(tmp_path):
    (tmp_path / "a.json").write_text('{"text": ["a"], "label": [1]}\n')
    with pytest.raises(DataError, match="lists and objects alone: expected one row a line"):
        look(tmp_path / "a.json")


def test_parts_of_parquet_of_other_types_are_told(tmp_path):
    for number, values in enumerate(([1, 2], [0.5, 1.5])):
        pd.DataFrame({"when": HOURS[:2], "mw": values}).to_parquet(tmp_path / f"{number}.parquet")
    with pytest.raises(DataError, match="or a column is not of one type in all"):
        look(tmp_path)


def test_an_empty_part_and_folders_of_parts_are_one_parquet_table(tmp_path):
    frame = pd.DataFrame({"review": SENTENCES, "stars": STARS})
    for name, rows in (("2023", frame[:0]), ("2024", frame[:40]), ("2025", frame[40:])):
        (tmp_path / "parts" / f"year={name}").mkdir(parents=True)
        rows.to_parquet(tmp_path / "parts" / f"year={name}" / "a.parquet")
    (tmp_path / "parts" / "_delta_log").mkdir()
    (tmp_path / "flat").mkdir()
    for number, rows in enumerate((frame[:0], frame)):
        rows.to_parquet(tmp_path / "flat" / f"{number}.parquet")
    for folder in ("parts", "flat"):
        entry, _, remarks = look(tmp_path / folder)
        assert entry["kind"] == "parquet"
        assert "90 rows of 5 classes" in remarks
        rows = parquet.rows("a", entry | {"path": str(tmp_path / folder)}).splits["rows"]
        assert sorted(rows["text"]) == sorted(SENTENCES)


def test_a_table_beside_class_folders_makes_them_no_table(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "1.png")
    pd.DataFrame({"file": ["1.png"]}).to_parquet(tmp_path / "meta.parquet")
    entry, _, remarks = look(tmp_path)
    assert entry["kind"] == "folder"
    assert "left out beside the class folders: 1 other file" in remarks


def test_a_name_that_is_there_twice_in_a_workbook_is_told(tmp_path):
    book = openpyxl.Workbook()
    for row in [("when", "mw", "mw"), *TIMED]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="the column 'mw' is there twice: rename one"):
        look(tmp_path / "a.xlsx")


def test_a_series_that_pandas_wrote_into_a_workbook_is_read(tmp_path):
    values = pd.Series([float(size) for size in SIZES], HOURS, name="mw")
    values.to_excel(tmp_path / "a.xlsx")
    entry, _, _ = look(tmp_path / "a.xlsx")
    assert entry["columns"] == {"time": "Unnamed: 0", "value": "mw"}


def test_a_title_above_the_names_of_a_workbook_is_told(tmp_path):
    book = openpyxl.Workbook()
    for row in [
        ("Load of 2026",),
        (),
        ("when", "mw"),
        *((time, value) for time, value, _ in TIMED),
    ]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="remove what stands above them"):
        look(tmp_path / "a.xlsx")


def test_an_address_and_lines_of_json_in_another_encoding_are_told(tmp_path):
    with pytest.raises(DataError, match="is an address"):
        proposed(None, Path("https://example.org/a.csv"), {})
    (tmp_path / "a.jsonl").write_text('{"text": "good", "label": "pos"}\n', encoding="utf-16")
    with pytest.raises(DataError, match="perhaps utf-16: write it anew as UTF-8"):
        look(tmp_path / "a.jsonl")


def test_a_folder_of_tables_is_told(tmp_path):
    (tmp_path / "load.csv").write_text("time,kW\n")
    with pytest.raises(DataError, match=r"is a folder: name the file in it, such as load\.csv"):
        proposed(None, tmp_path, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\x89PNG\r\n\0\0\0\xff", "is no table"), (b"PK\3\4", "not a whole ZIP")],
)
def test_a_file_of_no_kind_is_told(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=message):
        proposed(None, tmp_path / "a", {})
