"""The gate, both ways: clean data passes, and each single corruption fails by the rule for it."""

import numpy as np
import pytest
from encoded import file_of
from PIL import Image
from raw_rows import SERIES, pictures, put, readings, texts

from data import stored
from data.stored import Dataset
from data.suites import forecast, image, sentiment
from data.validate import judge
from models.inputs.images import decode_picture


def refused_by(report: dict) -> set[str]:
    """The columns, or for a whole table the expectations, on which a dataset was refused."""
    return {check["column"] or check["expectation"] for check in report["failed"]}


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


def test_a_file_that_is_no_picture_is_refused_by_name():
    raw = pictures()
    columns = raw.splits["rows"]
    files = [file_of(pixels[:, :, 0]) for pixels in columns["image"]]
    columns["file"] = np.array([f"0/{row}.png" for row in range(120)], dtype=object)
    columns["image"] = np.array(files, dtype=object)
    assert judged(raw, image.suite, shape=[28, 20, 3])["success"]  # what a model sees of them
    columns["image"][5] = files[5][:40]
    columns["image"][6] = b"no picture"
    black, white = (Image.new("L", (8, 8), shade) for shade in (0, 255))
    columns["image"][7] = file_of(black, save_all=True, append_images=[white])
    [check] = judged(raw, image.suite)["failed"]
    assert (check["column"], check["failing"]) == ("pixel_type", 3)
    assert [row["file"] for row in check["examples"]] == ["0/5.png", "0/6.png", "0/7.png"]


def grouped(names: list[str], column: str = "group") -> Dataset:
    """Texts with what they belong to, or are known by."""
    raw = texts(len(names))
    raw.splits["rows"][column] = np.array(names, dtype=object)
    return raw


@pytest.mark.parametrize(
    ("raw", "column"),
    [
        # Of two ids no split of three parts can be made; of one very large group neither.
        (grouped(["a", "b"] * 150, "key"), "filled"),
        (grouped(["big"] * 285 + [f"small{number}" for number in range(15)]), "filled"),
        # All rows of a label are one author's: they go to one split.
        (grouped([("one" if row % 2 else f"other{row}") for row in range(300)]), "classes"),
    ],
)
def test_splits_without_their_share_or_a_second_class_are_refused(raw, column):
    report = judged(raw, sentiment.suite, task="sentiment")
    assert column in refused_by(report)
    [check] = [one for one in report["failed"] if one["column"] == column]
    assert "leave it out, or name another column" in check["sentence"]


@pytest.mark.parametrize(
    ("test_labels", "column"),
    [(["0"] * 30, "classes"), (["0", "1", "3"] * 10, "unlearned"), (["0", "1", "2"] * 10, None)],
)
def test_an_official_test_split_holds_the_classes_that_are_learned(tmp_path, test_labels, column):
    """As it is read from disk, where `test` comes before `train`."""
    rows = pictures(150).splits["rows"]
    test = {name: values[120:] for name, values in rows.items()}
    test["label"] = np.array(test_labels)
    train = {name: values[:120] for name, values in rows.items()}
    labels = sorted({*train["label"], *test_labels})
    stored.write(tmp_path, Dataset({"labels": labels, "notes": []}, {"train": train, "test": test}))
    report = judged(stored.read(tmp_path), image.suite, expect={"class_share": 0.05})
    assert refused_by(report) == ({column} if column else set())


def test_a_class_without_rows_in_a_split_is_told():
    names = [f"author{row // 30}" for row in range(300)]
    raw = grouped(names)
    labels = np.array(["good", "bad"] * 150, dtype=object)
    labels[:30] = "so-so"
    raw.splits["rows"]["label"], raw.facts["labels"] = labels, ["bad", "good", "so-so"]
    report = judged(raw, sentiment.suite, task="sentiment")
    assert any("each split has rows of each class" in note for note in report["notes"])


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
    file = file_of(picture, **options)
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


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["Cat", "cat", "dog"], "'Cat' and 'cat'"),
        (["dog", "dog ", "cat"], "'dog' and 'dog '"),
        (["New York", "new  york", "b"], "'New York' and 'new  york'"),
        (["a\u200b", "a", "b"], r"'a\u200b' and 'a'"),
    ],
)
def test_labels_that_differ_by_case_or_space_alone_are_refused_unless_listed(labels, pairs):
    raw = texts()
    raw.splits["rows"]["label"][:] = [labels[row % 3] for row in range(300)]
    raw.facts["labels"] = labels
    [check] = judged(raw, sentiment.suite)["failed"]
    assert f"({pairs})" in check["sentence"]
    assert judged(raw, sentiment.suite, labels=labels)["success"]
    raw.facts["labels"] = declared = [labels[0], labels[2]]
    refused = judged(raw, sentiment.suite, labels=declared)["failed"]
    assert f"by case or space alone differ {pairs.split(' and ')[0]}" in refused[0]["sentence"]


@pytest.mark.parametrize(
    ("rare", "entry", "named"),
    [
        (20, {}, "`metric: f1`, `positive: bad`"),
        (20, {"metric": "accuracy"}, None),
        (40, {}, None),
    ],
)
def test_a_rare_class_is_a_finding_that_proposes_a_metric(rare, entry, named):
    raw = texts()
    raw.splits["rows"]["label"][:] = ["bad"] * rare + ["good"] * (300 - rare)
    notes = [note for note in judged(raw, sentiment.suite, **entry)["notes"] if "rarer" in note]
    assert len(notes) == (named is not None)
    assert not named or named in notes[0]


def test_a_double_is_shown_by_its_text():
    raw = texts()
    copied(raw.splits["rows"])
    [check] = judged(raw, sentiment.suite)["failed"]
    text = raw.splits["rows"]["text"][0]
    assert [(row["id"], row["text"]) for row in check["examples"]] == [
        (0, text),
        (2, text),
        (4, text),
    ]
    assert not any("digest" in row for row in check["examples"])


def test_text_and_label_that_are_swapped_are_asked_for():
    raw = texts()
    columns = raw.splits["rows"]
    columns["text"], columns["label"] = columns["label"], columns["text"]
    raw.facts["labels"] = sorted(columns["label"])
    sentences = [check["sentence"] for check in judged(raw, sentiment.suite)["failed"]]
    assert sum("are text and label swapped" in sentence for sentence in sentences) == 2
    assert max(map(len, sentences)) < 1000


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("order{0}", False),
        ("今天的汤很好而且门也很新第{0}次", True),
        ("อาหารจานนี้อร่อยมากและราคาไม่แพง {0}", True),
        ("오늘 먹은 국은 맛있고 문도 새것이다 {0}", True),
    ],
)
def test_texts_whose_words_never_recur_are_refused(text, passes):
    raw = texts()
    raw.splits["rows"]["text"][:] = [text.format(row) for row in range(300)]
    report = judged(raw, sentiment.suite)
    assert report["success"] == passes
    assert judged(raw, sentiment.suite, expect={"unknown": 1.0})["success"]
    if not passes:
        [check] = report["failed"]
        assert "at most 80% of the words to validate on are in no training text" in check["rule"]
        assert "`expect: {unknown: 1.0}`" in check["sentence"]


def backwards(columns):
    columns["time"][[20, 30]] = columns["time"][[30, 20]]


def autumn(columns):
    columns["time"][50:] -= np.timedelta64(3600, "s")


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
        (autumn, "repeats"),
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
    put("time", slice(20, 40), np.datetime64(6000, "s"))(raw.splits["rows"])
    check = judged(raw, forecast.suite, **SERIES)["failed"][0]
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
