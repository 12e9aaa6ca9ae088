"""Several fits by one command: a grid, what fails, what is done again."""

import pytest
from recorded import HASH, finished

from models.errors import ModelError, ParameterError
from pipelines.commands import train
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime.console import Line
from pipelines.training import fit as fitting
from pipelines.training import parameter_grid
from pipelines.training.fit import Result
from pipelines.training.guard import Guard

WHAT = ("image", "ann", "digits", "quick")


VERSION = DatasetVersion(
    "image", "digits", HASH, {"name": "digits", "task": "image", "rows": {"train": 1000}}
)


class Fitting:
    """Stands in for `pipelines.training.fit.fit`: records fits that were never done."""

    def __init__(self, folder):
        self.folder = folder
        self.done = []
        self.failing = set()

    def fit(self, planned, guarded, parent, again) -> Result:
        self.done.append(planned)
        if planned.parameters["units"] in self.failing:
            raise ModelError(f"units {planned.parameters['units']} became nan")
        place = self.folder / str(len(self.done))
        score = planned.parameters["units"] / 1000
        record = finished(planned, place, parent, validation_accuracy=score)
        return Result(record, Line(planned.arch, ""))


@pytest.fixture
def fits(home, tmp_path, monkeypatch) -> Fitting:
    fits = Fitting(tmp_path)
    monkeypatch.setattr(data, "version", lambda *_: VERSION)
    monkeypatch.setattr(fitting, "fit", fits.fit)
    monkeypatch.setattr(train.guard, "ensure", lambda *_: Guard("", ""))
    monkeypatch.setattr(train.baselines, "unscored", lambda *_: [])
    monkeypatch.setattr("pipelines.reports.leaderboard._interval", _mean)
    return fits


def _mean(task: str, group: list, split: str) -> dict[str, float]:
    """Of several seeds: these records hold no rows to draw from."""
    mean = sum(record.metrics[f"{split}_accuracy"] for record in group) / len(group)
    return {"mean": mean, "low": mean, "high": mean}


def trained(*changes: str, seeds: int = 1, force: bool = False) -> dict:
    return train.train(*WHAT, seeds, parameter_grid.grid(parameter_grid.parsed(changes)), force)


def test_a_grid_with_seeds_has_one_parent_and_answers_with_its_own_rows(fits):
    trained("units=16")
    board = trained("units=32,64,128", seeds=3)
    assert len(fits.done) == 1 + 9
    rows = [(row["parameters"]["units"], row["seeds"]) for row in board["rows"]]
    assert rows == [(128, 3), (64, 3), (32, 3)]
    parents = [run.info.run_id for run in tracking.runs(VERSION, "train", "FINISHED")]
    children = tracking.runs(VERSION, "fit", "FINISHED")
    assert [run.data.tags["mlflow.parentRunId"] for run in children[1:]] == 9 * parents[1:]


def test_the_whole_grid_is_checked_before_anything_is_trained(fits):
    with pytest.raises(ParameterError, match=r"units must be .* at least 1, not 0"):
        trained("units=32,64,0")
    assert fits.done == []


def test_what_is_known_is_done_again_by_force_alone_and_the_newest_record_counts(fits):
    trained("units=32")
    trained("units=32,64")
    assert [planned.parameters["units"] for planned in fits.done] == [32, 64]
    [old, _] = tracking.records(VERSION)
    board = trained("units=32", force=True)
    assert len(fits.done) == 3
    [row] = board["rows"]
    assert row["seeds"] == 1
    counted = verification.reusable(fits.done[:1])[old.fingerprint]
    assert counted.run_id != old.run_id


def test_one_that_fails_lets_the_others_go_on_and_all_fail_the_command(fits):
    fits.failing = {32, 16}
    board = trained("units=32,64")
    assert board["failed"] == ["units 32 became nan"]
    assert [row["parameters"]["units"] for row in board["rows"]] == [64]
    with pytest.raises(ModelError, match="units 16 became nan"):
        trained("units=32,16")


def test_what_the_guard_says_is_printed(fits, monkeypatch, capsys):
    said = Line("guard", "warning: only 3.0% of the test rows look familiar")
    monkeypatch.setattr(train.guard, "ensure", lambda *_: Guard("", "", (said,)))
    trained("units=16")
    assert said.text in capsys.readouterr().out
