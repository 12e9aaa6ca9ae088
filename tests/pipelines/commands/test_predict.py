"""A champion answers whole files: each row as its service would answer it alone."""

import json
from dataclasses import replace

import mlflow
import pandas as pd
import pytest
import tiny
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


@pytest.fixture
def champion(home, tmp_path):
    """A function that makes an artifact the champion of a task, and returns its model."""

    def make(task: str) -> Answering:
        folder = tmp_path / f"{task}-artifact"
        folder.mkdir()
        planned = replace(fit(), dataset=DatasetVersion(task, DATASETS[task], HASH))
        with tracking.child(planned, None) as run_id:
            digest = tiny.write(folder, task, seed=0)
            mlflow.log_artifacts(str(folder), tracking.MODEL)
            tags = {"espalier.manifest_sha256": digest, "espalier.naive": "majority class"}
            mlflow.set_tags(tags)
        version = registry.register(task, DATASETS[task], tracking.record(run_id))
        registry.set_champion(version)
        return Answering(verification.verify(version))

    return make


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
