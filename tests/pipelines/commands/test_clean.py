import json
import os
import subprocess
import time
from types import SimpleNamespace

import pytest

from data.dvc import remote
from pipelines.commands import clean
from pipelines.locks import lock
from pipelines.release import bento
from pipelines.runtime import environment
from pipelines.runtime.settings import UsageError

DAY = 86_400


@pytest.fixture
def world(home, tmp_path, monkeypatch):
    """A home and a checkout with files of several ages; a name says how many days."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "params.yaml").write_text((environment.ROOT / "params.yaml").read_text())
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(
        remote, "unused_in_cache", list
    )  # DVC, MLflow and BentoML: tests/test_clean.py
    monkeypatch.setattr(remote, "remove_unused_in_cache", lambda: None)

    def lay(path: str, days: float, text: str = "x" * 100):
        file = (root if path.startswith("data/") else home) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (time.time() - days * DAY,) * 2)
        return file

    return SimpleNamespace(lay=lay, home=home)


def test_old_files_go_and_what_is_named_or_young_stays(world):
    gone = [
        world.lay("logs/run-1.log", 31),
        world.lay("logs/run-2.log", 2, ""),
        world.lay("checkpoints/a.npz", 31),
        world.lay("data/raw/none/rows.npz", 0),
        world.lay("published/artifacts/aa/model.onnx", 0),
    ]
    kept = [
        world.lay("logs/run-3.log", 29),
        world.lay("logs/run-4.log", 0, ""),
        world.lay("checkpoints/b.npz", 29),
        world.lay("data/raw/digits/rows.npz", 99),
        world.lay("published/artifacts/bb/model.onnx", 99),
        world.lay("published/artifacts/cc/model.onnx", 99),
        world.lay("published/image.json", 99, json.dumps({"artifact": "artifacts/bb"})),
        world.lay("published/image.last-good.json", 99, json.dumps({"artifact": "artifacts/cc"})),
    ]
    shown = clean.clean("30d", 1, remove=False)
    assert all(file.exists() for file in gone + kept)
    young = {gone[4]}  # whatever its files say, it came here just now
    removed = clean.clean("30d", 1, remove=True)
    assert removed.parts == shown.parts
    assert {file for file in gone if file.exists()} == young
    assert all(file.exists() for file in kept)
    clean.clean("0d", 1, remove=True)
    assert not any(file.exists() for file in gone)
    assert all(file.exists() for file in kept if file.parent.parent.name in ("artifacts", "raw"))


def test_rows_of_the_request_log_are_shown_and_then_forgotten(world):
    other = '{"client": "other", "request_id": "b"}\n'
    file = world.lay("requests/1.jsonl", 99, '{"client": "shop", "request_id": "a"}\n' + other)
    shown = clean.forget({"client": "shop"}, remove=False)
    assert shown.parts == [clean.Part("rows of requests", 1, file.stat().st_size - 39)]
    removed = clean.forget({"client": "shop"}, remove=True)
    assert (removed.parts, removed.left) == (shown.parts, [])
    assert file.read_text() == other


def test_of_bentos_the_newest_and_what_serves_stay(world):
    old, served, newest = (
        world.lay(f"bentoml/bentos/espalier/{name}/src/README.md", 0).parents[1]
        for name in ("hu7p3jxmjo5keax1", "hu7p3jxmjo5keax2", "hu7p3jxmjo5keax3")  # as BentoML's
    )
    for age, folder in enumerate((newest, served, old), 40):
        os.utime(folder, (time.time() - age * DAY,) * 2)
    with subprocess.Popen(["sleep", "60"], cwd=served / "src") as process:
        assert bento.idle(time.time(), keep=1) == [old]
        process.kill()
    assert bento.idle(time.time(), keep=1) == [served, old]
    assert bento.idle(time.time() - 60 * DAY, keep=1) == []


def test_it_waits_for_nobody_and_takes_no_age_that_is_none(world):
    with lock.hold("sentiment/imdb"), pytest.raises(lock.LockHeldError):
        clean.clean("30d", 3, remove=True)
    with pytest.raises(UsageError, match="30d"):
        clean.clean("30", 3, remove=False)
