"""A profile with a first look, by the command alone: three looks, one full fit, one champion."""

import pytest
from project import KEPT, answer, espalier, kept, outcomes, parameters, runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    project = prepared_copy(tmp_path_factory.mktemp("halving") / "project")
    with parameters(project) as params:
        look = {"image": {"share": 0.5, "epochs": 2, "keep": 1}}
        params["profiles"]["quick"]["first_look"] = look
        # In a process of its own: the worker's TensorFlow has begun with one thread by then.
        params["profiles"]["quick"]["image"]["cnn"]["all"]["threads"] = 2
    return project


@pytest.fixture(scope="module")
def first(project) -> dict:
    return outcomes(project, "--task", "image")["image"]


def test_the_best_look_gets_the_full_fit_and_the_champion_is_one(project, first):
    assert (first["trained"], first["reused"]) == (4, 0)
    fits = runs(project, "image", "digits", "fit")
    looks = {
        run.data.tags["espalier.arch"]: run.data.metrics["validation_accuracy"]
        for run in fits
        if run.data.tags["espalier.look"] == "true"
    }
    assert set(looks) == set(KEPT["image"])
    before, full, refit = [run for run in fits if run.data.tags["espalier.look"] == "false"]
    assert before.data.tags["espalier.arch"] == "cnn"
    assert full.data.tags["espalier.arch"] == max(looks, key=looks.get)
    assert refit.data.tags["espalier.arch"] == full.data.tags["espalier.arch"]
    assert first["champion"]["fingerprint"] == refit.data.tags["espalier.fingerprint"]


def test_the_leaderboard_holds_the_baseline_and_who_got_what(project, first):
    """Of the cnn the full fit that was there before, of the third its look; and the best once
    more, refitted."""
    board = answer(espalier(project, "compare", "--task", "image", "--json"))
    assert [(row["share"], row["champion"]) for row in board["rows"]] == [
        (1.0, True),
        (1.0, False),
        (1.0, False),
        (0.5, False),
    ]
    [majority] = board["rivals"]
    assert (majority["name"], majority["kind"]) == ("majority", "baseline")


def test_a_damaged_look_is_taken_again_and_decides_the_same(project, first):
    look = next(
        run
        for run in runs(project, "image", "digits", "fit")
        if run.data.tags["espalier.look"] == "true"
    )
    (kept(look, "model") / "model.onnx").write_bytes(b"damaged")
    for trained in (1, 0):
        again = outcomes(project, "--task", "image")["image"]
        assert again == first | {"trained": trained, "reused": 4 - trained}
