"""Who stands before the gate, and that a run with nothing to do imports nothing heavy."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from candidates import candidate, hits
from entries import rewritten
from recorded import DIGITS, FACTS, finished
from small_data import IMAGE, digits

from data import stored
from pipelines.commands import promote
from pipelines.experiments import dataset as data
from pipelines.experiments import leaderboard_rows, registry
from pipelines.experiments import plan as planning
from pipelines.promotion import ledger, reconcile, retraining
from pipelines.runtime import environment

SUPPORT = Path(__file__).parents[2] / "support"
PROGRAM = """
import sys
from recorded import DIGITS, FACTS
from pipelines.experiments import plan as planning
from pipelines.commands import promote
from pipelines.promotion import retraining
from pipelines.training.successive_halving import Plan
retraining.baselines.unscored = lambda dataset: []
DIGITS.facts.update(FACTS)
plan = Plan(DIGITS, [], planning.fits(DIGITS, profile="full", archs=["cnn"]), 1)
print(retraining.finished(plan).champion.version)
promote.data.present = lambda task, dataset: DIGITS
print(promote.promote("image", "digits").reason)
try:
    promote.promote("image", "digits", "no such fit")
except promote.UsageError as error:
    print(error)
print({"dask", "distributed", "keras", "mlflow", "prefect"} & sys.modules.keys())
"""


def test_where_nothing_is_left_to_do_nothing_heavy_is_imported(home, tmp_path):
    version = replace(DIGITS, facts=FACTS)
    [full] = planning.fits(version, profile="full", archs=["cnn"])
    finished(full, tmp_path / "fit")
    refit = finished(planning.refit(full), tmp_path / "refit")
    version = registry.register("image", "digits", refit)
    registry.ready(version, "")
    registry.set_champion(version)
    reconcile.reconcile("image", "digits")
    leaderboard_rows.note_unchanged("image", "digits")
    paths = {"PYTHONPATH": f"{environment.ROOT}{os.pathsep}{SUPPORT}"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, promoted, refused, heavy = done.stdout.splitlines()
    assert (version, promoted, heavy) == ("1", "cnn v1 is the champion already", "set()")
    assert refused.startswith("'no such fit' is no finished fit on digits")
    rewritten("UPDATE ledger SET reason = 'another'")
    assert not reconcile.is_reconciled("image", "digits")


@pytest.mark.slow
def test_what_needs_no_test_rows_to_be_refused_gives_way_to_the_next(home, tmp_path, monkeypatch):
    monkeypatch.setattr(promote.data, "present", lambda task, dataset: DIGITS)
    first, best, second = (
        candidate(tmp_path, hits(share), seed=number)
        for number, share in enumerate((0.85, 0.95, 0.9))
    )
    assert promote.promote("image", "digits", first.run_id).promoted
    assert promote.promote("image", "digits", best.run_id).promoted
    promote.rollback("image", "digits", reason="complaints")

    verdict = retraining.decide(DIGITS, [first, best, second])
    champion = registry.champion("image", "digits")
    assert (verdict.name, champion.run_id) == ("Promoted", second.run_id)
    assert retraining.decide(DIGITS, [second]).name == "Kept"
    *_, withdrawn, promotion = ledger.entries("espalier-image-digits")
    assert (withdrawn.action, withdrawn.run_id) == ("refusal", best.run_id)
    assert "floor" not in {check["name"] for check in withdrawn.evidence["checks"]}
    assert (promotion.action, promotion.run_id) == ("promotion", second.run_id)
    assert retraining.up_to_date(DIGITS, [first, best, second])

    # A refusal by the test rows ends it: nobody else gets a look.
    third = candidate(tmp_path, hits(0.91, seed=1), seed=3)
    assert retraining.decide(DIGITS, [first, third]).name == "Refused"
    assert registry.champion("image", "digits") == champion
    assert ledger.entries("espalier-image-digits")[-1].run_id == third.run_id
    assert retraining.up_to_date(DIGITS, [first, third])


@pytest.mark.slow
@pytest.mark.parametrize(("learned", "left"), [(200, 160), (300, 60)])
def test_test_rows_that_the_champion_was_fitted_on_do_not_judge(
    home, tmp_path, monkeypatch, learned, left
):
    """The split was drawn anew: of 360 test rows so many were training rows of the champion."""
    now, before = tmp_path / "now", tmp_path / "before"
    splits, older = digits(), digits()
    older["train"] = {name: column[:learned] for name, column in splits["test"].items()}
    for folder, made in ((now, splits), (before, older)):
        folder.mkdir()
        stored.write(folder, stored.Dataset(IMAGE, made))
    monkeypatch.setattr(data, "folder", lambda name: now)
    monkeypatch.setattr(data, "local", lambda version: before)
    present = replace(DIGITS, hash=stored.hash_of(now))
    monkeypatch.setattr(promote.data, "present", lambda task, dataset: present)
    champion, other = (candidate(tmp_path, hits(0.9), seed=seed) for seed in range(2))
    registry.set_champion(registry.register("image", "digits", champion))

    outcome = promote.promote("image", "digits", other.run_id, dry_run=True)
    checks = {check["name"]: check for check in outcome.checks}
    if left < 100:
        assert not checks["champion"]["passed"]
        assert checks["champion"]["evidence"].startswith(f"{left} of 360 test rows are left")
        assert checks.keys() >= {"floor", "naive", "slices"}
    else:
        assert (checks["champion"]["rows"], checks["champion"]["left_out"]) == (left, learned)
        assert f"are left out, and {left} remain" in checks["champion"]["evidence"]
