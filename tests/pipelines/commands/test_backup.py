"""What a machine knows, as one file, and back on a machine that knows nothing."""

import shutil
import tarfile

import disks
import pytest
import tiny
from candidates import candidate, evaluation, hits
from project import ROOT

from data.dvc import calls
from pipelines.commands import backup, tokens
from pipelines.commands.backup import RestoreError
from pipelines.experiments import registry, verification
from pipelines.locks import lock, state
from pipelines.processes import service
from pipelines.promotion import decision, ledger
from pipelines.release import publish
from pipelines.runtime import disk, environment
from pipelines.runtime.settings import UsageError

VERSIONS = "schema: '2.0'\nstages:\n  ingest:\n    outs: []\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with an own dataset and a folder as DVC remote."""
    root = tmp_path / ("a long name of a folder " * 5) / "checkout"
    (root / ".dvc").mkdir(parents=True)
    settings = "[core]\nno_scm = true\nremote = local\n['remote \"local\"']\nurl = ../kept/remote\n"
    (root / ".dvc/config").write_text(settings)
    shutil.copy(environment.ROOT / "params.yaml", root)
    own = root / "data/own/tickets"
    own.mkdir(parents=True)
    (own / "entry.yaml").write_text("task: sentiment\nkind: csv\npath: tickets.csv\n")
    (own / "dvc.lock").write_text(VERSIONS)
    (root / "kept/remote/ab").mkdir(parents=True)
    (root / "kept/remote/ab/cdef").write_text("rows")
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(calls, "ROOT", root)
    return root


@pytest.fixture
def champion(home, tmp_path):
    """A version that was promoted and is published, of digits."""
    state.connect()
    shutil.copy(home / "espalier.db", tmp_path / "empty.db")
    record = candidate(tmp_path, hits(0.9), dataset="mnist_5k")
    version = registry.register("image", "mnist_5k", record)
    decision.decide(evaluation(version, None))
    tokens.add("shop", ["predict"], None)
    return registry.champion("image", "mnist_5k")


def lose(home, checkout, tmp_path) -> None:
    """Have everything gone, as on another machine."""
    home.rename(tmp_path / "gone")
    home.mkdir()
    # What the first look at it makes; this process has had that look.
    (tmp_path / "empty.db").rename(home / "espalier.db")
    shutil.rmtree(checkout / "kept")
    shutil.rmtree(checkout / "data/own")
    shutil.rmtree(checkout / "data/collected", ignore_errors=True)


@pytest.mark.parametrize(
    "name", ["monday.tar", pytest.param("monday.tar.gz", marks=pytest.mark.slow)]
)
def test_an_empty_machine_has_the_champion_again(home, champion, checkout, tmp_path, name):
    shutil.copy(publish.folder() / "image.json", publish.folder() / "image.last-good.json")
    (home / "labels").mkdir()
    (home / "labels/1.jsonl").write_text("{}\n")
    (checkout / "data/collected/mnist_5k").mkdir(parents=True)
    (checkout / "data/collected/mnist_5k/2026-12-01.parquet").write_text("rows")
    entries = ledger.entries(champion.name)
    made = backup.backup(tmp_path / name)
    assert made.champions == {"image": f"{champion.name}/1"}
    assert (made.datasets, made.left_out) == (["tickets"], [])
    lose(home, checkout, tmp_path)
    assert ledger.models() == []
    restored = backup.restore(tmp_path / name)
    assert restored == made
    assert ledger.entries(champion.name) == entries
    again = registry.champion("image", "mnist_5k")
    assert again == champion
    assert verification.verify(again)
    assert publish.intact("image")
    assert (home / "labels/1.jsonl").read_text() == "{}\n"
    assert [client.name for client in tokens.listed()] == ["shop"]
    assert (checkout / "kept/remote/ab/cdef").read_text() == "rows"
    assert (checkout / "data/own/tickets/dvc.lock").read_text() == VERSIONS
    assert (checkout / "data/collected/mnist_5k/2026-12-01.parquet").read_text() == "rows"
    assert not list(home.glob(".restoring*"))


@pytest.mark.slow
def test_the_champion_answers_its_golden_requests_as_before(
    home, champion, checkout, tmp_path, monkeypatch
):
    backup.backup(tmp_path / "monday.tar")
    lose(home, checkout, tmp_path)
    backup.restore(tmp_path / "monday.tar")
    folder = publish.folder() / publish.read("image").artifact
    monkeypatch.setattr(environment, "ROOT", ROOT)
    tokens.file().unlink()  # else a client has to ask
    with service.running(service.CHECKOUT, ["image"], home) as running:
        assert service.replay(running.url, "image", folder) == len(tiny.REQUESTS["image"])


def test_what_cannot_be_restored_changes_nothing(home, champion, checkout, tmp_path):
    file = tmp_path / "monday.tar"
    backup.backup(file)
    with pytest.raises(UsageError, match="is there already"):
        backup.backup(file)
    with pytest.raises(RestoreError, match="into an empty home"):
        backup.restore(file)
    with lock.hold("image/digits"), pytest.raises(lock.LockHeldError):
        backup.backup(tmp_path / "tuesday.tar")
    assert not (tmp_path / "tuesday.tar").exists()

    lose(home, checkout, tmp_path)
    (tmp_path / "half.tar").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (tmp_path / "text.tar").write_text("nothing")
    for name in ("half.tar", "text.tar"):
        with pytest.raises((UsageError, RestoreError), match=r"can be read|damaged"):
            backup.restore(tmp_path / name)
    (checkout / "data/own/tickets").mkdir(parents=True)
    (checkout / "data/own/tickets/entry.yaml").write_text("task: image\n")
    with pytest.raises(RestoreError, match="declares another dataset tickets"):
        backup.restore(file)
    shutil.rmtree(checkout / "data/own")
    assert ledger.models() == []
    assert not (home / "mlflow.db").exists()
    assert not (checkout / "kept").exists()


def test_a_full_disk_leaves_neither_half_a_file_nor_a_copy(home, champion, checkout, tmp_path):
    with disks.mounted(tmp_path / "usb") as usb:
        for left in (0, 200, 1700):  # no room for anything, a database, the last file
            disks.fill(usb, left)
            with pytest.raises(disk.DiskFullError, match=f"of {usb}, where"):
                backup.backup(usb / "monday.tar")
            assert disks.files(usb) == {}
            disks.free(usb)
        assert backup.backup(usb / "monday.tar").champions
        assert disks.files(usb).keys() == {"monday.tar"}


def test_a_home_elsewhere_is_named(home, champion, checkout, tmp_path, monkeypatch):
    backup.backup(tmp_path / "monday.tar")
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(RestoreError, match="set ESPALIER_HOME to it") as refused:
        backup.restore(tmp_path / "monday.tar")
    assert str(home) in str(refused.value)


@pytest.mark.slow
def test_a_changed_artifact_is_found(home, champion, checkout, tmp_path):
    backup.backup(tmp_path / "monday.tar")
    lose(home, checkout, tmp_path)
    with tarfile.open(tmp_path / "monday.tar") as archive:
        archive.extractall(tmp_path / "open", filter="data")
    [model] = (tmp_path / "open/home/published/artifacts").glob("*/model.onnx")
    model.write_bytes(model.read_bytes()[:-1] + b"0")
    with tarfile.open(tmp_path / "changed.tar", "w") as archive:
        archive.add(tmp_path / "open", ".")
    with pytest.raises(RestoreError, match="the champion of image is not whole"):
        backup.restore(tmp_path / "changed.tar")


@pytest.mark.slow
def test_a_restore_that_was_killed_is_done_again(home, champion, checkout, tmp_path):
    backup.backup(tmp_path / "monday.tar")
    lose(home, checkout, tmp_path)
    (home / "published").mkdir()  # moved, and of the databases the first
    (home / "published/image.json").write_text("half")
    (home / "mlflow.db").write_text("half")
    (home / ".restore-begun").touch()
    (home / ".restoring-x").mkdir()
    assert backup.restore(tmp_path / "monday.tar").champions
    assert publish.intact("image")
