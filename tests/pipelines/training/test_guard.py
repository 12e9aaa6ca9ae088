"""The guard of a dataset's version is fitted once, and again when what was kept is damaged."""

from pathlib import Path

import pytest
from recorded import HASH
from small_data import IMAGE, digits

from data import stored
from models.artifact import artifact
from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import comparison
from pipelines.training import guard
from pipelines.training.guard import GuardError

ROWS = 40
FACTS = IMAGE | {"rows": dict.fromkeys(("train", "validation", "test"), ROWS)}
VERSION = DatasetVersion("image", "digits", HASH, FACTS)


def first(rows: int, columns: dict) -> dict:
    return {name: column[:rows] for name, column in columns.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Prepared data: a few digits."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    splits = {split: first(ROWS, columns) for split, columns in digits().items()}
    stored.write(folder, stored.Dataset(FACTS, splits))
    monkeypatch.setattr(data, "local", lambda _: folder)
    return folder


def files(fitted: guard.Guard) -> Path:
    return verification.artifact_folder(fitted.run_id)


def test_it_is_fitted_once_for_its_code_and_never_a_rival(home, folder, monkeypatch):
    first = guard.ensure(VERSION, None)
    assert set(artifact.GUARD) <= {path.name for path in files(first).iterdir()}
    assert [line.name for line in first.lines] == ["guard"]
    assert guard.ensure(VERSION, None) == first._replace(lines=())
    [run] = tracking.runs(VERSION, tracking.GUARD, "FINISHED")
    assert run.data.tags["espalier.fingerprint"] == first.fingerprint
    assert 0 <= run.data.metrics["test_familiar"] <= 1
    assert tracking.records(VERSION) == []
    monkeypatch.setattr(fingerprint, "code", lambda task, arch, parameters: {})
    assert guard.ensure(VERSION, None).fingerprint != first.fingerprint


@pytest.mark.slow
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
    splits = stored.read(folder).splits
    splits["validation"] = first(0, splits["validation"])
    stored.write(folder, stored.Dataset(FACTS, splits))
    with pytest.raises(GuardError, match=r"guard of digits, .*: The validation split: .* rows"):
        guard.ensure(VERSION, None)
    [failed] = tracking.runs(VERSION, tracking.GUARD, "FAILED")
    assert "validation split" in failed.data.tags[tracking.FAILURE]


def test_test_rows_unlike_the_others_are_a_warning_each_time_and_on_the_page(
    home, tmp_path, monkeypatch
):
    splits = {split: first(200, columns) for split, columns in digits().items()}
    splits["test"]["image"] = 255 - splits["test"]["image"]
    stored.write(tmp_path, stored.Dataset(FACTS, splits))
    monkeypatch.setattr(data, "local", lambda _: tmp_path)
    _, warning = guard.ensure(VERSION, None).lines
    assert "warning: only 0.0% of the test rows look familiar" in warning.text
    assert guard.ensure(VERSION, None).lines == (warning,)
    [note] = comparison.compare(VERSION)["notes"]
    assert warning.text == f"warning: {note}"
