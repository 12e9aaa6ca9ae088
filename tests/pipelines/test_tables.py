"""What is read straight from MLflow's tables is what MLflow itself would say."""

import sqlite3
from dataclasses import replace

import numpy as np
import postgres
import pytest
from recorded import DIGITS, finished, fit

from models.evaluation import measure
from pipelines.experiments import tables, tracking


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request, home, monkeypatch):
    """An empty record of each kind."""
    if request.param == "postgresql":
        monkeypatch.chdir(home)  # where MLflow puts artifacts that nobody told it a place for
        server = request.getfixturevalue("postgresql")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.empty_database(server))


@pytest.fixture
def fits(store, tmp_path) -> list[tracking.Record]:
    """Three fits, one of them a look, and beside them what must not be found."""
    planned = [fit("ann"), fit("cnn", units=8, names=["a", "b"]), replace(fit("lstm"), look=True)]
    made = [finished(one, tmp_path / one.arch, test_accuracy=0.8) for one in planned]
    finished(fit("cnn", dataset_hash="another"), tmp_path / "other data")
    deleted = finished(fit("perceptron"), tmp_path / "deleted")
    tracking.connect().delete_run(deleted.run_id)
    with pytest.raises(ZeroDivisionError), tracking.child(fit("deep_cnn"), None):
        raise ZeroDivisionError
    return made


def test_both_ways_to_the_record_say_the_same(fits, monkeypatch):
    quick = tracking.records(DIGITS)
    monkeypatch.setattr(tables, "readable", lambda uri: False)
    slow = tracking.records(DIGITS)
    assert [one.run_id for one in quick] == [one.run_id for one in fits]
    for one, other in zip(quick, slow, strict=True):
        known = {name: other.metrics[name] for name in one.metrics}
        assert one == replace(other, metrics=known)
        assert {"validation_accuracy", "test_accuracy_low", "latency_ms"} <= known.keys()


def test_without_a_hash_those_of_every_version_are_found(fits):
    assert len(tracking.all_records("image", "digits")) == len(fits) + 1


def test_what_is_no_number_is_missing_rather_than_nought(home, tmp_path):
    finished(fit(), tmp_path / "fit", test_accuracy=float("nan"))
    [record] = tracking.records(DIGITS)
    assert "test_accuracy" not in record.metrics
    assert "validation_accuracy" in record.metrics


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("sqlite:////tmp/mlflow.db?timeout=60", True),
        ("postgresql+psycopg2://me@host/mlflow", True),
        ("http://host:5000", False),
        ("databricks", False),
    ],
)
def test_a_database_is_told_from_a_server(uri, database):
    assert tables.readable(uri) is database


def test_after_a_retraining_a_history_is_found_by_its_run(home):
    values = [(f"{run:032}", step) for run in range(300) for step in range(20)]
    with sqlite3.connect(home / "mlflow.db") as store:
        columns = "(run_uuid, step, key, value, timestamp)"
        store.executemany(f"INSERT INTO metrics {columns} VALUES (?, ?, 'loss', 1, 1)", values)
    with tracking.parent(DIGITS, "quick", "retrain"):
        pass
    with sqlite3.connect(home / "mlflow.db") as store:
        asked = "EXPLAIN QUERY PLAN SELECT * FROM metrics WHERE run_uuid = ? AND key = 'loss'"
        assert "(run_uuid=? AND key=?)" in store.execute(asked, [values[0][0]]).fetchone()[-1]


def test_a_store_that_is_busy_is_left_alone(home):
    busy = f"sqlite:///{home / 'mlflow.db'}?timeout=0.1"
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute("BEGIN EXCLUSIVE")
        tables.analyse(busy)


def test_rows_are_read_in_part_and_from_where_they_are_known_to_lie(home, tmp_path, monkeypatch):
    label = np.arange(40) % 4
    splits = {split: {"label": label} for split in ("train", "test")}
    facts = {"labels": ["a", "b", "c", "d"]}
    scores = measure.score_probabilities({"test": np.eye(4)[label]}, splits, facts)
    record = finished(fit(), tmp_path / "fit", rows=scores)
    whole = tracking.rows(record.run_id, "test")
    assert whole.keys() == scores["test"].rows.keys()
    monkeypatch.setattr(tracking, "connect", None)
    known = ("correct", "error")
    part = tracking.rows(record.run_id, "test", artifact_uri=record.artifact_uri, only=known)
    assert list(part) == ["correct"]
    assert part["correct"].all()
