"""The rows of the state database say what MLflow says, and MLflow is asked where they may not."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from recorded import DIGITS, HASH, finished, fit

from models.evaluation import measure
from pipelines.experiments import leaderboard_rows, registry, tracking, verification
from pipelines.experiments.scores import rows_of
from pipelines.locks import state

WITHOUT_MLFLOW = """
import sys
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import comparison
board = comparison.compare(DatasetVersion("image", "digits", sys.argv[1]))
assert "mlflow" not in sys.modules
print([row["arch"] for row in board["rows"]], board["champion"], len(board["curves"]))
"""


@pytest.fixture
def fits(database, home, tmp_path) -> list[tracking.Record]:
    """Three fits, one of them a look, and beside them what must not be found."""
    planned = [fit("ann"), fit("cnn", units=8, names=["a", "b"]), replace(fit("lstm"), look=True)]
    made = [finished(one, tmp_path / one.arch, test_accuracy=0.8) for one in planned]
    finished(fit("cnn", dataset_hash="another"), tmp_path / "other data")
    with pytest.raises(ZeroDivisionError), tracking.child(fit("deep_cnn"), None):
        raise ZeroDivisionError
    return made


def test_a_record_is_what_mlflow_holds(fits):
    assert tracking.records(DIGITS) == fits
    run = tracking.connect().get_run(fits[1].run_id)
    assert fits[1].metrics == run.data.metrics
    assert fits[1].artifact_uri == run.info.artifact_uri
    assert fits[1].parameters == {"epochs": 1, "units": 8, "names": ["a", "b"]}
    assert len(tracking.all_records("image", "digits")) == len(fits) + 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_store_made_elsewhere_is_taken_in_once(fits, monkeypatch, tmp_path):
    monkeypatch.setenv(state.VARIABLE, f"sqlite:///{tmp_path / 'another.db'}")
    assert tracking.records(DIGITS) == fits
    monkeypatch.setattr(tracking, "connect", None)
    assert tracking.records(DIGITS) == fits


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_fit_without_a_row_is_looked_up_before_it_is_done_again(fits):
    leaderboard_rows.remove([fits[0].run_id])
    assert [one.arch for one in tracking.records(DIGITS)] == ["cnn", "lstm"]
    assert verification.reusable([fit("ann")]) == {fits[0].fingerprint: fits[0]}
    assert len(tracking.records(DIGITS)) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_fit_whose_run_was_deleted_is_to_be_done_again(fits):
    leaderboard_rows.note_unchanged("image", "digits")
    assert leaderboard_rows.unchanged("image", "digits")
    tracking.connect().delete_run(fits[0].run_id)
    assert not leaderboard_rows.unchanged("image", "digits")
    tracking.mend("image", "digits")
    assert verification.reusable([fit("ann")]) == {}
    assert [one.arch for one in tracking.records(DIGITS)] == ["cnn", "lstm"]


def test_a_server_cannot_say_that_nothing_changed(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000/mlflow")
    leaderboard_rows.note_unchanged("image", "digits")
    assert not leaderboard_rows.unchanged("image", "digits")


@pytest.mark.parametrize("name", ["MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"])
def test_a_fit_has_a_run_of_its_own(home, tmp_path, monkeypatch, name):
    other = finished(fit("ann"), tmp_path / "other")
    monkeypatch.setenv(name, other.run_id)
    assert finished(fit("cnn"), tmp_path / "fit").run_id != other.run_id
    assert {one.arch for one in tracking.records(DIGITS)} == {"ann", "cnn"}


def test_what_is_no_number_is_missing_rather_than_nought(home, tmp_path):
    finished(fit(), tmp_path / "fit", test_accuracy=float("nan"))
    [record] = tracking.records(DIGITS)
    assert "test_accuracy" not in record.metrics
    assert "validation_accuracy" in record.metrics


@pytest.fixture
def scored(home, tmp_path) -> tuple[tracking.Record, dict]:
    """A fit with its scores row by row."""
    label = np.arange(40) % 4
    splits = {split: {"label": label} for split in ("train", "validation", "test")}
    facts = {"task": "image", "labels": ["a", "b", "c", "d"]}
    answers = dict.fromkeys(("validation", "test"), np.eye(4)[label])
    scores = measure.score_probabilities(answers, splits, facts)
    return finished(fit("ann"), tmp_path / "ann", rows=scores), scores


def test_models_are_compared_without_mlflow(scored):
    record, _ = scored
    registry.set_champion(registry.register("image", "digits", record))
    python = [sys.executable, "-c", WITHOUT_MLFLOW, HASH]
    done = subprocess.run(python, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "['ann']" in done.stdout
    assert record.fingerprint in done.stdout


def test_rows_are_read_from_where_they_are_known_to_lie(scored, monkeypatch):
    record, scores = scored
    assert rows_of(record.run_id, "test").keys() == scores["test"].rows.keys()
    monkeypatch.setattr(tracking, "connect", None)
    part = rows_of(record.run_id, "test")
    assert part["correct"].all()
