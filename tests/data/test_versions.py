"""Versions of own data through DVC: made, changed, refused, sent, fetched elsewhere by hash."""

import ast
import json
import re
import shutil
import sys

import disks
import pytest
from checkouts import MINE, Checkout, reviews, write_reviews
from project import GIT

from data import prepared, stored
from data.dvc import state

CAUGHT = """
from data import versions
from data.errors import DataError
try: versions.{call}
except DataError as error: print(type(error).__name__, str(error).replace(chr(10), ' | '))
"""


def caught(checkout: Checkout, call: str) -> str:
    """The kind and the message of the error that a call of data.versions raises."""

    done = checkout.run(sys.executable, "-c", CAUGHT.format(call=call))
    return done.stdout.strip() or done.stderr


def test_own_data_is_prepared_and_named(made):
    assert re.fullmatch(r"[0-9a-f]{32}\.dir", made.versions("dataset_hash('mine')"))
    data = prepared.read(made.folder / "data" / "prepared" / "mine")
    assert data.facts["rows"] == {"train": 76, "validation": 20, "test": 24}
    assert data.facts["labels"] == ["bad", "good"]
    assert made.versions("outdated(['mine'])") == "[]"
    assert made.versions("outdated(['mine', 'digits'])") == "['digits']"
    assert made.versions("dataset_hash('digits')") == "None"
    lies_there = stored.hash_of(made.folder / "data" / "prepared" / "mine")
    assert lies_there == made.versions("dataset_hash('mine')")


@pytest.mark.slow
def test_a_changed_file_makes_another_version_and_back_the_same(made):
    before = made.versions("dataset_hash('mine')")
    first = made.commit()
    write_reviews(made.folder / MINE["path"], reviews(130))
    assert made.versions("outdated(['mine'])") == "['mine']"
    made.versions("reproduce('mine')")
    after = made.versions("dataset_hash('mine')")
    assert after != before
    second = made.commit()
    assert [made.versions(f"commit_of({name!r})") for name in (before, after)] == [first, second]
    made.run("git", "checkout", first, "--", "dvc.lock")
    made.run("dvc", "pull", "data/prepared/mine")
    assert prepared.read(made.folder / "data/prepared/mine").facts["rows"]["train"] == 76
    write_reviews(made.folder / MINE["path"], reviews())
    made.versions("reproduce('mine')")
    assert made.versions("dataset_hash('mine')") == before


def test_changed_code_parameters_and_lost_outputs_are_noticed(made):
    for path, old, new in (
        ("data/sources/csv.py", "import", "#\nimport"),
        ("params.yaml", "- bad", "- awful"),
    ):
        touched = made.folder / path
        before = touched.read_text(encoding="utf-8")
        touched.write_text(before.replace(old, new, 1), encoding="utf-8")
        assert made.versions("outdated(['mine'])") == "['mine']", path
        touched.write_text(before, encoding="utf-8")
    prepared = made.folder / "data" / "prepared" / "mine"
    aside = prepared.rename(made.folder / "aside")
    assert made.versions("outdated(['mine'])") == "['mine']"
    aside.rename(prepared)
    assert made.versions("outdated(['mine'])") == "[]"


@pytest.mark.slow
def test_a_refusal_keeps_its_report_and_is_never_taken_for_done(made):
    good = made.versions("dataset_hash('mine')")
    write_reviews(made.folder / MINE["path"], [(text, "bad") for text, _ in reviews()])
    told = caught(made, "reproduce('mine')")
    assert told.startswith("GateRefused the gate refused mine")
    assert "no class is missing: not so for 1 of 2 classes" in told
    reports = made.folder / "data" / "reports" / "mine"
    report = json.loads((reports / "validation.json").read_text())
    assert report["success"] is False
    assert report["failed"][0]["examples"] == [{"label": "good", "rows": 0}]
    assert "is refused" in (reports / "validation.html").read_text()
    assert made.versions("outdated(['mine'])") == "['mine']"
    plain = made.run("dvc", "repro", "prepare@mine")
    assert plain.returncode != 0
    assert "failed to reproduce 'validate@mine'" in plain.stderr
    assert "no class is missing" in plain.stderr
    write_reviews(made.folder / MINE["path"], reviews())
    made.versions("reproduce('mine')")
    assert made.versions("dataset_hash('mine')") == good


def test_what_is_wrong_is_told_in_one_sentence(made):
    assert "did you mean 'mine'?" in caught(made, "reproduce('mime')")
    source = made.folder / MINE["path"]
    kept = source.rename(source.with_suffix(".kept"))
    assert "mine/reviews.csv" in caught(made, "reproduce('mine')")
    source.write_text(kept.read_text()[:200])
    told = caught(made, "reproduce('mine')")
    assert told.startswith("DataError ingest mine: mine/reviews.csv is not a whole CSV")
    raw = made.folder / "data" / "raw"
    assert [path for path in raw.iterdir() if path.name.startswith(".")] == []
    kept.replace(source)
    made.versions("reproduce('mine')")
    assert made.versions("outdated(['mine'])") == "[]"


@pytest.mark.slow
def test_a_hash_is_enough_to_fetch_the_data_elsewhere(made, tmp_path):
    made.versions("push('mine')")
    remote = made.folder / ".espalier" / "dvc-remote"
    sent = sorted(remote.rglob("*"))
    made.versions("push('mine')")
    assert sorted(remote.rglob("*")) == sent
    named = made.versions("dataset_hash('mine')")
    other = Checkout(tmp_path / "elsewhere")
    (other.folder / ".dvc" / "config").write_text(
        f"[core]\nanalytics = false\nremote = far\n['remote \"far\"']\nurl = {remote}\n"
    )
    folder = tmp_path / "fetched" / named
    other.versions(f"remote.fetch('{named}', 'mine', versions.Path('{folder}'))")
    here = made.folder / "data" / "prepared" / "mine"
    assert {p.name for p in folder.iterdir()} == {p.name for p in here.iterdir()}
    for path in here.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert list(folder.parent.iterdir()) == [folder]
    unknown = f"remote.fetch('{'0' * 32}.dir', 'mine', versions.Path('{tmp_path}/none'))"
    assert "does not give 0000" in caught(other, unknown)
    assert "expected 32 hexadecimal digits" in caught(other, "remote.fetch('latest', 'mine', None)")


@pytest.mark.slow
def test_an_interrupted_push_is_finished_by_the_next(made):
    made.versions("push('mine')")
    remote = made.folder / ".espalier" / "dvc-remote"
    whole = {path: path.read_bytes() for path in remote.rglob("*") if path.is_file()}
    lists = {path for path in whole if path.suffix == ".dir"}  # of a folder's files: sent last
    for path in lists | set(sorted(whole.keys() - lists)[::2]):
        path.unlink()
    made.versions("push('mine')")
    assert {path: path.read_bytes() for path in remote.rglob("*") if path.is_file()} == whole
    shutil.rmtree(remote)
    made.versions("push('mine')")
    assert {path: path.read_bytes() for path in remote.rglob("*") if path.is_file()} == whole


@pytest.mark.slow
def test_a_reworded_note_is_no_new_data(made):
    before = made.versions("dataset_hash('mine')")
    notes = made.folder / "data" / "notes" / "mine.json"
    assert json.loads(notes.read_text()) == []
    path = made.folder / "data" / "sources" / "columns.py"
    kept = path.read_text()
    path.write_text(kept.replace('"notes": []', '"notes": ["said in other words"]'))
    made.versions("reproduce('mine')")
    assert json.loads(notes.read_text()) == ["said in other words"]
    assert made.versions("dataset_hash('mine')") == before
    path.write_text(kept)
    made.versions("reproduce('mine')")


def test_rows_that_the_gate_did_not_judge_are_not_prepared(made):
    report = made.folder / "data" / "reports" / "mine" / "validation.json"
    kept = report.read_text()
    report.unlink()  # DVC links it to its cache
    report.write_text(re.sub(r'"raw_hash": "\w+', '"raw_hash": "0', kept))
    done = made.run(sys.executable, "-m", "data.prepare", "mine")
    assert "judged other rows" in done.stderr
    report.write_text(kept)


def test_a_remote_that_is_away_is_named(made):
    config = made.folder / ".dvc" / "config"
    kept = config.read_text()
    config.write_text(kept.replace("../.espalier/dvc-remote", "/proc/nope"))
    message = caught(made, "push('mine')")
    config.write_text(kept)
    assert "cannot be sent to the DVC remote (local /proc/nope" in message


def test_what_dvc_could_not_write_whole_goes_with_a_folder_that_it_leaves_empty(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    kept = ["files/md5/ab/cdef", "runs/12/34/56"]
    for name in (*kept, "files/md5/ab/.x.tmp", "runs/12/34/.y.tmp", "runs/78/90/.z.tmp"):
        (tmp_path / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / name).touch()
    state.remove_unfinished(tmp_path, tmp_path / "cache", tmp_path / "none")
    left = {str(path.relative_to(tmp_path / "cache")) for path in tmp_path.rglob("cache/**/*")}
    folders = {"files", "files/md5", "files/md5/ab", "runs", "runs/12", "runs/12/34", "runs/78"}
    assert left == folders | set(kept)


@pytest.mark.slow
@pytest.mark.parametrize(("store", "call"), [("cache", "reproduce"), ("remote", "push")])
def test_a_full_disk_leaves_no_litter_and_the_next_call_goes_well(made, store, call):
    place = {"cache": ".dvc/cache", "remote": ".espalier/dvc-remote"}[store]
    with disks.mounted(made.folder / place) as full:
        write_reviews(made.folder / MINE["path"], reviews(seed=len(store)))
        if store == "remote":
            assert made.versions("reproduce('mine')") == "None"
        disks.fill(full, left=12)
        assert "No space left on device" in caught(made, f"{call}('mine')")
        assert [path.name for path in full.rglob("*.tmp")] == []
        disks.free(full)
        assert made.versions(f"{call}('mine')") == "None"
    write_reviews(made.folder / MINE["path"], reviews())
    assert made.versions("reproduce('mine')") == "None"


@pytest.mark.slow
def test_of_the_remote_goes_what_neither_history_nor_a_record_names(checkout):
    """Versions of data: one committed, one that a run names, one of nobody, one of now."""
    remote, names = checkout.folder / ".espalier" / "dvc-remote" / "files" / "md5", {}
    for what in ("committed", "recorded", "nobodys", "current"):
        (checkout.folder / "rows").mkdir(exist_ok=True)
        (checkout.folder / "rows" / "rows.csv").write_text(what * 1000)
        assert checkout.run("dvc", "add", "rows").returncode == 0
        pointer = (checkout.folder / "rows.dvc").read_text()
        names[what] = re.search(r"md5: (\w+\.dir)", pointer)[1]
        if what == "committed":
            checkout.run("git", "add", "rows.dvc")
            checkout.run(*GIT, "commit", "-qm", "the first")
    cache = checkout.folder / ".dvc" / "cache" / "files"
    shutil.copytree(cache, remote.parent)
    shutil.rmtree(cache)  # as if another machine had sent them
    needed = [names["recorded"]]
    lists = remote / names["committed"][:2] / names["committed"][2:]
    whole = lists.read_bytes()
    lists.chmod(0o644)
    lists.write_text("no list")
    told = caught(checkout, f"remote.unused({needed})")
    assert f"does not give {names['committed']}" in told
    lists.write_bytes(whole)
    found = ast.literal_eval(checkout.versions(f"remote.unused({needed})"))
    assert names["nobodys"] in found
    assert sorted(found.values())[1:] == [
        pytest.approx(7000, rel=0.01)
    ]  # beside the list of the folder's files
    checkout.versions(f"remote.remove_unused({needed})")
    lying = {path.parent.name + path.name for path in remote.rglob("*") if path.is_file()}
    assert {name for name in lying if name.endswith(".dir")} == {*names.values()} - found.keys()
    assert len(lying) == 6
    head = checkout.run("git", "rev-parse", "HEAD").stdout
    (checkout.folder / ".git" / "shallow").write_text(head)
    assert "git fetch --unshallow" in caught(checkout, f"remote.unused({needed})")
