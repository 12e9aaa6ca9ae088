"""Baselines and rivals: scored once, shown always, in nobody's way."""

import sys
from types import ModuleType

import numpy as np
import pytest
from recorded import DIGITS, HASH, finished, fit

from data import prepared
from models.evaluation.measure import Scores
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.scores import rows_of
from pipelines.reports import leaderboard
from pipelines.training import baselines as rivals
from pipelines.training.baselines import Source


def scores(accuracy: float) -> dict[str, Scores]:
    """Scores of 100 rows of which this share is right, on both splits."""
    correct = np.arange(100) < 100 * accuracy
    made = Scores({"accuracy": accuracy, "floor": 0.1}, {"correct": correct}, "always 0")
    return {"validation": made, "test": made}


class Judges:
    """Two sources as modules of their own, and how often each scored."""

    def __init__(self):
        self.scored = []
        self.rival_fails = False
        self.sources = [
            Source(DIGITS, kind, f"fake_{kind}", f"fingerprint of the {kind}")
            for kind in ("baseline", "rival")
        ]

    def baselines(self, splits, facts) -> dict:
        self.scored.append("baseline")
        return {"majority": scores(0.1), "chance": scores(0.2)}

    def rivals(self, splits, facts) -> dict:
        self.scored.append("rival")
        if self.rival_fails:
            raise ValueError("no two rows are alike")
        return {"forest": scores(0.8)}


@pytest.fixture
def judges(home, monkeypatch) -> Judges:
    judges = Judges()
    modules = {
        "fake_baseline": {"baselines": judges.baselines},
        "fake_rival": {"rivals": judges.rivals},
    }
    for name, held in modules.items():
        module = ModuleType(name)
        module.__dict__.update(held)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(rivals, "sources", lambda *_: judges.sources)
    monkeypatch.setattr(data, "rows", lambda _: prepared.Dataset({}, {}))
    return judges


def score() -> list[str]:
    """Score what is not on record yet; returns the texts of the lines to print."""
    with tracking.parent(DIGITS, "quick", "train") as parent:
        sources = rivals.unscored(DIGITS)
        return [line.text for source in sources for line in rivals.score(source, parent)]


def test_each_is_scored_once_and_recorded_with_its_rows(judges):
    score()
    score()
    assert judges.scored == ["baseline", "rival"]
    assert rivals.unscored(DIGITS) == []
    assert tracking.records(DIGITS) == []  # none is a candidate for champion
    rows = {row["name"]: row for row in leaderboard.compare(DIGITS)["rivals"]}
    assert [row["kind"] for row in rows.values()] == ["baseline", "baseline", "rival"]
    assert rows["forest"]["test"]["mean"] == 0.8
    assert rows["forest"]["test"]["low"] < 0.8 < rows["forest"]["test"]["high"]
    [run] = tracking.runs(DIGITS, "rival", "FINISHED")
    assert rows_of(run.info.run_id, "test")["correct"].sum() == 80


def test_other_code_is_scored_anew_and_the_newest_counts(judges):
    score()
    judges.sources[1] = Source(DIGITS, "rival", "fake_rival", "other code")
    assert rivals.unscored(DIGITS) == [judges.sources[1]]
    score()
    assert judges.scored == ["baseline", "rival", "rival"]
    assert len(leaderboard.compare(DIGITS)["rivals"]) == 3


def test_one_that_fails_is_on_record_and_stops_nothing(judges, capsys):
    judges.rival_fails = True
    assert score()[-1] == "fake_rival failed: no two rows are alike"
    assert score() == []
    assert judges.scored == ["baseline", "rival"]
    [sentence] = leaderboard.compare(DIGITS)["failures"]
    assert "no two rows are alike" in sentence
    leaderboard.show(leaderboard.compare(DIGITS))
    assert sentence in capsys.readouterr().out.replace("\n", " ")
    assert [row["name"] for row in leaderboard.compare(DIGITS)["rivals"]] == ["majority", "chance"]
    [run] = tracking.runs(DIGITS, "rival", "FAILED")
    assert run.data.tags["espalier.failure"] == "no two rows are alike"


def test_a_part_that_a_kill_left_is_scored_again(judges):
    score()
    [one, _] = tracking.runs(DIGITS, "baseline", "FINISHED")
    tracking.connect().delete_run(one.info.run_id)
    tracking.mend("image", "digits")
    assert rivals.unscored(DIGITS) == [judges.sources[0]]


def test_they_stand_below_the_models(judges, tmp_path):
    score()
    finished(fit("cnn"), tmp_path / "cnn", test_accuracy=0.9, validation_accuracy=0.95)
    board = leaderboard.compare(DIGITS)
    cells = [str(cell) for cell in leaderboard.table(board).columns[0].cells]
    assert [cell.strip() for cell in cells] == ["cnn", "majority", "chance", "forest"]


def test_those_that_ship_are_found_by_task():
    for task, found in {"image": [], "sentiment": ["sentiment"], "forecast": ["forecast"]}.items():
        modules = [one.module for one in rivals.sources(DatasetVersion(task, "any", HASH))]
        assert modules == ["models.evaluation.baselines", *(f"models.rivals.{it}" for it in found)]
