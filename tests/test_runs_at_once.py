"""Two runs of different tasks, and two equal fits, at the same time."""

import shutil
import subprocess
import sys

import pytest
import yaml
from project import KEPT, begun, command, declare_reviews, outcomes, runs, variables

pytestmark = pytest.mark.slow


def test_runs_of_two_tasks_do_not_disturb_each_other(prepared_copy, tmp_path):
    project, log = prepared_copy(tmp_path / "project"), tmp_path / "image.log"
    shutil.rmtree(project / "data" / "raw")  # the data of both is made at the same time
    declare_reviews(project)
    with begun(project, *command("run", "--task", "image"), log=log) as (images, _):
        outcomes(project, "--task", "sentiment")
        assert images.wait() == 0, log.read_text()
    for task, dataset in (("image", "digits"), ("sentiment", "reviews")):
        assert len(runs(project, task, dataset, "retrain")) == 1
        fits = runs(project, task, dataset, "fit")
        assert len(fits) == len(KEPT[task]) + 2  # their blend, and the refit of the best
        again = outcomes(project, "--task", task)[task]
        assert (again["trained"], again["reused"]) == (0, len(KEPT[task]))
    bentos = project / ".espalier" / "bentoml" / "bentos" / "espalier"
    newest = bentos / (bentos / "latest").read_text().strip()
    labels = yaml.safe_load((newest / "bento.yaml").read_text())["labels"]
    assert {"image", "sentiment"} <= labels.keys()


FIT = """
from pipelines.experiments import dataset, plan
from pipelines.runtime import environment
from pipelines.training import fit, guard
environment.apply()
version = dataset.present("image", "digits")
[planned] = plan.fits(version, profile="quick", archs=["ann"])
print(fit.fit(planned, guard.ensure(version, None), None).record.run_id)
"""


def test_equal_fits_at_once_are_one(prepared_copy, tmp_path):
    """As where a worker was given up for dead, and another one does its fit again."""
    project = prepared_copy(tmp_path / "project")
    place = {"cwd": project, "env": variables(PYTHONPATH=str(project))}
    place |= {"stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", FIT], **place) for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "; this fit waits" in "".join(printed)
    assert len({text.splitlines()[-1] for text in printed}) == 1
    fits = [run for run in runs(project, "image", "digits", "fit") if "ann" in run.info.run_name]
    assert [run.info.status for run in fits] == ["FINISHED"]
