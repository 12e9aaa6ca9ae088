"""The commands `data`: own data is declared by a look at it, listed, checked and removed."""

import pytest
import yaml
from checkouts import Checkout, reviews, working_in

from data import declared, versions
from data.errors import DataError, GateRefused
from pipelines.commands import data as commands
from pipelines.release import publish
from pipelines.runtime import settings
from pipelines.runtime.settings import UsageError


@pytest.fixture
def checkout(tmp_path, home, monkeypatch) -> Checkout:
    """A checkout in which the commands run, with texts of its user beside it."""
    made = working_in(tmp_path / "checkout", monkeypatch)
    rows = "".join(f"{text};{label}\n" for text, label in reviews())
    (tmp_path / "tickets.csv").write_text(f"body;mood\n{rows}", encoding="utf-8")
    return made


def test_data_is_declared_listed_and_removed(checkout, tmp_path):
    shipped = (checkout.folder / "params.yaml").read_bytes()
    added = commands.add("tickets", tmp_path / "tickets.csv", None, {})
    assert added.entry == yaml.safe_load((checkout.folder / added.file).read_text())
    assert added.entry["columns"] == {"text": "body", "label": "mood"}
    assert added.entry["separator"] == ";"
    assert [set(row) for row in added.sample] == [{"text", "label"}] * 3
    assert settings.served()["sentiment"] == ["imdb", "tickets"]
    assert settings.endpoint("sentiment", "tickets") == "sentiment-tickets"
    [row] = [row for row in commands.listed() if row.dataset == "tickets"]
    assert (row.task, row.file, row.hash, row.served) == ("sentiment", added.file, None, True)
    publish.declare()
    pointer = publish.folder() / "sentiment-tickets.json"
    pointer.write_text("{}")
    assert commands.remove("tickets") == []
    assert not pointer.exists()
    assert publish.served(publish.folder())["sentiment"] == ["imdb"]
    assert settings.served()["sentiment"] == ["imdb"]
    assert (checkout.folder / "params.yaml").read_bytes() == shipped


@pytest.mark.slow
def test_data_is_checked_without_training(checkout, tmp_path):
    commands.add("tickets", tmp_path / "tickets.csv", None, {})
    verdict = commands.check("tickets")
    assert verdict["success"]
    assert versions.dataset_hash("tickets") == verdict["dataset_hash"]
    with (tmp_path / "tickets.csv").open("a", encoding="utf-8") as file:
        file.write("one more;fine\n")
    with pytest.raises(GateRefused, match="each class has at least 10 rows"):
        commands.check("tickets")


@pytest.mark.parametrize(
    ("name", "path", "columns", "message"),
    [
        ("imdb", "tickets.csv", {}, "there is a dataset 'imdb' already, in params.yaml"),
        ("tickets", "gone.csv", {}, "gone.csv"),
        ("tickets", "tickets.csv", {"text": "boddy"}, "did you mean 'body'"),
    ],
)
def test_what_cannot_be_declared_leaves_nothing(checkout, tmp_path, name, path, columns, message):
    with pytest.raises((UsageError, DataError), match=message):
        commands.add(name, tmp_path / path, None, columns)
    assert declared.own(checkout.folder) == []


@pytest.mark.parametrize("entry", ["", "task: [", "task: sentiment\ntask: image", "- a"])
def test_an_entry_that_is_none_is_listed_with_its_fault_and_can_be_removed(checkout, entry):
    folder = checkout.folder / "data/own/bad"
    folder.mkdir(parents=True)
    (folder / "entry.yaml").write_text(entry, encoding="utf-8")
    [row] = [row for row in commands.listed() if row.dataset == "bad"]
    assert "entry.yaml" in row.fault
    commands.remove("bad")
    assert not folder.exists()


def test_what_ships_is_not_removed(checkout):
    with pytest.raises(UsageError, match=r"imdb is declared in params\.yaml"):
        commands.remove("imdb")
