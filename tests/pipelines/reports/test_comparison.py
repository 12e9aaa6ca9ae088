"""What tells models apart: who takes part, what is said of them, and what may be missing."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from recorded import DIGITS, classified, finished, fit

from models.evaluation.measure import Scores
from models.evaluation.metrics import ACCURACY
from pipelines.experiments import registry, tracking
from pipelines.experiments.scores import log_scores
from pipelines.reports import comparison

LABELS = ["0", "1", "2", "3"]
ROWS = 400


def scored(right: float, seed: int = 0) -> dict[str, Scores]:
    return classified(right, LABELS, seed)


def record(planned, folder, right: float, **metrics: float) -> tracking.Record:
    """A finished fit with rows; its seed decides which of them it has right."""
    place = folder / str(len([*folder.iterdir()]))
    return finished(planned, place, rows=scored(right, planned.seed), **metrics)


@pytest.fixture
def three(home, tmp_path) -> dict[str, tracking.Record]:
    """A good model, a second that is as good, and a bad one; the second is champion."""
    shares = {"cnn": 0.91, "deep_cnn": 0.9, "ann": 0.6}
    made = {
        arch: record(fit(arch, seed), tmp_path, share)
        for seed, (arch, share) in enumerate(shares.items())
    }
    registry.set_champion(registry.register("image", "digits", made["deep_cnn"]))
    return made


def test_every_two_get_a_verdict_and_each_row_one_beside_the_champion(three):
    board = comparison.compare(DIGITS)
    told = {(one["ours"], one["theirs"]): one for one in board["verdicts"]}
    assert set(told) == set(itertools.permutations(three, 2))
    assert told["cnn", "ann"]["outcome"] == "better"
    assert told["ann", "cnn"]["outcome"] == "worse"
    assert told["cnn", "deep_cnn"]["outcome"] == "cannot tell"
    assert told["cnn", "ann"]["difference"] == -told["ann", "cnn"]["difference"]
    assert board["reference"] == "deep_cnn"
    assert board["champion"]["version"] == "1"
    assert board["test_rows"] == ROWS
    assert [row["pareto"] for row in board["rows"]] == [True, False, False]
    rows = {row["name"]: row["verdict"] for row in board["rows"]}
    assert rows == {
        "cnn": told["cnn", "deep_cnn"],
        "deep_cnn": None,
        "ann": told["ann", "deep_cnn"],
    }


def test_of_an_architecture_the_best_takes_part_and_the_champion(home, tmp_path):
    """Also where a parameter is a list."""
    shares = {16: 0.7, 32: 0.9, 64: 0.8}
    made = [record(fit("cnn", units=[units]), tmp_path, share) for units, share in shares.items()]
    record(replace(fit("ann", units=8), look=True), tmp_path, 0.99)
    registry.set_champion(registry.register("image", "digits", made[2]))
    board = comparison.compare(DIGITS)
    names = [row.get("name") for row in board["rows"]]
    assert names == ["cnn units=[32]", "cnn units=[64]", None, None]
    assert board["reference"] == "cnn units=[64]"


def test_seeds_take_part_together_and_without_a_champion_the_first_is_the_measure(home, tmp_path):
    for seed in range(3):
        record(fit("cnn", seed), tmp_path, 0.9)
    record(fit("ann"), tmp_path, 0.6)
    board = comparison.compare(DIGITS)
    assert (board["reference"], board["champion"]) == ("cnn", None)
    [verdict] = [one for one in board["verdicts"] if one["ours"] == "cnn"]
    assert "seeds" in verdict["method"]
    assert np.sum(board["confusion"]["cnn"]) == 3 * ROWS
    assert [run["seed"] for run in board["rows"][0]["runs"]] == [0, 1, 2]


def test_each_class_has_the_scores_of_its_rows(three):
    board = comparison.compare(DIGITS)
    rows = scored(0.6, 2)["test"].rows
    assert len(board["slices"]) == len(LABELS)
    for number, part in enumerate(board["slices"]):
        assert part["rows"] == ROWS / len(LABELS)
        right = rows["correct"][rows["label"] == number].mean()
        assert part["scores"]["ann"] == pytest.approx(right)
        assert part["scores"].keys() == set(three)


def test_the_front_is_the_one_that_comparing_each_with_each_gives():
    chance = np.random.default_rng(0)
    values = chance.integers(0, 12, (300, 3))
    rows = [
        {
            "look": False,
            "refit": False,
            "arch": "cnn",
            "parameters": {"units": number},
            "validation": {"mean": float(score)},
            "latency_ms": float(milliseconds),
            "parameter_count": int(size),
        }
        for number, (score, milliseconds, size) in enumerate(values)
    ]
    front = comparison.pareto_front({"rows": rows, "higher_is_better": True})
    costs = {(-score, milliseconds, size) for score, milliseconds, size in values.tolist()}
    expected = {
        one
        for one in costs
        if not any(other != one and np.all(np.less_equal(other, one)) for other in costs)
    }
    found = [tuple((-1, 1, 1) * values[number]) for number in sorted(front)]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_of_a_refit_and_the_fit_before_it_the_refit_is_on_the_front_however_slow():
    before = {"look": False, "arch": "cnn", "validation": {"mean": 0.9}, "parameter_count": 9}
    before |= {"refit": False, "latency_ms": 0.100, "parameters": {"refit": False}}
    again = {"refit": True, "latency_ms": 0.101, "parameters": {"refit": True}}
    rows = [before | again, before]
    assert comparison.pareto_front({"rows": rows, "higher_is_better": True}) == {0}


def test_what_has_no_rows_or_others_is_named_and_the_rest_is_compared(three, tmp_path):
    finished(fit("gru"), tmp_path / "no rows", validation_accuracy=0.95)
    short = {
        split: replace(one, rows=one.rows | {"label": one.rows["label"][:9]})
        for split, one in scored(0.9).items()
    }
    finished(fit("lstm"), tmp_path / "short", rows=short, validation_accuracy=0.5)
    board = comparison.compare(DIGITS)
    gone, other = board["notes"]
    assert gone.startswith("gru is left out")
    assert other.startswith("lstm is left out")
    assert "do not pair" in other
    assert len(board["verdicts"]) == 6
    assert "verdict" not in board["rows"][0]


def test_programs_and_people_are_told_the_same(three, capsys):
    board = comparison.compare(DIGITS)
    assert json.loads(json.dumps(board)) == board
    comparison.show(board)
    printed = capsys.readouterr().out
    assert "beside deep_cnn, on 400 test rows; p, 95 % corrected for 3 pairs" in printed
    [line] = [one for one in printed.splitlines() if one.startswith("▼ ann") and "worse" in one]
    assert "-0.3" in line
    assert "< 0.0001" in line
    assert max(map(len, printed.splitlines())) <= 80


def test_a_rival_takes_part(three):
    import mlflow

    with tracking.active(DIGITS, "forest", {"espalier.kind": tracking.RIVAL}, None):
        log_scores(ACCURACY, scored(0.91, seed=9))
        mlflow.log_metric("fit_seconds", 1.0)
    board = comparison.compare(DIGITS)
    [forest] = board["rivals"]
    assert forest["verdict"]["outcome"] == "cannot tell"
    assert {one["ours"] for one in board["verdicts"]} == {*three, "forest"}
    assert "forest" not in board["curves"]
    good = ", ".join(row["name"] for row in board["rows"] if row["name"] != "ann")
    assert comparison.sentences(board) == [
        "forest (0.9100) is better than ann",
        f"forest (0.9100) cannot be told from {good}",
    ]
    for one in board["verdicts"]:
        one["blocks"] = 4 * (one["outcome"] == "cannot tell")
    few = "forest (0.9100) has too few independent blocks of test rows to be told from"
    assert comparison.sentences(board)[1] == f"{few} {good.replace(',', ' (4),')} (4)"
