"""The guard of a dataset's version is fitted once, and again when what was kept is damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
from recorded import HASH

from data.declared import SPLITS
from models import architectures
from models.artifact import artifact
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.training import guard
from pipelines.training.guard import GuardError

FACTS = {
    "name": "digits",
    "task": "image",
    "labels": ["0", "1"],
    "rows": dict.fromkeys(SPLITS, 40),
}
VERSION = DatasetVersion("image", "digits", HASH, FACTS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Prepared data: pictures of a few bars."""
    random = np.random.default_rng(0)
    folder = tmp_path / "prepared"
    folder.mkdir()
    for split in SPLITS:
        image = np.zeros((40, 8, 8, 1), np.uint8)
        image[np.arange(40), :, random.integers(0, 8, 40)] = 255
        label = random.integers(0, 2, 40)
        np.savez(folder / f"{split}.npz", image=image, label=label, id=np.arange(40))
    (folder / "dataset.json").write_text(json.dumps(FACTS))
    monkeypatch.setattr(data, "local", lambda _: folder)
    return folder


def files(fitted: guard.Guard) -> Path:
    return tracking.artifact_folder(fitted.run_id)


def runs() -> list:
    return tracking.runs(VERSION, tracking.GUARD, "FINISHED")


def test_it_is_fitted_once_for_its_code_and_never_a_rival(home, folder, monkeypatch):
    first = guard.ensure(VERSION, None)
    assert set(artifact.GUARD) <= {path.name for path in files(first).iterdir()}
    assert [line.name for line in first.lines] == ["guard"]
    assert guard.ensure(VERSION, None) == first._replace(lines=())
    [run] = runs()
    assert run.data.tags["espalier.fingerprint"] == first.fingerprint
    assert 0 <= run.data.metrics["test_familiar"] <= 1
    assert tracking.records(VERSION) == []
    monkeypatch.setattr(architectures, "sources", lambda task, arch, parameters: [])
    assert guard.ensure(VERSION, None).fingerprint != first.fingerprint


def test_a_damaged_or_missing_one_is_fitted_again(home, folder):
    one, other = artifact.GUARD
    first = guard.ensure(VERSION, None)
    (files(first) / one).write_bytes(b"damaged")
    second = guard.ensure(VERSION, None)
    (files(second) / other).unlink()
    third = guard.ensure(VERSION, None)
    assert len({first.run_id, second.run_id, third.run_id}) == 3
    assert guard.ensure(VERSION, None).run_id == third.run_id


def test_one_that_cannot_be_fitted_says_so(home, folder):
    np.savez(folder / "validation.npz", image=np.zeros((0, 8, 8, 1), np.uint8), label=[], id=[])
    with pytest.raises(GuardError, match=r"guard of digits, .*: The validation split: .* rows"):
        guard.ensure(VERSION, None)
    [failed] = tracking.runs(VERSION, tracking.GUARD, "FAILED")
    assert "validation split" in failed.data.tags[tracking.FAILURE]
