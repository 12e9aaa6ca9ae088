"""Which fits a budget of time can afford, and in which order they are begun.

The hours here are long beside the milliseconds that the tests take.
"""

from dataclasses import replace

import pytest
from recorded import DIGITS, fit

from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import console
from pipelines.runtime.settings import UsageError
from pipelines.training import budget
from pipelines.training.budget import Budget, Costs

HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("1.5h", 5400), (" 3m", 180)],
)
def test_a_duration_is_read(text, seconds):
    assert budget.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-3m", "0s", "10 minutes", "1h30m", "1e3s", "٣m"])
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(UsageError, match=f"{text!r}, expected .* 90s, 10m or 1h"):
        Budget(text)


def record(arch: str, fit_seconds: float, **parameters: float) -> Record:
    metrics = {"fit_seconds": fit_seconds}
    if "each" in parameters:
        metrics["seconds_per_epoch"] = parameters.pop("each")
    known = {"run_id": "", "seed": 0, "profile": "quick", "fingerprint": "", "naive": ""}
    known |= {"dataset_hash": DIGITS.hash, "manifest_sha256": ""}
    return Record(arch=arch, parameters={"epochs": 1} | parameters, metrics=metrics, **known)


def test_seconds_are_predicted_in_proportion_to_rows_and_epochs():
    costs = Costs(DIGITS, [record("ann", 999)])
    costs.learn(record("ann", 30, epochs=2, share=0.5, each=10), seconds=35)
    assert costs.predict(fit("ann", epochs=10, share=1.0)) == 15 + 10 * 20  # 15 s beside the epochs
    assert costs.predict(fit("ann", epochs=2, share=0.5)) == 35
    costs.learn(record("cnn", 400))  # on all rows, of before epochs were timed
    assert costs.predict(fit("cnn", epochs=2)) == 15 + 2 * 400
    assert costs.predict(fit("lstm", epochs=1)) == costs.predict(fit("cnn", epochs=1))
    assert [costs.know(fit(arch)) for arch in ("ann", "lstm")] == [True, False]


def test_validation_rows_cost_a_third_of_training_rows():
    split = replace(DIGITS, facts={"rows": {"train": 100, "validation": 30}})
    costs = Costs(split, [record("ann", 30, share=0.2)])
    assert costs.predict(fit("ann", share=1.0)) == pytest.approx(budget.BESIDE_SECONDS + 110)


def test_a_refit_takes_the_epochs_that_were_best_and_teaches_nothing_of_an_epoch():
    split = replace(DIGITS, facts={"rows": {"train": 100, "validation": 30}})
    before = record("ann", 30, epochs=10, share=1.0, each=11)
    before.metrics["best_epoch"] = 4
    costs = Costs(split, [before, record("ann", 1, epochs=10, share=1.0, refit=True)])
    beside = budget.BESIDE_SECONDS
    assert costs.predict(fit("ann", epochs=10, share=1.0)) == pytest.approx(beside + 10 * 11)
    again = fit("ann", epochs=10, share=1.0, refit=True)  # each epoch on 130 rows
    assert costs.predict(again) == pytest.approx(beside + 4 * 13)


def begun(rung: budget.Rung, **end: float) -> list[str]:
    """What begins, one after another: each fit ends before the next ones are asked for."""
    names = []
    while fits := rung.begin():
        for one in fits:
            names.append(one.arch)
            rung.end(one, record(one.arch, end.get(one.arch, 0.0)))
    return names


def rung(text: str | None, hours: dict[str, float], looks: bool, **more) -> budget.Rung:
    """A rung of fits that take these hours, on one worker."""
    fits = [replace(fit(arch), look=looks) for arch in hours]
    costs = Costs(DIGITS, [record(arch, each * HOUR) for arch, each in hours.items()])
    whole = Budget(text)
    more = {"ranked": not looks, "done": False, "workers": 1} | more
    return budget.Rung(whole, costs, fits, **more)


@pytest.mark.parametrize(
    ("text", "looks", "hours", "chosen"),
    [
        (None, True, {"cnn": 9, "ann": 1}, ["cnn", "ann"]),
        ("8h", True, {"cnn": 3, "perceptron": 1, "ann": 2}, ["perceptron", "ann", "cnn"]),
        ("5h", True, {"cnn": 3, "perceptron": 1, "ann": 2}, ["perceptron", "ann"]),  # half is 2.5 h
        ("8h", False, {"cnn": 3, "ann": 2}, ["cnn", "ann"]),  # the best first
        ("4h", False, {"deep_cnn": 5, "cnn": 3, "ann": 9}, ["cnn"]),  # the best that it lasts for
        ("1h", False, {"deep_cnn": 5, "cnn": 3}, ["cnn"]),  # one is always done
        ("31s", True, {"cnn": 3, "ann": 2}, ["ann"]),
    ],
)
def test_a_budget_chooses(text, looks, hours, chosen):
    planned = rung(text, hours, looks)
    fits = {one.arch for one in planned.waiting}
    assert begun(planned, **{arch: each * HOUR for arch, each in hours.items()}) == chosen
    assert {one.arch for one in planned.waiting} == fits - set(chosen)


def test_the_champions_recipe_is_fitted_whatever_it_takes():
    planned = rung("4h", {"cnn": 1, "ann": 1, "deep_cnn": 9}, looks=False, done=True)
    planned.always = {fit("deep_cnn").fingerprint}
    assert begun(planned) == ["deep_cnn", "cnn", "ann"]  # no time passes in this test


def test_what_is_on_record_needs_no_other(capsys):
    assert begun(rung("1h", {"cnn": 3}, looks=False, done=True)) == []
    assert "budget" not in capsys.readouterr().out


def test_too_small_a_budget_is_told_with_one_that_would_do():
    lines: list[str] = []
    with console.read_by(lines.append):
        begun(rung("1h", {"cnn": 3}, looks=False))
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "1h is too small: cnn may take 10805 s and is done all the same; --budget 181m would do"
    ]
    with pytest.raises(UsageError, match=r"--budget 1h is too small: .* about 181m: give that"):
        Budget("1h").check(3 * HOUR)
    Budget("4h").check(3 * HOUR)


def test_only_as_many_begin_as_there_are_workers_and_tasks_share_them():
    planned = rung("100h", dict.fromkeys(("ann", "cnn", "lstm", "gru"), 1.0), looks=True, workers=2)
    assert len(planned.begin()) == 3  # one waits on the cluster
    planned = rung("10h", {"ann": 3.0, "cnn": 3.0}, looks=False)
    with planned.budget.part("sentiment"), planned.budget.part("image"):
        [first] = planned.begin()
        planned.end(first, record(first.arch, 3 * HOUR))
        assert planned.begin()  # 3 of the 5 hours of its part
        assert planned.budget.sharers() == 2
    assert planned.budget.sharers() == 1


def test_a_fit_that_fails_is_followed_by_another():
    planned = rung("1h", {"cnn": 3, "ann": 2}, looks=False)
    [first] = planned.begin()
    planned.end(first)
    [second] = planned.begin()
    assert isinstance(second, Fit)
    assert {first.arch, second.arch} == {"ann", "cnn"}
