"""Who gets a full fit, and what the leaderboard shows of those who did not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from recorded import DIGITS, HASH, finished, fit

from models import architectures
from pipelines.experiments import registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import leaderboard
from pipelines.runtime import settings
from pipelines.training import successive_halving

FACTS = {"name": "digits", "task": "image", "rows": {"train": 1000}}
VERSION = DatasetVersion("image", "digits", HASH, FACTS)


@pytest.fixture
def first_look(home, monkeypatch) -> Iterator[dict]:
    look = {"share": 0.5, "epochs": 1, "keep": 2}
    profiles = {"quick": {"first_look": {"image": look}}, "full": {}}
    monkeypatch.setattr(settings, "_read", lambda: {"profiles": profiles, "datasets": {}})
    successive_halving.of_profile.cache_clear()
    yield look
    successive_halving.of_profile.cache_clear()


def look_at(arch: str, folder, score: float) -> tracking.Record:
    look = replace(fit(arch, share=0.5), look=True)
    return finished(look, folder / arch, validation_accuracy=score)


def test_every_architecture_gets_a_look(first_look):
    looks = successive_halving.plan(VERSION, "quick").looks
    assert [look.arch for look in looks] == architectures.names("image")
    for look in looks:
        assert look.look
        assert (look.parameters["share"], look.parameters["epochs"]) == (0.5, 1)


def test_the_promising_get_full_fits_with_the_profile_s_parameters(first_look, tmp_path):
    scores = {"perceptron": 0.7, "ann": 0.9, "cnn": 0.8}
    records = [look_at(arch, tmp_path, score) for arch, score in scores.items()]
    fits = successive_halving.plan(VERSION, "quick").fits(records)
    assert [full.arch for full in fits] == ["ann", "cnn"]
    for full in fits:
        assert not full.look
        assert full.parameters["share"] == 1
        assert full.parameters == architectures.resolve("image", full.arch, {}, FACTS)
    assert successive_halving.plan(VERSION, "quick").fits([]) == []


def test_the_champions_recipe_is_fitted_on_new_rows_whatever_its_first_look_says(
    first_look, tmp_path
):
    known = architectures.defaults("image", "perceptron")
    recipe = known | {"epochs": 7, "gone": 1}  # a parameter that the code no longer knows
    record = finished(fit("perceptron", 3, "f" * 32 + ".dir", **recipe), tmp_path / "champion")
    registry.set_champion(registry.register("image", "digits", record))
    looks = [look_at("ann", tmp_path, 0.9), look_at("cnn", tmp_path, 0.8)]
    plan = successive_halving.plan(VERSION, "quick")
    champion, *promising = plan.fits(looks)
    assert champion == plan.champion
    assert (champion.arch, champion.seed, champion.look) == ("perceptron", 3, False)
    assert champion.parameters == known | {"epochs": 7}
    assert champion.dataset == VERSION
    assert [one.arch for one in promising] == ["ann", "cnn"]
    # Where the profile would fit it too, it is one fit.
    again = finished(replace(plan.full[1], dataset=VERSION), tmp_path / "again")
    registry.set_champion(registry.register("image", "digits", again))
    assert [one.arch for one in successive_halving.plan(VERSION, "quick").fits(looks)] == [
        "ann",
        "cnn",
    ]


def test_a_profile_without_a_first_look_fits_all_in_full(first_look):
    plan = successive_halving.plan(VERSION, "full")
    assert plan.looks == []
    assert [full.arch for full in plan.fits([])] == architectures.names("image")


def test_the_newest_look_is_shown_below_the_full_fits_and_not_beside_its_own(home, tmp_path):
    look_at("ann", tmp_path, 0.95)
    look_at("cnn", tmp_path, 0.8)
    newest = replace(fit("ann", epochs=2, share=0.2), look=True)
    finished(newest, tmp_path / "newest")
    finished(fit("cnn", share=1.0), tmp_path / "full", validation_accuracy=0.9)
    board = leaderboard.compare(DIGITS)
    assert [(row["arch"], row["look"]) for row in board["rows"]] == [("cnn", False), ("ann", True)]
    assert board["rows"][1]["parameters"]["epochs"] == 2
    columns = leaderboard.table(board).columns
    assert [[*one.cells] for one in columns if one.header == "rows"] == [["all", "20%"]]
    # A look that is named by its parameters is a fit like others.
    [row] = leaderboard.compare(DIGITS, only=[newest])["rows"]
    assert (row["share"], row["look"]) == (0.2, False)
