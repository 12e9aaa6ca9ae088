"""A model is scored on a version of the test split once; the rows are kept with its run."""

from dataclasses import replace

import numpy as np
import pytest
from candidates import candidate, hits
from recorded import DIGITS, finished, fit
from sklearn.metrics import recall_score
from small_data import IMAGE, digits

from data import stored
from data.errors import DataError
from models.errors import ModelError
from models.evaluation import measure
from models.evaluation.metrics import ACCURACY, METRICS
from pipelines.experiments import dataset, registry, scores, seen, tracking, verification
from pipelines.gate import slices
from pipelines.reports import comparison, leaderboard


@pytest.fixture
def fitted(home, tmp_path):
    return candidate(tmp_path, hits(0.9))


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Put so many test rows in the place of the prepared data; returns the hash of that."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    monkeypatch.setattr(dataset, "folder", lambda name: folder)

    def prepare(rows: int, labels=IMAGE["labels"], failures: bool = False) -> str:
        splits = digits()
        if failures:
            for columns in splits.values():
                columns["failure"] = columns["label"] == 3
        splits["test"] = {name: column[:rows] for name, column in splits["test"].items()}
        stored.write(folder, stored.Dataset(IMAGE | {"labels": labels}, splits))
        return stored.hash_of(folder)

    return prepare


def test_what_the_fit_scored_itself_is_read_again(fitted):
    rows = scores.on_test(DIGITS, fitted)
    np.testing.assert_array_equal(rows["correct"], hits(0.9))


@pytest.mark.slow
def test_a_later_version_is_scored_once_and_kept_but_by_a_dry_run(fitted, prepare):
    later = replace(DIGITS, hash=prepare(60))
    client, tag = tracking.connect(), scores.RESCORED + later.hash
    assert len(scores.on_test(later, fitted, keep=False)["correct"]) == 60
    assert tag not in client.get_run(fitted.run_id).data.tags
    first = scores.on_test(later, fitted)
    prepare(20)
    again = scores.on_test(later, fitted)
    assert first.keys() == again.keys()
    for name, column in first.items():
        np.testing.assert_array_equal(again[name], column)
    assert tag in client.get_run(fitted.run_id).data.tags


def test_rows_say_which_requests_were_answered_wrong(fitted, prepare):
    later = replace(DIGITS, hash=prepare(60, failures=True))
    rows = scores.on_test(later, fitted)
    np.testing.assert_array_equal(rows["failure"], rows["label"] == 3)
    [part] = [
        one for one in slices.score(ACCURACY, [rows], IMAGE["labels"]) if one.name == "failures"
    ]
    assert part.rows == (rows["label"] == 3).sum() > 0


def test_a_champion_of_older_data_has_a_row_with_its_scores_on_this_data(
    home, tmp_path, fitted, prepare
):
    later = replace(DIGITS, hash=prepare(60))
    registry.set_champion(registry.register("image", "digits", fitted))
    (tmp_path / "again").mkdir()
    same_again = candidate(tmp_path / "again", hits(0.5), dataset_hash=later.hash)
    board = comparison.compare(later)
    assert [row["champion"] for row in board["rows"]] == [False]
    assert "v1 cnn, has no row" in comparison.sentences(board)[0]

    correct = scores.on_test(later, fitted)["correct"]
    board = comparison.compare(later)
    names = dict(leaderboard.named(leaderboard.best(board)))
    assert names.keys() == {"cnn", "cnn of data 01234567"}
    champion, other = names["cnn of data 01234567"], names["cnn"]
    assert (champion["runs"][0]["run_id"], champion["champion"]) == (fitted.run_id, True)
    assert (other["runs"][0]["run_id"], other["champion"]) == (same_again.run_id, False)
    assert champion["test"]["mean"] == correct.mean()
    assert not any("has no row" in sentence for sentence in comparison.sentences(board))


@pytest.mark.parametrize(
    ("rows", "learned", "note"),
    [
        (300, 100, "has seen 100 of 300 test rows: every verdict is of the 200 that remain"),
        (60, 20, "has seen 20 of 60 test rows, and is left out of the verdicts: 40 remain"),
        (60, 60, None),
    ],
)
def test_rows_that_a_champion_has_seen_say_nothing_of_it(
    fitted, prepare, tmp_path, rows, learned, note
):
    later = replace(DIGITS, hash=prepare(rows))
    test = digits()["test"]
    early = {name: column[:learned] for name, column in test.items()}
    folder = verification.artifact_folder(fitted.run_id)
    seen.write(folder, {"train": early, "validation": early})
    registry.set_champion(registry.register("image", "digits", fitted))
    splits = {split: {"label": test["label"][:rows]} for split in ("train", "validation", "test")}
    right = {split: np.eye(10)[splits[split]["label"]] for split in measure.SCORED}
    same = measure.score_probabilities(right, splits, IMAGE)
    finished(fit(dataset_hash=later.hash), tmp_path / "again", rows=same)
    correct = scores.on_test(later, fitted, folder)["correct"]
    board = comparison.compare(later)
    names = dict(leaderboard.named(leaderboard.best(board)))
    if note is None:
        assert names.keys() == {"cnn"}
        assert "has no row" in comparison.sentences(board)[0]
        return
    champion = names["cnn of data 01234567"]
    assert champion["test"]["mean"] == correct[learned:].mean()
    assert champion["unseen"] == rows - learned
    assert board["notes"][-1] == f"cnn of data 01234567 {note}"
    assert len(board["verdicts"]) == 2 * ("every" in note)
    assert board["test_rows"] == (rows - learned if "every" in note else rows)


def test_rows_of_older_code_are_measured_anew(home, tmp_path, prepare):
    present = prepare(60)
    fitted = candidate(tmp_path, hits(0.9), dataset_hash=present)
    path = verification.artifact_folder(fitted.run_id).parent / "scores" / "test.npz"
    with np.load(path) as arrays:
        old = {name: column for name, column in arrays.items() if name != "naive_correct"}
    np.savez(path, **old)
    assert len(scores.on_test(replace(DIGITS, hash=present), fitted)["naive_correct"]) == 60


def test_other_labels_cannot_be_scored(fitted, prepare):
    later = prepare(60, labels=["even", "odd"])
    with pytest.raises(ModelError, match="even, odd"):
        scores.on_test(replace(DIGITS, hash=later), fitted)


def test_with_other_labels_the_rows_of_shared_names_are_scored(fitted, prepare):
    """The artifact answers with 0 to 9; today two labels have other names."""
    names = ["nine", "eight", *IMAGE["labels"][:8]]
    shifted = replace(DIGITS, hash=prepare(60, labels=names))
    ours = {"label": digits()["test"]["label"][:60]}
    known, rows = scores.by_name(shifted, verification.artifact_folder(fitted.run_id), ours)
    np.testing.assert_array_equal(known, ours["label"] >= 2)
    chances = scores.on_test(replace(DIGITS, hash=prepare(60)), fitted)["probabilities"]
    said = np.where(chances.argmax(axis=1) < 8, chances.argmax(axis=1) + 2, -1)
    np.testing.assert_array_equal(rows["predicted"], said)
    np.testing.assert_array_equal(rows["correct"], said == ours["label"])
    np.testing.assert_array_equal(rows["probabilities"][:, 2:], chances[:, :8])
    hits = measure.value(METRICS["balanced_accuracy"], [slices.only(rows, known)])
    pair = [rows[name][known] for name in ("label", "predicted")]
    assert hits == pytest.approx(recall_score(*pair, labels=range(2, 10), average="macro"))
    costly = rows | {"costs": np.ones((10, 10))}
    assert np.isnan(METRICS["cost"].of(costly)) == (said < 0).any()


def test_other_data_than_dvc_lock_names_is_not_scored(fitted, prepare):
    later = prepare(60)
    lies_there = prepare(20)
    with pytest.raises(DataError, match=lies_there):
        scores.on_test(replace(DIGITS, hash=later), fitted)
