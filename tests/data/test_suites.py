"""The gate, both ways: clean data passes, and each single corruption fails by the rule for it."""

import io

import numpy as np
import pytest
from checkouts import reviews
from PIL import Image

from data.stored import Dataset
from data.suites import forecast, image, sentiment
from data.validate import judge
from models.inputs.images import decode_picture

SERIES = {"task": "forecast", "interval": 300, "history": 12, "horizon": 3, "season": 12}
SERIES |= {"stride": 1, "fill": 900, "grid": "clock", "min_rows": 1}


def refused_by(report: dict) -> set[str]:
    """The columns, or for a whole table the expectations, on which a dataset was refused."""
    return {check["column"] or check["expectation"] for check in report["failed"]}


def pictures(rows: int = 120) -> Dataset:
    draw = np.random.default_rng(0)
    columns = {
        "image": draw.integers(0, 256, (rows, 8, 8, 1), dtype=np.uint8),
        "label": np.array([str(row % 3) for row in range(rows)]),
        "id": np.arange(rows),
    }
    return Dataset({"labels": ["0", "1", "2"], "notes": []}, {"rows": columns})


def texts(rows: int = 300) -> Dataset:
    text, label = zip(*reviews(rows), strict=True)
    columns = {
        "text": np.array(text, dtype=object),
        "label": np.array(label, dtype=object),
        "id": np.arange(rows),
    }
    return Dataset({"labels": ["bad", "good"], "notes": []}, {"rows": columns})


def readings(rows: int = 600) -> Dataset:
    seconds = 300 * np.arange(rows)
    columns = {
        "time": seconds.astype("datetime64[s]").astype("datetime64[ns]"),
        "value": 100 + 10 * np.sin(np.arange(rows) / 20),
        "series": np.full(rows, "a", dtype=object),
        "id": np.arange(rows),
    }
    return Dataset({"notes": []}, {"rows": columns})


def judged(raw: Dataset, suite, **entry) -> dict:
    return judge("mine", entry.get("task", "image"), suite(raw, entry))


@pytest.mark.parametrize(
    ("make", "suite", "entry"),
    [
        (pictures, image.suite, {"shape": [8, 8, 1]}),
        (texts, sentiment.suite, {}),
        (readings, forecast.suite, SERIES),
    ],
)
def test_clean_rows_pass(make, suite, entry):
    report = judged(make(), suite, **entry)
    assert report["success"]
    assert report["notes"] == []


def put(column: str, rows, value):
    """A corruption: `value` in some rows of a column."""

    def corrupt(columns):
        columns[column][rows] = value

    return corrupt


def unlabelled(columns):
    columns["label"] = columns["label"].astype(object)
    columns["label"][3] = None


def scaled_to_one(columns):
    columns["image"] //= 255


def class_missing(columns):
    columns["label"][columns["label"] == "2"] = "0"


def rare_class(columns):
    columns["label"][:] = ["0", "1"] * 54 + ["2"] * 12
    columns["label"][-11:] = "0"


def as_the_first(rows: int):
    def corrupt(columns):
        columns["image"][:rows] = columns["image"][0]

    return corrupt


@pytest.mark.parametrize(
    ("corrupt", "column"),
    [
        (put("image", 7, 40), "spread"),
        (scaled_to_one, "brightest"),
        (unlabelled, "label"),
        (put("label", 0, "3"), "label"),
        (class_missing, "rows"),
        (rare_class, "rows"),
        (as_the_first(30), "digest"),
        (as_the_first(3), "labels_of_digest"),  # of classes 0, 1 and 2
    ],
)
def test_corrupt_pictures_are_refused(corrupt, column):
    raw = pictures()
    corrupt(raw.splits["rows"])
    assert column in refused_by(judged(raw, image.suite))


def test_pictures_of_another_shape_are_refused():
    report = judged(pictures(), image.suite, shape=[28, 28, 3])
    assert refused_by(report) == {"height", "width", "channels"}


def test_too_few_pictures_are_refused():
    assert refused_by(judged(pictures(45), image.suite)) == {"expect_table_row_count_to_be_between"}


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0]).save(file, "PNG")
    return file.getvalue()


def animated() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


def test_a_file_that_is_no_picture_is_refused_by_name():
    raw = pictures()
    columns = raw.splits["rows"]
    files = [encoded(pixels) for pixels in columns["image"]]
    columns["file"] = np.array([f"0/{row}.png" for row in range(120)], dtype=object)
    columns["image"] = np.array(files, dtype=object)
    assert judged(raw, image.suite, shape=[28, 20, 3])["success"]  # what a model sees of them
    columns["image"][5] = files[5][:40]
    columns["image"][6] = b"no picture"
    columns["image"][7] = animated()
    [check] = judged(raw, image.suite)["failed"]
    assert (check["column"], check["failing"]) == ("pixel_type", 3)
    assert [row["file"] for row in check["examples"]] == ["0/5.png", "0/6.png", "0/7.png"]


def png(picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


DISC = np.hypot(*(np.mgrid[:16, :16] - 7.5)) < 5
DEEP = np.where(DISC, 40_000, 9_000).astype(np.uint16)
GLYPH = np.dstack([np.zeros((16, 16, 3), np.uint8), np.where(DISC, 255, 0).astype(np.uint8)])


@pytest.mark.parametrize(
    ("picture", "options", "passes"),
    [
        (Image.fromarray(DEEP), {}, True),
        (Image.fromarray(DEEP // 16), {}, True),
        (Image.fromarray(DEEP), {"transparency": 9_000}, True),
        (Image.fromarray(GLYPH), {}, True),
        (Image.fromarray(GLYPH).convert("LA"), {}, True),
        (Image.fromarray(GLYPH[..., 3]), {"transparency": 0}, False),  # white on white
        (Image.fromarray(GLYPH[..., 3]).convert("P"), {"transparency": 255}, True),
        (Image.fromarray(GLYPH * np.uint8([1, 1, 1, 0])), {}, False),
        (Image.fromarray(GLYPH[..., 3]).convert("1"), {}, True),
    ],
)
def test_the_gate_sees_the_pixels_that_a_model_gets(picture, options, passes):
    raw = pictures(60)
    file = png(picture, **options)
    raw.splits["rows"]["image"] = np.array([file + bytes([row]) for row in range(60)], object)
    grey = np.asarray(decode_picture(file, "L", (16, 16)))
    assert image.statistics(raw)["mean"][0] == pytest.approx(grey.mean(), abs=0.5)
    assert judged(raw, image.suite)["success"] == passes


def set_text(value, rows: int = 1):
    def corrupt(columns):
        columns["text"][:rows] = [f"{value}{row * '!'}" if value else value for row in range(rows)]

    return corrupt


def copied(columns):
    columns["text"][2:40:2] = columns["text"][0]


@pytest.mark.parametrize(
    ("corrupt", "column"),
    [
        (set_text(None), "text"),
        (set_text(""), "length"),
        (set_text("   \n"), "length"),
        (set_text("word " * 50_000), "length"),
        (set_text("@#$% ^&*( }{:> ~~~ a", 20), "letters"),
        (set_text("aaaaaaaaaaaaaaaaaaaaaaa", 20), "variety"),
        (set_text("caf\ufffd au lait, tr\ufffds bon", 60), "broken"),
        (copied, "digest"),
    ],
)
def test_corrupt_texts_are_refused(corrupt, column):
    raw = texts()
    corrupt(raw.splits["rows"])
    assert column in refused_by(judged(raw, sentiment.suite))


@pytest.mark.parametrize(
    "text", ["这部电影非常好看，我很喜欢", "यह फिल्म बहुत अच्छी थी", "الفيلم كان رائعا جدا"]
)
def test_texts_of_any_language_are_no_junk(text):
    raw = texts()
    raw.splits["rows"]["text"][:] = [f"{text} {row}" for row in range(300)]
    assert judged(raw, sentiment.suite)["success"]


def test_markup_is_found_and_told_without_refusing():
    raw = texts()
    raw.splits["rows"]["text"][:180] += "<br /><br />again"
    report = judged(raw, sentiment.suite)
    assert report["success"]
    [note] = report["notes"]
    assert "<br />: not so for 180 of 300 texts; raw text stays raw" in note


def test_a_label_that_is_spelled_wrongly_is_shown():
    raw = texts()
    raw.splits["rows"]["label"][4] = "baad"
    [check] = judged(raw, sentiment.suite)["failed"]
    assert check["expectation"] == "expect_column_values_to_be_in_set"
    assert check["examples"] == [{"id": 4, "label": "baad"}]


def backwards(columns):
    columns["time"][[20, 30]] = columns["time"][[30, 20]]


def other_interval(columns):
    columns["time"][:] = columns["time"][0] + 2 * (columns["time"] - columns["time"][0])


def jitter(columns):
    columns["time"][::3] += np.timedelta64(90, "s")


def holes(columns):
    columns["time"] += (np.arange(600) // 12) * np.timedelta64(3600, "s")


@pytest.mark.parametrize(
    ("corrupt", "column"),
    [
        (put("value", 9, np.nan), "value"),
        (put("value", 9, np.inf), "value"),
        (put("value", 9, 401.0), "value"),
        (put("value", slice(None), 100.0), "spread"),
        (put("time", 4, np.datetime64("NaT", "ns")), "time"),
        (put("series", 4, None), "series"),
        (backwards, "step"),
        (put("time", slice(20, 40), np.datetime64(6000, "s")), "step"),
        (other_interval, "step"),
        (jitter, "beside"),
        (holes, "missed"),
    ],
)
def test_a_corrupt_series_is_refused(corrupt, column):
    raw = readings()
    corrupt(raw.splits["rows"])
    assert column in refused_by(judged(raw, forecast.suite, **SERIES, range=[40, 400]))


@pytest.mark.parametrize(("rows", "entry"), [(140, {}), (600, {"min_rows": 601})])
def test_series_too_short_for_ten_windows_or_to_be_kept_are_refused(rows, entry):
    report = judged(readings(rows), forecast.suite, **SERIES | entry)
    assert refused_by(report) == {"rows"}


def test_an_example_is_told_as_json_would_hold_it():
    raw = readings()
    raw.splits["rows"]["value"][7] = np.inf
    [check] = judged(raw, forecast.suite, **SERIES)["failed"]
    assert check["examples"] == [{"id": 7, "time": "1970-01-01 00:35:00", "value": "inf"}]
    raw.splits["rows"]["value"][7] = 100.0
    backwards(raw.splits["rows"])
    [check] = judged(raw, forecast.suite, **SERIES)["failed"]
    assert {type(row["step"]) for row in check["examples"]} == {float}


def test_what_is_handled_in_a_series_is_told_without_refusing():
    raw = readings()
    columns = raw.splits["rows"]
    columns["time"][50:] += np.timedelta64(12, "h")  # a hole
    columns["time"][101] = columns["time"][100]  # a double stamp
    columns["time"][200] += np.timedelta64(60, "s")  # jitter
    report = judged(raw, forecast.suite, **SERIES)
    assert report["success"]
    told = " | ".join(report["notes"])
    assert "no time stamp occurs twice: not so for 1 of 600 readings; prepare keeps" in told
    assert "whole multiples of 300 s: not so for 2 of 600" in told
    assert "not so for 1 of 600 readings; such holes are not filled, and no window spans" in told


def test_trading_days_may_skip_weekends():
    raw = readings()
    raw.splits["rows"]["time"] += (np.arange(600) // 5) * np.timedelta64(2, "D")
    assert judged(raw, forecast.suite, **SERIES | {"grid": "rows"})["success"]


def test_short_series_are_told_when_they_are_left_out():
    raw = readings()
    raw.splits["rows"]["series"][:100] = "b"
    report = judged(raw, forecast.suite, **SERIES | {"min_rows": 200})
    assert report["success"]
    assert "at least 200 readings: not so for 1 of 2 series" in report["notes"][0]
