"""Rows that were requests: joined to those of a source, judged by the gate, and drawn."""

import numpy as np
import pyarrow as pa
import pytest
from encoded import file_of
from raw_rows import ENTRIES, SPLIT, pictures, readings, texts

from data import classes, declared, prepare, validate
from data.sources import collected
from data.stored import Dataset

START = 1_770_000_000_000_000  # microseconds


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The working folder of a stage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(declared, "shares", lambda of: SPLIT)
    (tmp_path / "data/collected/mine").mkdir(parents=True)
    return tmp_path


def requests(task: str, *rows: dict, part: str = "2026-12-01", name: str = "mine") -> None:
    """Write a part of requests r0, r1, …, a second after the other."""
    filled = [
        {"request_id": f"r{number}", "time": START + number * 1_000_000, "index": 0} | row
        for number, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(filled, schema=collected.schema(task))
    collected.write(collected.COLLECTED / name / f"{part}.parquet", table)


def sent(text: str, label: str = "good", predicted: str = "good", **more) -> dict:
    return {"text": text, "label": label, "predicted": predicted} | more


def joined(raw: Dataset, entry: dict) -> Dataset:
    raw.facts["task"] = entry["task"]
    collected.join("mine", entry, raw, sum(len(one["id"]) for one in raw.splits.values()))
    return raw


def ids(columns: dict, which: str) -> set[int]:
    return set(columns["id"][columns[which]].tolist())


MAIL = ENTRIES["sentiment"][1] | {"on_bad_rows": "refuse", "expect": {}}


def test_without_requests_nothing_is_added(checkout):
    raw = joined(texts(), MAIL)
    assert raw.splits["rows"].keys() == {"text", "label", "id"}
    assert raw.facts["notes"] == []


def test_a_request_is_a_row_once_and_only_where_it_is_new(checkout):
    requests(
        "sentiment",
        sent("a story that nobody has told"),
        sent("A story that nobody has told!", "bad"),  # the same words: the newest label counts
        sent("something else altogether", "bad"),
        sent("of a class that there is not", "dreadful"),
        sent(texts().splits["rows"]["text"][7]),
    )
    raw = joined(texts(), MAIL)
    rows = raw.splits["rows"]
    assert rows["text"][300:].tolist() == [
        "A story that nobody has told!",
        "something else altogether",
    ]
    assert rows["label"][300:].tolist() == ["bad", "bad"]
    assert rows["id"].tolist() == list(range(302))
    assert ids(rows, "collected") == ids(rows, "failure") == {300, 301}
    assert raw.facts["notes"] == [
        "1 collected rows are of another label or size: left out",
        "2 collected rows equal one that is there already: left out",
        "2 rows are of requests",
    ]


def test_requests_that_add_nothing_make_no_new_data(checkout):
    source = texts()
    source.splits["rows"]["text"][3] = None  # for the gate to see
    requests("sentiment", sent(source.splits["rows"]["text"][7]))
    rows = joined(source, MAIL).splits["rows"]
    assert rows.keys() == {"text", "label", "id"}


def test_pictures_come_in_the_form_of_the_arrays(checkout):
    grey = np.random.default_rng(1).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    known = pictures().splits["rows"]["image"][5, :, :, 0]
    files = [file_of(one) for one in (*grey, known, grey[0][:4])]
    marked = [{"image": file, "label": "1", "predicted": "2"} for file in files]
    requests("image", *marked)
    rows = joined(pictures(), ENTRIES["image"][1]).splits["rows"]
    assert rows["image"].shape == (123, 8, 8, 1)
    np.testing.assert_array_equal(rows["image"][120:, :, :, 0], grey)


def test_files_stay_as_they_were_sent_and_do_not_change_the_size_of_a_model(checkout):
    draw = np.random.default_rng(0)
    files = [file_of(draw.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(120)]
    columns = pictures().splits["rows"] | {"image": np.array(files, object)}
    columns["file"] = columns["key"] = np.array([f"{row}.png" for row in range(120)], object)
    large = [file_of(draw.integers(0, 256, (50, 40), dtype=np.uint8), "JPEG") for _ in range(30)]
    requests("image", *({"image": one, "label": "1", "predicted": "1"} for one in large))
    raw = joined(Dataset(pictures().facts, {"rows": columns}), ENTRIES["image"][1])
    assert raw.splits["rows"]["image"][120:].tolist() == large
    assert raw.splits["rows"]["key"][120] == raw.splits["rows"]["file"][120] == "request r0/0"
    prepared = prepare.by_class(raw, SPLIT)
    own = prepare._source_files(prepared.splits["train"])
    assert prepare.common_shape(own) == [8, 8, 1]
    assert prepare.common_shape(prepared.splits["train"]["image"]) == [64, 64, 1]


def test_the_splits_of_before_stay_and_a_request_keeps_its_own(checkout):
    raw = texts()
    raw.facts["task"] = "sentiment"
    before = prepare.by_class(raw, SPLIT).splits
    many = [sent(f"request number {row} of many words", "bad") for row in range(200)]
    places = []
    for count in (80, 200):
        requests("sentiment", *many[:count])
        after = prepare.by_class(joined(texts(), MAIL), SPLIT).splits
        for split, columns in before.items():
            own = len(columns["id"])
            np.testing.assert_array_equal(after[split]["text"][:own], columns["text"])
            assert after[split]["failure"].sum() == len(after[split]["id"]) - own
        places.append(
            {text: split for split, rows in after.items() for text in rows["text"].tolist()}
        )
    assert places[0].items() <= places[1].items()
    came = [split for text, split in places[1].items() if text.startswith("request number")]
    assert {split: round(came.count(split) / 200, 1) for split in SPLIT} == SPLIT


def test_the_place_of_a_row_is_its_content_alone():
    names = classes.digests(f"text {row}" for row in range(10_000))
    parts = classes.fixed(names, SPLIT)
    assert sum(map(len, parts.values())) == 10_000
    assert [round(len(rows) / 10_000, 2) for rows in parts.values()] == list(SPLIT.values())
    few = classes.fixed(names[::7], SPLIT)
    for split, rows in few.items():
        assert set(rows * 7) <= set(parts[split])


def test_no_request_comes_to_an_official_test_split_that_holds_it(checkout):
    whole = texts().splits["rows"]
    raw = Dataset(
        texts().facts,
        {
            "train": {name: column[:240] for name, column in whole.items()},
            "test": {name: column[240:] for name, column in whole.items()},
        },
    )
    new = [sent(f"request number {row} of many words") for row in range(60)]
    requests("sentiment", *new, sent(whole["text"][250]))
    splits = prepare.by_class(joined(raw, MAIL), SPLIT).splits
    assert splits["test"]["text"][:60].tolist() == whole["text"][240:].tolist()
    assert len(splits["test"]["text"]) > 60
    assert sum(len(rows["id"]) for rows in splits.values()) == 360
    assert not np.intersect1d(splits["test"]["text"], splits["train"]["text"]).size


def test_a_bad_request_refuses_no_dataset(checkout):
    requests("sentiment", sent(" "), sent("words that can be read"), sent("a " * 100_001))
    tables, bad = validate.sifted(joined(texts(), MAIL), MAIL)
    assert bad["id"].tolist() == [300, 302]
    assert validate.judge("mine", "sentiment", tables)["success"]
    spoilt = texts()
    spoilt.splits["rows"]["text"][4] = " "
    tables, bad = validate.sifted(joined(spoilt, MAIL), MAIL)
    assert not validate.judge("mine", "sentiment", tables)["success"]
    drop = MAIL | {"on_bad_rows": "drop", "expect": {"dropped": 0.05}}
    spoilt = texts()
    spoilt.splits["rows"]["text"][4] = "b " * 100_001
    tables, bad = validate.sifted(joined(spoilt, drop), drop)
    assert sorted(bad["id"]) == [4, 300, 302]
    assert validate.judge("mine", "sentiment", tables)["success"]


def success(raw: Dataset, entry: dict) -> bool:
    tables, _ = validate.sifted(raw, entry)
    return validate.judge("mine", entry["task"], tables)["success"]


HOUR = ENTRIES["forecast"][1] | {"on_bad_rows": "refuse", "expect": {}}


def history(first: int, values: list[float], series: str = "a") -> list[dict]:
    """Readings of a series from a step of its grid on."""
    steps = range(first, first + len(values))
    return [
        {"series": series, "at": step * 300_000_000, "value": value}
        for step, value in zip(steps, values, strict=True)
    ]


def junk(task: str) -> list[dict]:
    """Rows that no rule about single rows refuses, and that would spoil every share."""
    if task == "sentiment":  # few letters, and all of one class
        return [sent(f"{row} !!! ??? *** +++ --- ///") for row in range(200)]
    if task == "image":  # blank
        shades = [file_of(np.full((8, 8), shade, np.uint8)) for shade in range(40)]
        return [{"image": shade, "label": "1", "predicted": "1"} for shade in shades]
    draw = np.random.default_rng(0)  # beside the grid
    waves = history(0, [100 + 10 * np.sin(step / 20) for step in range(500)], "b")
    return [row | {"at": row["at"] + int(draw.integers(-70, 70)) * 1_000_000} for row in waves]


@pytest.mark.parametrize("task", ["sentiment", "image", "forecast"])
def test_shares_are_of_the_rows_of_the_source_alone(checkout, task):
    limits = {"sentiment": {"class_share": 0.8}, "image": {"blank": 0.01}, "forecast": {}}
    make, entry = ENTRIES[task]
    entry = entry | {"on_bad_rows": "refuse", "expect": limits[task]}
    requests(task, *junk(task))
    raw = joined(make(), entry)
    assert any(rows["collected"].any() for rows in raw.splits.values())
    tables, _ = validate.sifted(raw, entry)
    assert validate.judge("mine", task, tables)["success"]


def test_a_series_grows_by_what_makes_windows(checkout):
    source = len(readings().splits["rows"]["time"])
    waves = [100 + 10 * np.sin(step / 20) for step in range(60)]
    requests(
        "forecast",
        *history(source - 20, waves),  # a third of it is there
        *history(source + 1000, waves[:14]),  # 12 + 3 make a window
        *history(0, waves, "b"),
        *history(0, [5.0] * 60, "frozen"),
        *history(10**9, waves, "of the year 11,500"),
    )
    raw = joined(readings(), HOUR)
    rows = raw.splits["rows"]
    assert rows["collected"].sum() == 40 + 60
    grown = rows["series"] == "a"
    np.testing.assert_array_equal(
        rows["time"][grown].astype("int64") // 300_000_000_000, np.arange(source + 40)
    )
    assert "154 collected readings are there already" in raw.facts["notes"][0]
    tables, bad = validate.sifted(raw, HOUR)
    assert bad.empty
    assert validate.judge("mine", "forecast", tables)["success"]
    splits = prepare.by_time(raw, HOUR, SPLIT).splits
    assert set(splits["test"]["series"]) <= {"a", "b"}
    assert splits["test"]["time"].max() == rows["time"].max()
    assert sum(one["collected"].sum() for one in splits.values()) == 100


def test_readings_that_each_request_tells_a_little_later_are_one(checkout):
    waves = [100 + 10 * np.sin(step / 20) for step in range(60)]
    requests(
        "forecast",
        *(
            row | {"at": row["at"] + late * 480_000}
            for late in range(5)
            for row in history(0, waves, "b")
        ),
    )
    raw = joined(readings(), HOUR)
    times = np.sort(raw.splits["rows"]["time"][raw.splits["rows"]["series"] == "b"])
    assert len(times) == 60
    assert (np.diff(times) == np.timedelta64(300, "s")).all()


def test_a_series_that_stands_still_where_it_makes_windows_is_left_out(checkout):
    frozen = history(0, [5.0] * 60, "frozen")
    requests("forecast", *frozen, *history(1000, [1.0, 2.0, 3.0], "frozen"))
    assert "collected" not in joined(readings(), HOUR).splits["rows"]


def test_a_reading_beyond_the_range_is_set_aside(checkout):
    entry = HOUR | {"range": [0, 200]}
    requests("forecast", *history(600, [100.0 + step for step in range(20)] + [999.0]))
    tables, bad = validate.sifted(joined(readings(), entry), entry)
    assert bad["id"].tolist() == [620]
    assert validate.judge("mine", "forecast", tables)["success"]


def test_what_a_kill_left_is_removed_and_parts_stay_whole(checkout):
    requests("sentiment", sent("one"))
    place = collected.COLLECTED / "mine"
    left = place.with_name(".mine.123.parquet")
    other = place.with_name(".mine_too.123.parquet")
    for file in (left, other):
        file.write_bytes(b"half")
    with collected.locked(place):
        assert not left.exists()
    assert other.exists()
    [part] = collected.parts(place)
    part.write_bytes(part.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"2026-12-01\.parquet is not a whole Parquet file"):
        joined(texts(), MAIL)
