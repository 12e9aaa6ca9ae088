"""`espalier serve` beside runs: each new champion is taken over, and nobody is left waiting."""

import httpx
import pytest
from project import (
    answer,
    command,
    declare_reviews,
    espalier,
    parameters,
    pointer,
    serving,
    small,
    until,
)

from models.artifact import artifact
from pipelines.processes import service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Digits that two epochs hardly learned, and reviews: both published."""
    project = small(tmp_path_factory.mktemp("served") / "project")
    declare_reviews(project)
    for task in ("image", "sentiment"):
        done = espalier(project, "run", "--task", task, "--json")
        assert done.returncode == 0, done.stderr
    return project


def test_a_new_champion_is_taken_over_while_serving(project):
    log = project.parent / "serve.log"
    with serving(project, *command("serve"), log=log) as url:

        def served() -> dict[str, str]:
            models = httpx.get(f"{url}/v1/models").json()["models"]
            return {model["task"]: model["version"] for model in models}

        assert served() == {"image": "1", "sentiment": "1"}
        with parameters(project) as params:
            for arch in params["profiles"]["quick"]["image"].values():
                arch["all"]["epochs"] = 12
        done = espalier(project, "run", "--task", "image", "--json")
        assert done.returncode == 0, done.stderr
        champion = answer(done)["tasks"]["image"]["champion"]
        assert champion["version"] == "2"
        until(lambda: served() == {"image": "2", "sentiment": "1"}, "the new champion")
        for task in ("image", "sentiment"):
            facts, folder = pointer(project, task)
            inputs = artifact.read_inputs(folder)
            for case in artifact.read_golden(folder):
                answered = service.ask(url, task, case["request"])
                assert inputs.agrees(case["answer"], answered)
                assert answered["model"]["version"] == facts["version"]
