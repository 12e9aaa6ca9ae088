"""The line about the data: rows, the size of pictures as a model sees them, new words of texts."""

import json

import pytest

from data import versions
from pipelines.experiments import dataset
from pipelines.runtime import environment


@pytest.mark.parametrize(
    ("name", "facts", "line"),
    [
        ("pets", {"shape": [28, 20, 1]}, "3 / 2 / 1 rows of 20 x 28, grey"),
        ("pets", {"shape": [64, 64, 3]}, "3 / 2 / 1 rows of 64 x 64, colour"),
        ("arrays", {}, "3 / 2 / 1 rows of 8 x 8, grey"),
        ("tickets", {}, "3 / 2 / 1 rows with 25.0% unknown words"),
    ],
)
def test_the_line_says_what_a_model_sees(name, facts, line, tmp_path, monkeypatch, capsys):
    entries = {
        "pets": "{task: image, kind: folder, path: pets}",
        "arrays": "{task: image, kind: package, path: a.py, shape: [8, 8, 1]}",
        "tickets": "{task: sentiment, kind: csv, path: a.csv, columns: {text: a, label: b}}",
    }
    text = "".join(f"  {key}: {entry}\n" for key, entry in entries.items())
    (tmp_path / "params.yaml").write_text(f"datasets:\n{text}")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(versions, "reproduce", lambda _: None)
    monkeypatch.setattr(versions, "dataset_hash", lambda _: "0" * 32 + ".dir")
    folder = tmp_path / "data/prepared" / name
    folder.mkdir(parents=True)
    rows = {"rows": {"train": 3, "validation": 2, "test": 1}}
    (folder / "dataset.json").write_text(json.dumps(rows | facts))
    (tmp_path / "data/reports" / name).mkdir(parents=True)
    table = {"rows": 1, "values": [{"words": 8, "unknown": 2, "share": 0.25}]}
    report = {"tables": {"validation": table} if name == "tickets" else {}}
    (tmp_path / "data/reports" / name / "validation.json").write_text(json.dumps(report))
    dataset.version("image", name)
    assert capsys.readouterr().out.rstrip().endswith(f"{name} passed its gate; {line}")
