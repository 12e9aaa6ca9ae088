"""Two runs of different tasks at the same time: each has its champion, the Bento has both."""

import shutil

import pytest
import yaml
from project import KEPT, begun, command, declare_reviews, outcomes, runs

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
