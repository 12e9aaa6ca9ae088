"""Which test rows a model was fitted on, from its artifact or from the data of its version."""

from dataclasses import replace

import numpy as np
import pytest
from candidates import candidate, hits
from recorded import DIGITS
from small_data import IMAGE, dated, digits, waves

from data import classes, stored
from pipelines.experiments import dataset, registry, seen, verification

LATER = replace(DIGITS, hash="f" * 32 + ".dir")


def texts(words: list[str], **columns) -> dict[str, np.ndarray]:
    columns = {"text": words} | columns
    made = {name: np.array(column, object) for name, column in columns.items()}
    return made | {"label": np.zeros(len(words), int)}


def splits(train: dict, validation: dict) -> dict:
    return {"train": train, "validation": validation, "test": train}


@pytest.fixture
def fitted(home, tmp_path) -> registry.Version:
    """On an older version of the data than LATER; its artifact does not say what it has seen."""
    return registry.preview("image", "digits", candidate(tmp_path, hits(0.9)))


def unseen(fitted, folder, test, rows=None):
    mask = seen.unseen(LATER, fitted, folder, test, rows or {"label": test["label"]})
    return mask if mask is None else mask.tolist()


@pytest.mark.parametrize(
    ("known", "test", "expected"),
    [
        ({}, texts(["new", "A film", "b", "c"]), [True, False, False, True]),
        (  # one was cleaned, one has another id now, one is new
            {"key": "12"},
            texts(["a fine film", "b", "c"], key=[*"134"]),
            [False, False, True],
        ),
        (  # another row of an author that it knows
            {"group": "xy"},
            texts(["new", "newer"], group=[*"zy"]),
            [True, False],
        ),
        ({"key": "12"}, texts(["new", "b"]), [True, False]),
    ],
)
def test_rows_are_known_by_content_id_and_group(fitted, tmp_path, known, test, expected):
    train, validation = (
        texts([word], **{name: [names[number]] for name, names in known.items()})
        for number, word in enumerate(["a film", "b"])
    )
    seen.write(tmp_path, splits(train, validation))
    assert unseen(fitted, tmp_path, test) == expected


def test_of_a_series_all_is_known_up_to_the_last_instant_of_validation(fitted, tmp_path):
    made = dated(waves())
    seen.write(tmp_path, made)
    last = made["validation"]["time"][-1]
    rows = {"error": np.ones((3, 2)), "time": last + np.array([-1, 0, 1], "timedelta64[h]")}
    assert unseen(fitted, tmp_path, made["test"], rows) == [False, False, True]


def test_on_its_own_version_of_the_data_a_model_has_seen_no_test_row(fitted, tmp_path):
    rows = {"label": np.zeros(3)}
    assert seen.unseen(DIGITS, fitted, tmp_path, None, rows).tolist() == [True] * 3


def put(folder, monkeypatch) -> str:
    folder.mkdir()
    stored.write(folder, stored.Dataset(IMAGE, digits()))
    monkeypatch.setattr(dataset, "local", lambda version: folder)


def test_of_an_artifact_of_before_its_data_says_it_where_it_is_there(fitted, tmp_path, monkeypatch):
    folder = verification.artifact_folder(fitted.run_id)
    test = {name: column[:4] for name, column in digits()["train"].items()}
    assert unseen(fitted, folder, test) is None  # it is gone
    put(tmp_path / "prepared", monkeypatch)
    assert unseen(fitted, folder, test) == [False] * 4


def test_what_other_code_digested_is_not_believed(fitted, tmp_path, monkeypatch):
    test = texts(["a"])
    with monkeypatch.context() as patch:
        patch.setattr(classes, "digests", lambda rows: np.array(["ab" * 32 for _ in rows]))
        seen.write(tmp_path, splits(test, test))
    assert unseen(fitted, tmp_path, test) is None


def test_without_the_present_data_nobody_knows(fitted, tmp_path):
    assert seen.unseen(LATER, fitted, tmp_path, None, {"label": np.zeros(3)}) is None
