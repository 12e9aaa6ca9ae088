"""Whether a run is told as of a changed checkout."""

import subprocess

import pytest

from pipelines.runtime import commit, environment


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [("data/own/pets/entry.yaml", "false"), ("data/own/kept.yaml", "true"), ("new.py", "true")],
)
def test_an_own_dataset_that_nobody_commits_is_no_change(tmp_path, monkeypatch, changed, dirty):
    (tmp_path / "data/own/pets").mkdir(parents=True)
    (tmp_path / "data/own/kept.yaml").touch()
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@example.org commit -qm a"):
        subprocess.run(["git", "-C", tmp_path, *words.split()], check=True)
    (tmp_path / changed).write_text("x")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    commit.tags.cache_clear()
    assert commit.tags()["espalier.git_dirty"] == dirty
    commit.tags.cache_clear()
