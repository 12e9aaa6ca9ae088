"""A champion answers whole files: each row as its service would answer it alone."""

import json
import os
from dataclasses import replace
from functools import cache
from zipfile import ZipFile

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import tiny
from homes import living_in
from recorded import HASH, fit

from data import declared
from data.errors import DataError
from models.export.answering import Answering
from pipelines.commands import predict as command
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import environment
from pipelines.runtime.settings import UsageError

DATASETS = {"image": "mnist_5k", "sentiment": "imdb", "forecast": "glucose"}
TEXTS = ["a good film", "dull; dull\nand bad", "   ", "great"]


@pytest.fixture(scope="module")
def champion(tmp_path_factory, empty_store):
    """A function that makes an artifact the champion of a task, once, and returns its model."""

    @cache
    def make(task: str) -> Answering:
        folder = tmp_path_factory.mktemp(f"{task}-artifact")
        planned = replace(fit(), dataset=DatasetVersion(task, DATASETS[task], HASH))
        with tracking.child(planned, None) as run:
            digest = tiny.write(folder, task, seed=0)
            mlflow.log_artifacts(str(folder), tracking.MODEL)
            tags = {"espalier.manifest_sha256": digest, "espalier.naive": "majority class"}
            mlflow.set_tags(tags)
        version = registry.register(task, DATASETS[task], tracking.record(run.run_id))
        registry.set_champion(version)
        return Answering(verification.verify(version))

    folder = tmp_path_factory.mktemp("champions") / "home"
    with pytest.MonkeyPatch.context() as patch, living_in(folder, patch, empty_store):
        yield make


def predicted(file, task: str, out, **columns: str) -> command.Predicted:
    return command.predict(file, task, None, None, columns, out)


def read(out) -> pd.DataFrame:
    if out.suffix == ".csv":
        return pd.read_csv(out)
    return pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_json(out, lines=True)


def lay(path, frame: pd.DataFrame):
    """Write the table in the form that the path's name says."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, sep=";")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl"])
def test_each_text_is_answered_beside_its_columns(champion, tmp_path, kind):
    model = champion("sentiment")
    frame = pd.DataFrame({"text": TEXTS * 200, "number": [f"{n:04}" for n in range(800)]})
    out = tmp_path / f"out{kind}"
    done = predicted(lay(tmp_path / f"in{kind}", frame), "sentiment", out)
    assert (done.rows, done.errors, done.out) == (800, 200, str(out))
    answered = read(out)
    assert [int(number) for number in answered["number"]] == list(range(800))
    [first, _, third, _] = answered[:4].to_dict("records")
    [answer] = model.answers([TEXTS[0]])
    assert first["label"] == answer["label"]
    assert first["probability"] == pytest.approx(answer["probabilities"][answer["label"]])
    assert first["familiar"] == answer["familiar"]
    assert third["error"] == "The text is empty; it needs at least one word."


def test_pictures_of_a_folder_are_answered_by_their_names(champion, tmp_path, capsys):
    model = champion("image")
    for name in ("b/two.png", "one.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(tiny.picture(seed=len(name)))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    done = predicted(tmp_path / "in", "image", None)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    assert (done.rows, done.errors) == (3, 1)
    assert [row["file"].rsplit("/in/")[1] for row in rows] == ["b/two.png", "broken.jpg", "one.png"]
    assert rows[2]["label"] == model.answers([tiny.picture(seed=len("one.png"))])[0]["label"]
    assert rows[1]["error"]


def test_a_table_is_read_as_that_which_the_model_learned_from(champion, tmp_path, monkeypatch):
    """Its columns and its way to write numbers go over what the table looks like."""
    for task in ("sentiment", "forecast"):
        champion(task)
    form = {"decimal": ",", "thousands": ".", "time_zone": "Europe/Berlin"}
    form |= {"columns": {"time": "when", "value": "mw"}}
    glucose = declared.entry("glucose", environment.ROOT)
    entries = {"imdb": {"columns": {"text": "short"}}, "glucose": glucose | form}
    monkeypatch.setattr(declared, "entry", lambda name, root: entries[name])
    texts = {"long": ["dull and bad, dull and bad"], "short": ["good"]}
    predicted(lay(tmp_path / "in.csv", pd.DataFrame(texts)), "sentiment", tmp_path / "out.csv")
    by_name = command.predict(
        tmp_path / "in.csv", "sentiment", None, None, {"text": "short"}, tmp_path / "again.csv"
    )
    assert by_name.rows == 1
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "out.csv").read_text()
    times = pd.date_range("2024-07-01", periods=30, freq="5min")
    frame = pd.DataFrame({"when": times, "mw": "1.155", "price": "7"})
    predicted(lay(tmp_path / "load.csv", frame), "forecast", tmp_path / "next.csv")
    first = read(tmp_path / "next.csv").iloc[0]
    assert first["time"] == "2024-07-01T00:30:00Z"
    assert abs(first["forecast"]) > 100


def test_what_comes_next_is_forecast_for_each_series(champion, tmp_path):
    model = champion("forecast")
    times = pd.date_range("2024-05-01", periods=40, freq="5min")
    ramps = {"a": range(40), "b": range(100, 140), "short": range(3)}
    frame = pd.concat(
        pd.DataFrame({"when": times[: len(ramp)], "mmol": ramp, "who": name})
        for name, ramp in ramps.items()
    ).sort_values("when", ascending=False)
    out = tmp_path / "out.csv"
    file = lay(tmp_path / "in.csv", frame)
    done = predicted(file, "forecast", out, time="when", value="mmol", series="who")
    assert (done.rows, done.errors) == (2 * tiny.HORIZON + 1, 1)
    answered = read(out).groupby("series")
    [answer] = model.answers([list(map(float, ramps["b"]))])
    assert answered.get_group("b")["forecast"].tolist() == pytest.approx(answer["forecast"])
    assert answered.get_group("b")["time"].iloc[0] == str(times[-1] + times.freq).replace(" ", "T")
    assert "3 values" in answered.get_group("short")["error"].iloc[0]


@pytest.fixture
def entry(monkeypatch):
    """A function that lets every dataset have this entry."""

    def declare(**keys):
        monkeypatch.setattr(declared, "entry", lambda name, root: keys)

    return declare


RUSSIAN = pd.DataFrame({"отзыв": ["хорошо, good", "плохо"], "n": ["1", "2"]})


@pytest.mark.parametrize(
    ("name", "form", "laid"),
    [
        ("a.csv", {"encoding": "cp1251"}, {"encoding": "cp1251"}),
        ("a.csv", {"separator": "~"}, {"sep": "~"}),
        ("a.xlsx", {"sheet": "Data"}, {"sheet_name": "Data"}),
        ("a.csv", {"encoding": "cp1251", "separator": "~"}, {"sep": "|"}),
        ("a.xlsx", {"sheet": "Data"}, {"sheet_name": "Other"}),
    ],
)
def test_a_file_with_the_columns_of_the_entry_is_read_as_it_says(
    champion, entry, tmp_path, name, form, laid
):
    """The last two do not have them, so: those are read as they look."""
    champion("sentiment")
    entry(columns={"text": "отзыв", "label": "класс"}, **form)
    if name.endswith(".csv"):
        RUSSIAN.to_csv(tmp_path / name, index=False, **laid)
    else:
        with pd.ExcelWriter(tmp_path / name) as book:
            if laid["sheet_name"] == "Data":
                pd.DataFrame({"about": ["notes"], "x": ["1"]}).to_excel(book, sheet_name="First")
            RUSSIAN.to_excel(book, index=False, **laid)
    predicted(tmp_path / name, "sentiment", tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")["отзыв"].tolist() == RUSSIAN["отзыв"].tolist()


def lay_readings(path, values, form: str, **columns):
    """Readings every five minutes from a Monday's midnight on."""
    times = pd.date_range("2024-07-01", periods=len(values), freq="5min").strftime(form)
    pd.DataFrame({"when": times, "mw": values} | columns).to_csv(path, index=False)
    return path


def test_readings_are_read_and_set_aside_as_in_training(champion, entry, tmp_path):
    """A code outside `range` is carried over like a hole, and the stamps need no guess."""
    model = champion("forecast")
    glucose = declared.entry("glucose", environment.ROOT)
    form = "%d.%m.%Y %H:%M Uhr"
    own = {"columns": {"time": "when", "value": "mw"}, "time_format": form, "range": [0, 400]}
    entry(**glucose | own | {"on_bad_rows": "drop"})
    values = [*range(100, 139), -999]
    file = lay_readings(tmp_path / "in.csv", [*values, 140], form)
    predicted(file, "forecast", tmp_path / "out.csv")
    [answer] = model.answers([[*map(float, range(100, 139)), 138.0, 140.0]])
    answered = read(tmp_path / "out.csv")
    assert answered["forecast"].tolist() == pytest.approx(answer["forecast"])
    assert answered["time"].iloc[0] == "2024-07-01T03:25:00"
    series = ["a"] * 40 + ["dead"] * 3
    entry(**glucose | own | {"on_bad_rows": "drop", "columns": own["columns"] | {"series": "who"}})
    file = lay_readings(tmp_path / "in.csv", [*values, -999, -999, -999], form, who=series)
    assert predicted(file, "forecast", tmp_path / "out.csv").errors == 1
    assert "0 values" in read(tmp_path / "out.csv").set_index("series")["error"]["dead"]
    lay_readings(file, [-999] * 40, form, who="dead")
    with pytest.raises(DataError, match="no reading that has a time, a value and a series"):
        predicted(file, "forecast", tmp_path / "out.csv")


def test_a_hole_that_leaves_too_few_readings_is_named(champion, tmp_path):
    champion("forecast")
    times = pd.date_range("2024-07-01", periods=60, freq="5min").delete(range(40, 52))
    file = lay(tmp_path / "in.csv", pd.DataFrame({"time": times, "value": range(48)}))
    assert predicted(file, "forecast", tmp_path / "out.jsonl").errors == 1
    [error] = read(tmp_path / "out.jsonl")["error"]
    assert error.startswith(
        "history has 8 values; at least 24 are needed. Readings before the hole"
    )
    assert "from 2024-07-01 03:15:00 to 2024-07-01 04:20:00" in error
    assert "`fill: 900`" in error


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("text,error", "a column 'error', and so have the answers.*: rename the column"),
        ("text,label", "a column 'label', and so have the answers"),
        ("text,familiar", "a column 'familiar', and so have the answers"),
        ("text,x,x", "2 columns 'x': rename one"),
    ],
)
def test_no_column_of_the_file_is_lost(champion, tmp_path, monkeypatch, header, message):
    champion("sentiment")
    cells = ",7" * header.count(",")
    (tmp_path / "in.csv").write_text(f"{header}\ngood{cells}\n", encoding="utf-8")
    (tmp_path / "out.jsonl").write_text("before", encoding="utf-8")
    monkeypatch.setattr(Answering, "answers", None)  # nothing is answered
    with pytest.raises(UsageError, match=message):
        predicted(tmp_path / "in.csv", "sentiment", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before"


def test_files_that_are_no_pictures_are_counted(champion, tmp_path, capsys):
    champion("image")
    (tmp_path / "in" / "b").mkdir(parents=True)
    (tmp_path / "in" / "b" / "one.png").write_bytes(tiny.picture(seed=1))
    for name in ("scan.tif", "phone.heic", "plain", ".hidden"):
        (tmp_path / "in" / name).write_bytes(b"x")
    assert predicted(tmp_path / "in", "image", tmp_path / "out.csv").rows == 1
    told = " ".join("".join(capsys.readouterr()).split())
    assert "left out 1 hidden or system file: . or @ comes first" in told
    assert "left out 3 files not named .jpeg, .jpg, .png, .webp" in told


def test_a_zip_is_answered_as_the_folder_that_it_is(champion, tmp_path):
    model = champion("image")
    with ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("one/a.png", tiny.picture(seed=1))
        archive.writestr("__MACOSX/one/a.png", b"x")
    predicted(tmp_path / "in.zip", "image", tmp_path / "out.csv")
    [row] = read(tmp_path / "out.csv").to_dict("records")
    assert row["file"] == str(tmp_path / "in.zip" / "one" / "a.png")
    assert str(row["label"]) == model.answers([tiny.picture(seed=1)])[0]["label"]


def test_json_lines_hold_no_number_that_json_does_not_have(champion, tmp_path, capsys):
    champion("sentiment")
    table = {"text": ["good", "bad"], "x": [float("nan"), 1.5], "y": [[float("inf"), 2.0], None]}
    pa.parquet.write_table(pa.table(table), tmp_path / "in.parquet")
    predicted(tmp_path / "in.parquet", "sentiment", tmp_path / "out.jsonl")
    predicted(tmp_path / "in.parquet", "sentiment", None)
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [line for line in capsys.readouterr().out.splitlines() if line[0] == "{"] == lines
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [(row["x"], row["y"]) for row in rows] == [(None, [None, 2.0]), (1.5, None)]


def lay_faulty(folder) -> None:
    """Files that cannot be read to their end, each for its own reason."""
    good = b"good,1\n" * 20_000
    (folder / "ragged.csv").write_bytes(b"text,n\ngood,1\nbad,2,3\n")
    (folder / "late.csv").write_bytes(b"text,n\n" + good + b"sch\xf6n,2\n")
    pa.parquet.write_table(pa.table({"text": ["good"], "y": [[1]]}), folder / "list.parquet")
    twice = pa.Table.from_arrays([pa.array(["good"])] * 3, ["text", "x", "x"])
    pa.parquet.write_table(twice, folder / "twice.parquet")
    (folder / "torn").mkdir()
    pa.parquet.write_table(pa.table({"text": ["good"]}), folder / "torn" / "a.parquet")
    whole = (folder / "torn" / "a.parquet").read_bytes()
    (folder / "torn" / "b.parquet").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(folder / "fifo.csv")


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("ragged.csv", "out.csv", "row 3 has 3 cells where the header has 2"),
        ("late.csv", "out.csv", "late.csv is not utf-8: perhaps it is windows-1252"),
        ("list.parquet", "out.csv", r"a CSV cannot hold the columns \['y'\].*: name a .jsonl"),
        ("twice.parquet", "out.csv", "twice.parquet has several columns 'x': rename one"),
        ("torn", "out.csv", "b.parquet is not a whole Parquet file: it is cut"),
        ("fifo.csv", "out.csv", "fifo.csv is neither a file nor a folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(champion, tmp_path, name, out, message):
    champion("sentiment")
    lay_faulty(tmp_path)
    (tmp_path / "outs").mkdir()
    with pytest.raises((UsageError, DataError), match=message):
        predicted(tmp_path / name, "sentiment", tmp_path / "outs" / out)
    assert list((tmp_path / "outs").iterdir()) == []


def test_a_folder_as_out_is_refused_before_anything_is_answered(champion, tmp_path, monkeypatch):
    champion("sentiment")
    file = lay(tmp_path / "in.csv", pd.DataFrame({"text": TEXTS, "n": range(4)}))
    (tmp_path / "out.csv").mkdir()
    monkeypatch.setattr(Answering, "answers", None)
    with pytest.raises(UsageError, match=r"out.csv is a folder: name a file in it"):
        predicted(file, "sentiment", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "number", "columns", "out", "message"),
    [
        ("in.csv", "7", {}, "out.csv", "has no version '7'; it has 1"),
        ("in.csv", None, {}, "out.xls", "no form that is known: .csv, .parquet or .jsonl"),
        ("in.csv", None, {"text": "texx"}, "out.csv", "did you mean 'text'"),
        ("in.csv", None, {}, "none/out.csv", "there is no folder .*none"),
        ("empty.csv", None, {}, "out.csv", "empty.csv holds no rows"),
        ("gone.csv", None, {}, "out.csv", "there is no file or folder .*gone.csv"),
    ],
)
def test_what_cannot_be_answered_leaves_nothing(
    champion, tmp_path, name, number, columns, out, message
):
    champion("sentiment")
    lay(tmp_path / "in.csv", pd.DataFrame({"text": TEXTS, "n": range(4)}))
    (tmp_path / "empty.csv").write_text("text,n\n", encoding="utf-8")
    (tmp_path / "outs").mkdir()
    with pytest.raises((UsageError, DataError), match=message):
        command.predict(
            tmp_path / name, "sentiment", None, number, columns, tmp_path / "outs" / out
        )
    assert list((tmp_path / "outs").iterdir()) == []
