"""A study of made-up fits: the score is better the nearer `units` is to 60."""

import sys
from dataclasses import replace

import pytest
from recorded import HASH, finished

from models.errors import ModelError
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime.console import Line
from pipelines.training import fit as fitting
from pipelines.training import parameter_grid, search
from pipelines.training.fit import Result
from pipelines.training.guard import Guard
from pipelines.training.search import MissingExtraError

pytestmark = pytest.mark.slow

WHAT = ("image", "ann", "digits", "quick")
SPACE = ("units=8..128", "learning_rate=1e-4..1e-2", "schedule=cosine,constant")


VERSION = DatasetVersion(
    "image", "digits", HASH, {"name": "digits", "task": "image", "rows": {"train": 1000}}
)


class Fitting:
    """Stands in for `pipelines.training.fit.fit`: three epochs that cost nothing."""

    def __init__(self, folder):
        self.folder = folder
        self.done = []
        self.interrupt_at = None
        self.fail_at = None
        self.on_test = lambda far: 1 - far

    def fit(self, planned, guarded, parent, on_epoch) -> Result:
        number = len(self.done)
        self.done.append(planned)
        far = abs(planned.parameters["units"] - 60) / 100

        def epochs() -> None:
            if number == self.interrupt_at:
                raise KeyboardInterrupt
            if number == self.fail_at:
                raise ModelError("the loss became nan")
            for epoch in (1, 2, 3):
                on_epoch(epoch, {"val_loss": far / epoch})

        place = self.folder / f"{planned.dataset.hash[:4]} {number}"
        scores = {"validation_accuracy": 1 - far, "test_accuracy": self.on_test(far)}
        record = finished(planned, place, parent, epochs, **scores)
        return Result(record, Line(planned.arch, ""))


@pytest.fixture
def fits(home, tmp_path, monkeypatch) -> Fitting:
    fits = Fitting(tmp_path)
    monkeypatch.setattr(data, "version", lambda *_: VERSION)
    monkeypatch.setattr(fitting, "fit", fits.fit)
    monkeypatch.setattr(search.guard, "ensure", lambda *_: Guard("", ""))
    monkeypatch.setattr(search.baselines, "unscored", lambda *_: [])
    return fits


def searched(trials: int) -> dict:
    return search.search(*WHAT, trials, parameter_grid.parsed(SPACE))


def runs(kind: str, status: str) -> list:
    return tracking.runs(VERSION, kind, status)


def test_the_budget_is_spent_the_best_comes_first_and_what_lags_is_pruned(fits):
    board = searched(20)
    summary = board["search"]
    assert summary["fitted"] + summary["pruned"] == len(fits.done) == 20
    assert len(board["rows"]) == summary["fitted"]
    first = board["rows"][0]["parameters"]
    assert {name: first[name] for name in summary["best"]} == summary["best"]
    for planned in fits.done:
        assert 8 <= planned.parameters["units"] <= 128
        assert 1e-4 <= planned.parameters["learning_rate"] <= 1e-2
        assert planned.parameters["schedule"] in ("cosine", "constant")
    pruned = runs("fit", "KILLED")
    assert len(pruned) == summary["pruned"] > 0
    for run in pruned:
        assert "lags behind" in run.data.tags["espalier.pruned"]
    records = {record.fingerprint for record in tracking.records(VERSION)}
    assert records.isdisjoint(run.data.tags["espalier.fingerprint"] for run in pruned)
    [parent] = runs("search", "FINISHED")
    children = pruned + runs("fit", "FINISHED")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}


def test_a_search_goes_on_where_it_was_and_other_choices_are_another_study(fits):
    study = searched(3)["search"]["study"]
    for trials in (5, 5):
        assert searched(trials)["search"]["study"] == study
        assert len(fits.done) == 5
    assert len({planned.fingerprint for planned in fits.done}) == 5
    other = search.search(*WHAT, 2, parameter_grid.parsed(["units=8..64"]))
    assert len(fits.done) == 7
    assert other["search"]["study"] != study


def test_an_interrupted_trial_is_tried_again_and_counts_once(fits):
    fits.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        searched(4)
    searched(4)
    assert len(fits.done) == 5
    assert fits.done[3].fingerprint == fits.done[2].fingerprint
    assert len({planned.fingerprint for planned in fits.done}) == 4


def test_a_trial_that_fails_is_told_counts_and_stops_nothing(fits):
    fits.fail_at = 1
    board = searched(4)
    assert board["failed"] == ["the loss became nan"]
    assert len(fits.done) == 4
    searched(4)
    assert len(fits.done) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "--search needs what to search in"),
        (["unit=8..16"], "did you mean 'units'"),
        (["units=0..16"], "units must be a finite number, at least 1, not 0"),
        (["units=8.5..16.5"], "units must be a whole number"),
        (["schedule=cosine,slow"], "schedule must be one of"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_anything_is_done(fits, changes, message):
    with pytest.raises(ValueError, match=message):
        search.search(*WHAT, 3, parameter_grid.parsed(changes))
    assert fits.done == []


def test_a_range_of_whole_ends_covers_a_parameter_that_takes_any_number(fits):
    search.search(*WHAT, 2, parameter_grid.parsed(["learning_rate=1..2", "units=8..16"]))
    for planned in fits.done:
        assert 1 < planned.parameters["learning_rate"] < 2
        assert isinstance(planned.parameters["units"], int)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="the extra `search`"):
        searched(3)


def test_other_test_scores_lead_a_search_nowhere_else(fits, monkeypatch):
    """On another version of the data the same search, and the worst point is best on test."""
    first = searched(8)
    monkeypatch.setattr(data, "version", lambda *_: replace(VERSION, hash="f" * 32 + ".dir"))
    fits.done, before, fits.on_test = [], fits.done, lambda far: far
    second = searched(8)
    assert [one.parameters for one in fits.done] == [one.parameters for one in before]
    assert second["search"]["best"] == first["search"]["best"]
