"""A run with nothing to do imports neither MLflow nor what fits need."""

import os
import subprocess
import sys
from pathlib import Path

from recorded import finished, fit

from pipelines.experiments import leaderboard_rows, registry
from pipelines.promotion import reconcile
from pipelines.runtime import environment

SUPPORT = Path(__file__).parents[2] / "support"
PROGRAM = """
import sys
from types import SimpleNamespace
from recorded import DIGITS, fit
from pipelines.promotion import retraining
retraining.baselines.unscored = lambda dataset: []
plan = SimpleNamespace(dataset=DIGITS, looks=[], fits=lambda records: [fit()])
print(retraining.finished(plan).champion.version)
print({"dask", "distributed", "keras", "mlflow", "prefect"} & sys.modules.keys())
"""


def test_where_nothing_is_left_to_do_nothing_heavy_is_imported(home, tmp_path):
    version = registry.register("image", "digits", finished(fit(), tmp_path / "fit"))
    registry.ready(version, "")
    registry.set_champion(version)
    reconcile.reconcile("image", "digits")
    leaderboard_rows.note_unchanged("image", "digits")
    paths = {"PYTHONPATH": f"{environment.ROOT}{os.pathsep}{SUPPORT}"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["1", "set()"]
