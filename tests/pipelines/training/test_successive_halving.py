"""Who gets a full fit, and what the leaderboard shows of those who did not."""

from dataclasses import replace
from uuid import uuid4

import pytest
from recorded import DIGITS, FACTS, HASH, finished, fit

from models import architectures
from pipelines.experiments import plan as planning
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import leaderboard
from pipelines.runtime import settings
from pipelines.training import successive_halving

VERSION = DatasetVersion("image", "digits", HASH, FACTS)


@pytest.fixture
def version(home, monkeypatch) -> DatasetVersion:
    """One that no plan was made for, where quick takes first looks."""
    looks = {"image": {"share": 0.5, "epochs": 1, "keep": 2}}
    few = {"image": {"share": 0.5, "epochs": 1, "rows": 800, "steps": 40, "keep": 2}}
    profiles = {
        "quick": {"first_look": looks},
        "full": {},
        "few": {"first_look": few, "steps": 600, "image": {"ann": {"all": {"epochs": 3}}}},
    }
    monkeypatch.setattr(settings, "_read", lambda: {"datasets": {}, "profiles": profiles})
    return replace(VERSION, hash=uuid4().hex)


def look_at(arch: str, folder, score: float) -> tracking.Record:
    look = replace(fit(arch, share=0.5), look=True)
    return finished(look, folder / arch, validation_accuracy=score)


def test_every_architecture_gets_a_look(version):
    looks = successive_halving.plan(version, "quick").looks
    assert [look.arch for look in looks] == architectures.names("image")
    for look in looks:
        assert look.look
        assert (look.parameters["share"], look.parameters["epochs"]) == (0.5, 1)


def test_the_promising_get_full_fits_with_the_profile_s_parameters(version, tmp_path):
    scores = {"perceptron": 0.7, "ann": 0.9, "cnn": 0.8}
    records = [look_at(arch, tmp_path, score) for arch, score in scores.items()]
    fits = successive_halving.plan(version, "quick").fits(records)
    assert [full.arch for full in fits] == ["ann", "cnn"]
    for full in fits:
        assert not full.look
        assert full.parameters["share"] == 1
        assert full.parameters == architectures.resolve("image", full.arch, {}, FACTS)
    assert successive_halving.plan(version, "quick").fits([]) == []


def test_the_champions_recipe_is_fitted_on_new_rows_whatever_its_first_look_says(version, tmp_path):
    known = architectures.defaults("image", "perceptron")
    recipe = known | {"epochs": 7, "gone": 1}  # a parameter that the code no longer knows
    record = finished(fit("perceptron", 3, "f" * 32 + ".dir", **recipe), tmp_path / "champion")
    registry.set_champion(registry.register("image", "digits", record))
    looks = [look_at("ann", tmp_path, 0.9), look_at("cnn", tmp_path, 0.8)]
    plan = successive_halving.plan(version, "quick")
    champion, *promising = plan.fits(looks)
    assert (champion,) == plan.champion
    assert (champion.arch, champion.seed, champion.look) == ("perceptron", 3, False)
    assert champion.parameters == known | {"epochs": 7}
    assert champion.dataset == version
    assert [one.arch for one in promising] == ["ann", "cnn"]
    # Where the profile would fit it too, it is one fit.
    again = finished(replace(plan.full[1], dataset=version), tmp_path / "again")
    registry.set_champion(registry.register("image", "digits", again))
    assert [one.arch for one in successive_halving.plan(version, "quick").fits(looks)] == [
        "ann",
        "cnn",
    ]


def test_the_best_full_fits_are_blended(version, tmp_path):
    plan = successive_halving.plan(version, "full")
    full = {one.arch: one for one in plan.full}
    other = full["lstm"].parameters | {"size": 14}  # no tensor is of two sizes
    full["lstm"] = replace(full["lstm"], parameters=other)
    scores = {"perceptron": 0.5, "ann": 0.9, "cnn": 0.8, "deep_cnn": 0.4, "lstm": 0.85}
    records = [
        finished(full[arch], tmp_path / arch, validation_accuracy=score)
        for arch, score in scores.items()
    ]
    [blended] = plan.blends(records)
    assert [one["arch"] for one in blended.parameters["members"]] == ["ann", "cnn", "perceptron"]
    assert plan.blends(records[::-1]) == [blended]
    [of_two] = plan.blends(records[:2])
    assert of_two.fingerprint != blended.fingerprint
    assert plan.blends(records[:1]) == []


def test_a_blend_that_is_champion_is_blended_anew_of_its_members_recipes(version, tmp_path):
    older = replace(version, hash=uuid4().hex)
    plan = successive_halving.plan(older, "full")
    members = [one for one in plan.full if one.arch in ("perceptron", "ann")]
    records = [finished(one, tmp_path / f"older-{one.arch}") for one in members]
    blend = finished(plan.blends(records)[0], tmp_path / "blend")
    registry.set_champion(registry.register("image", "digits", blend))

    plan = successive_halving.plan(version, "quick")
    looks = [look_at("cnn", tmp_path, 0.9), look_at("deep_cnn", tmp_path, 0.8)]
    fits = plan.fits(looks)
    assert {one.arch for one in fits[:2]} == {"perceptron", "ann"}
    assert [one.arch for one in fits[2:]] == ["cnn", "deep_cnn"]
    assert plan.always == {one.fingerprint for one in fits[:2]}
    accuracy = {"perceptron": 0.5, "ann": 0.6, "cnn": 0.9, "deep_cnn": 0.8}
    new = [
        finished(one, tmp_path / f"new-{one.arch}", validation_accuracy=accuracy[one.arch])
        for one in fits
    ]
    again, best = plan.blends(new)
    recipes = zip(planning.recipe(blend), again.parameters["members"], strict=True)
    for recipe, member in recipes:
        assert member["parameters"] == recipe.pop("parameters") | {"refit": False}
        assert recipe.items() <= member.items()
    assert again.fingerprint != blend.fingerprint
    assert {one["arch"] for one in best.parameters["members"]} == {"ann", "cnn", "deep_cnn"}
    [left] = plan.blends(new[1:])  # one of its members could not be fitted
    assert {one["arch"] for one in left.parameters["members"]} == {"perceptron", "cnn", "deep_cnn"}


def test_the_best_full_fit_is_refitted_and_takes_its_own_place(version, tmp_path):
    plan = successive_halving.plan(version, "full")
    full = {one.arch: one for one in plan.full}
    records = [
        finished(full[arch], tmp_path / arch, validation_accuracy=score)
        for arch, score in {"perceptron": 0.9, "ann": 0.95, "cnn": 0.8}.items()
    ]
    [refit] = plan.refits(records)
    assert (refit.arch, refit.seed, refit.title) == ("ann", 0, "ann (refit)")
    assert refit.parameters == full["ann"].parameters | {"refit": True}
    assert refit.fingerprint != full["ann"].fingerprint
    planning.require_same(refit)
    assert planning.before(refit) == full["ann"]
    assert plan.refits([]) == []
    again = finished(refit, tmp_path / "refit", validation_accuracy=0.95)
    ranked = ranking.ranked(version, [*records, again])
    assert [one.run_id for one in ranked[:2]] == [again.run_id, records[1].run_id]
    assert planning.recipe(again) == planning.recipe(records[1])
    board = leaderboard.compare(version)
    assert [name for name, _ in leaderboard.named(board["rows"])] == [
        "ann (refit)", "ann", "perceptron", "cnn"
    ]  # fmt: skip
    assert leaderboard.best(board)[0]["parameters"]["refit"]
    [blended] = plan.blends([*records, again])
    assert blended == plan.blends(records)[0]


def test_where_the_champion_is_a_refit_its_recipe_is_refitted_on_new_rows(version, tmp_path):
    older = successive_halving.plan(replace(version, hash=uuid4().hex), "full")
    before = next(one for one in older.full if one.arch == "perceptron")
    record = finished(planning.refit(before), tmp_path / "champion")
    registry.set_champion(registry.register("image", "digits", record))
    plan = successive_halving.plan(version, "full")
    [champion] = plan.champion
    assert champion.parameters == before.parameters
    best = next(one for one in plan.full if one.arch == "ann")
    records = [
        finished(one, tmp_path / one.arch, validation_accuracy=score)
        for one, score in ((champion, 0.8), (best, 0.9))
    ]
    assert plan.refits(records) == [planning.refit(best), planning.refit(champion)]
    assert plan.refits(records[1:]) == [planning.refit(best)]  # the other could not be fitted


def test_a_profile_without_a_first_look_fits_all_in_full(version):
    plan = successive_halving.plan(version, "full")
    assert plan.looks == []
    assert [full.arch for full in plan.fits([])] == architectures.names("image")


def test_a_fit_on_few_rows_takes_as_many_steps_as_it_needs(version):
    plan = successive_halving.plan(version, "few")
    chosen = {
        fit.arch: tuple(fit.parameters[name] for name in ("share", "batch_size", "epochs"))
        for fit in plan.looks
    }
    assert chosen["deep_cnn"] == (0.8, 64, 4)  # of 12 steps; 800 rows, as a look asks for
    full = {fit.arch: fit.parameters for fit in plan.full}
    assert (full["deep_cnn"]["epochs"], full["deep_cnn"]["patience"]) == (40, 20)  # 15 steps each
    assert full["perceptron"]["epochs"] == 60  # enough as they are
    assert (full["ann"]["epochs"], full["ann"]["patience"]) == (3, 5)  # as the profile has it
    fewer = replace(version, facts={**FACTS, "rows": {"train": 200}}, hash=uuid4().hex)
    plan = successive_halving.plan(fewer, "few")
    assert {fit.parameters["share"] for fit in plan.looks} == {1.0}
    assert {fit.parameters["batch_size"] for fit in plan.full} == {20}  # ten steps an epoch


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
