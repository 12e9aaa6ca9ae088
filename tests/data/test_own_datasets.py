"""A user's own datasets: files of their own, which no other dataset and no update meets."""

import pytest
import yaml
from checkouts import MINE, Checkout, reviews, write_reviews

from data import declared
from data.dvc import own
from data.errors import DataError

pytestmark = pytest.mark.slow  # with the real DVC

ENTRY = {**MINE, "path": "../mine/reviews.csv"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """A checkout with the own datasets `tickets`, made, and `half`, whose entry is half typed."""
    folder = tmp_path_factory.mktemp("own") / "checkout"
    folder.mkdir()
    checkout = Checkout(folder)
    write_reviews(folder / ENTRY["path"], reviews())
    own.add("tickets", ENTRY, folder)
    (folder / "data/own/half").mkdir()
    (folder / "data/own/half/entry.yaml").write_text("task: [\n")
    checkout.shipped = {
        name: (folder / name).read_bytes() for name in ("params.yaml", "dvc.yaml", ".gitignore")
    }
    checkout.versions("reproduce('tickets')")
    return checkout


def test_its_versions_are_in_a_lock_of_its_own(checkout):
    lock = yaml.safe_load((checkout.folder / "data/own/tickets/dvc.lock").read_text())
    [_, out] = lock["stages"]["prepare"]["outs"]
    assert out["path"] == "data/prepared/tickets"
    assert checkout.versions("dataset_hash('tickets')") == out["md5"]
    assert checkout.versions("outdated(['tickets', 'digits'])") == "['digits']"
    assert not (checkout.folder / "dvc.lock").exists()
    assert {name: (checkout.folder / name).read_bytes() for name in checkout.shipped} == (
        checkout.shipped
    )


def test_a_lock_that_a_kill_cut_off_is_restored(checkout):
    lock = checkout.folder / "data/own/tickets/dvc.lock"
    whole = lock.read_text()
    lock.write_text(whole[: len(whole) // 2])
    assert checkout.versions("outdated(['tickets'])") == "[]"
    assert lock.read_text() == whole


def test_a_changed_entry_and_a_changed_source_make_another_version(checkout):
    first = checkout.versions("dataset_hash('tickets')")
    entry = checkout.folder / "data/own/tickets/entry.yaml"
    before = entry.read_text()
    write_reviews(checkout.folder / "elsewhere.csv", reviews(140))
    entry.write_text(f"# another file\n{before}".replace(ENTRY["path"], "elsewhere.csv"))
    assert checkout.versions("outdated(['tickets'])") == "['tickets']"
    checkout.versions("reproduce('tickets')")
    second = checkout.versions("dataset_hash('tickets')")
    write_reviews(checkout.folder / "elsewhere.csv", reviews(150))
    assert checkout.versions("outdated(['tickets'])") == "['tickets']"
    assert first != second


def test_a_half_typed_entry_is_told_by_its_file_and_line(checkout):
    with pytest.raises(DataError, match=r"data/own/half/entry.yaml is not YAML: .*line 2"):
        declared.entry("half", checkout.folder)
    own.add("wrong", ENTRY, checkout.folder)
    entry = checkout.folder / "data/own/wrong/entry.yaml"
    entry.write_text(entry.read_text().replace("kind: csv", "kind: csx"))
    with pytest.raises(DataError, match=r"^kind in data/own/wrong/entry.yaml is 'csx'.*line 2"):
        declared.entry("wrong", checkout.folder)
    entry.write_text("task: sentiment\n")
    with pytest.raises(DataError, match=r"^data/own/wrong/entry.yaml lacks kind, path"):
        declared.entry("wrong", checkout.folder)
    own.remove("wrong", checkout.folder)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("my tickets", {}, "'my tickets' is no name for a dataset"),
        ("../x", {}, "is no name for a dataset"),
        ("imdb", {}, "a dataset 'imdb' already, in params.yaml"),
        ("tickets", {}, "a dataset 'tickets' already, in data/own/tickets/entry.yaml"),
        ("other", {"columns": None}, "lacks columns"),
    ],
)
def test_what_cannot_be_added_leaves_nothing(checkout, name, changes, message):
    before = sorted((checkout.folder / "data/own").rglob("*"))
    with pytest.raises(DataError, match=message):
        own.add(name, ENTRY | changes, checkout.folder)
    assert sorted((checkout.folder / "data/own").rglob("*")) == before


def test_a_name_that_an_update_brings_is_told(checkout):
    clash = own.add("twice", ENTRY, checkout.folder).parent
    checkout.declare("twice", **MINE)
    with pytest.raises(DataError, match=r"declared in params\.yaml and in data/own/twice: rename"):
        declared.params(checkout.folder)
    clash.rename(clash.with_name("renamed"))
    (checkout.folder / "params.yaml").write_bytes(checkout.shipped["params.yaml"])
    assert declared.own(checkout.folder) == ["half", "renamed", "tickets"]


def test_a_path_may_hold_what_dvc_takes_for_a_reference(checkout):
    path = "../mine/${HOME} $X {y}/reviews.csv"
    write_reviews(checkout.folder / path, reviews())
    own.add("braces", ENTRY | {"path": path}, checkout.folder)
    assert "ERROR" not in checkout.versions("reproduce('braces')")
    assert checkout.versions("outdated(['braces'])") == "[]"
    own.remove("braces", checkout.folder)


def test_a_stage_that_crashes_says_how(checkout):
    entry = ENTRY | {"labels": ["bad", "good"]}
    own.add("crashing", entry, checkout.folder)
    module = checkout.folder / "data/ingest.py"
    whole = module.read_text()
    module.write_text(whole.replace("def ingest(", "def ingest(*_): 1 / 0\n\n\ndef never(", 1))
    try:
        said = checkout.versions("reproduce('crashing')")
    finally:
        module.write_text(whole)
        own.remove("crashing", checkout.folder)
    assert "ingest crashing ended with ZeroDivisionError: division by zero" in said


def test_what_is_removed_leaves_nothing_but_its_source(checkout):
    own.remove("tickets", checkout.folder)
    assert [path for path in checkout.folder.rglob("*") if path.stem == "tickets"] == []
    assert (checkout.folder / ENTRY["path"]).is_file()
    with pytest.raises(DataError, match=r"imdb is declared in params\.yaml"):
        own.remove("imdb", checkout.folder)
