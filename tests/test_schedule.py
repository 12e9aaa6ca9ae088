"""A real Prefect server, a real worker: a scheduled retraining ends in a champion and a Bento."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from deployed import begun, deployed, ended, read
from project import KEPT, answer, espalier, outcomes, parameters, pointer, runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    """Its profile has a first look at three architectures, and a full fit for the best."""
    folder = prepared_copy(tmp_path_factory.mktemp("scheduled") / "project")
    with parameters(folder) as params:
        look = {"image": {"share": 0.5, "epochs": 1, "keep": 1}}
        params["profiles"]["quick"]["first_look"] = look
    return folder


def schedule(project: Path) -> None:
    """Have prefect.yaml retrain the digits a minute from now instead of mnist_5k at night, and not
    again: the next run would hold the lock that the test asks for."""
    declared = yaml.safe_load((project / "prefect.yaml").read_text())
    image = next(one for one in declared["deployments"] if one["name"] == "image")
    image["parameters"] |= {"dataset": "digits"}
    due = datetime.now(UTC) + timedelta(minutes=1)
    image["schedules"] = [{"interval": 24 * 3600, "anchor_date": due.isoformat()}]
    declared["deployments"] = [image]
    (project / "prefect.yaml").write_text(yaml.safe_dump(declared))


@pytest.fixture(scope="module")
def api(project):
    """The URL of a Prefect server, with the deployment and a worker for its pool."""
    with deployed(project, lambda: schedule(project)) as url:
        yield url


@pytest.fixture(scope="module")
def scheduled(project, api) -> dict:
    """The run that the schedule made."""
    return ended(api, project, "image", lambda run: run["auto_scheduled"])


def test_a_scheduled_run_ends_in_a_champion_with_the_local_fingerprints(project, scheduled):
    board = answer(espalier(project, "compare", "--task", "image", "--dataset", "digits", "--json"))
    assert {row["arch"] for row in board["rows"]} == set(KEPT["image"])
    # The champion is a refit, and the cnn was fitted in full before.
    assert [(row["champion"], row["look"], row["share"]) for row in board["rows"]] == [
        (True, False, 1.0),
        (False, False, 1.0),
        (False, False, 1.0),
        (False, True, 0.5),
    ]
    [bento] = (project / ".espalier" / "bentoml" / "bentos" / "espalier").glob("*/bento.yaml")
    carried = json.loads((bento.parent / "src" / "champions" / "image.json").read_text())
    assert carried["version"] == board["champion"]["version"]

    again = outcomes(project, "--dataset", "digits")["image"]
    assert (again["trained"], again["reused"]) == (0, 4)


def test_prefect_s_pages_say_what_was_done_and_decided(project, api, scheduled):
    assert (scheduled["name"], scheduled["state_name"]) == ("retrain image digits", "Promoted")
    assert {"image", "digits", "quick"} < set(scheduled["tags"])
    verdict = scheduled["state"]["message"]
    assert " v1 promoted: better than the naive baseline" in verdict
    of_run = {"flow_runs": {"id": {"any_": [scheduled["id"]]}}}
    tasks = {task["name"]: set(task["tags"]) for task in read(api, "task_runs", **of_run)}
    champion = verdict.split()[0]
    assert champion in tasks[f"fit {champion}"] & tasks[f"fit {champion} (refit)"]
    assert {f"fit {arch} (first look)" for arch in KEPT["image"]} < tasks.keys()
    lines = [
        log["message"] for log in read(api, "logs", logs={"flow_run_id": of_run["flow_runs"]["id"]})
    ]
    assert any("digits passed its gate; 1,149 / 289 / 359 rows" in line for line in lines)
    assert any(line.endswith(verdict) for line in lines)
    [page] = [one for one in read(api, "artifacts", **of_run) if one["key"] == "image-digits"]
    [parent] = runs(project, "image", "digits", "retrain")
    row = f"- ★ {champion} (refit): accuracy "
    for part in ("**Version 1 promoted**", row, parent.info.run_id):
        assert part in page["data"]


def test_a_refusal_is_told_apart_and_what_the_budget_left_out(project, api, scheduled):
    """On rows that are divided anew there is time for one full fit, that of the champion's recipe,
    which the raised floor refuses, and for no refit."""
    with parameters(project) as params:
        params["split"]["classes"] = {"train": 0.6, "validation": 0.2, "test": 0.2}
        params["gate"]["image"]["digits"] = {"floor": 1.0}
        params["profiles"]["short"] = {"image": {"all": {"all": {"epochs": 1}}}}
    asked = {"task": "image", "dataset": "digits", "profile": "short", "budget": "31s"}
    made = begun(api, "retrain/image", **asked)
    refused = ended(api, project, "image", lambda run: run["id"] == made)
    assert refused["state_name"] == "Refused"
    fitted, version, _ = refused["state"]["message"].split(maxsplit=2)
    assert version == "v2"
    assert pointer(project, "image")[0]["version"] == "1"
    tags = runs(project, "image", "digits", "retrain")[-1].data.tags
    assert tags["espalier.budget"] == "31s"
    left_out = tags["espalier.left_out"].split("; ")
    assert {fitted, *left_out} == {*KEPT["image"], f"{fitted} (refit)"}
    assert f"The budget left out: {tags['espalier.left_out']}" in tags["mlflow.note.content"]
