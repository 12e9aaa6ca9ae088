"""A real server and worker: new rows, the monitor's event, and the retraining that it asks for."""

from pathlib import Path

import httpx
import pytest
import yaml
from deployed import deployed, ended, read
from project import declare_reviews, parameters, runs

pytestmark = pytest.mark.slow

WORDS = ("sunset", "harbour", "engine", "letter")


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    """Own reviews, whose champion may be retrained again at once."""
    folder = prepared_copy(tmp_path_factory.mktemp("watched") / "project")
    declare_reviews(folder)
    with parameters(folder) as params:
        params["retrain"] = {"reviews": {"cooldown": "0.0001h", "share": 1.0}}
    return folder


@pytest.fixture(scope="module")
def api(project):
    declared = yaml.safe_load((project / "prefect.yaml").read_text())
    for deployment in declared["deployments"]:
        deployment["schedules"] = []  # what runs is what the test begins, or an event
    (project / "prefect.yaml").write_text(yaml.safe_dump(declared))
    with deployed(project) as url:
        yield url


def begin(api: str, project: Path, flow: str, **given: object) -> dict:
    """Run the deployment of the sentiment task, and return its run once it is completed."""
    deployment = httpx.get(f"{api}/deployments/name/{flow}/sentiment").json()
    url = f"{api}/deployments/{deployment['id']}/create_flow_run"
    made = httpx.post(url, json={"parameters": given}).raise_for_status().json()
    return ended(api, project, "sentiment", lambda run: run["id"] == made["id"])


def grow(project: Path, by: int, start: int) -> None:
    """Append reviews that say the same in other words."""
    with (project / "own" / "reviews.csv").open("a") as file:
        for row in range(start, start + by):
            word, verdict = (("dreadful", "bad"), ("wonderful", "good"))[row % 2]
            file.write(f"{WORDS[row % 4]} {WORDS[row % 3]} of {row} {word},{verdict}\n")


def test_new_rows_are_noticed_and_retrained_on_and_no_night_does_it_twice(project, api):
    first = begin(api, project, "retrain")
    assert first["state_name"] == "Promoted"

    quiet = begin(api, project, "monitor")
    assert quiet["state_name"] == "Nothing to do"
    assert "the data is that of the last retraining" in quiet["state"]["message"]
    night = begin(api, project, "retrain", reasoned=True)
    assert (night["state_name"], len(runs(project, "sentiment", "reviews", "retrain"))) == (
        "Nothing new",
        1,
    )
    assert "fits on this data are on record, and were decided about" in night["state"]["message"]
    print(f"a night without a reason: {night['total_run_time']:.1f} s")
    assert night["total_run_time"] < 60

    grow(project, by=200, start=200)
    noticed = begin(api, project, "monitor")
    assert noticed["state_name"] == "Retrain"
    assert "yes: the source of reviews has changed" in noticed["state"]["message"]
    asked = ended(
        api, project, "sentiment", lambda run: (run["created_by"] or {}).get("type") == "AUTOMATION"
    )
    assert asked["name"] == "retrain sentiment reviews"
    assert asked["parameters"] == {"task": "sentiment", "dataset": "reviews", "reasoned": True}
    assert asked["state_name"] in ("Promoted", "Kept", "Refused")
    assert len(runs(project, "sentiment", "reviews", "retrain")) == 2
    assert begin(api, project, "monitor")["state_name"] == "Nothing to do"


def test_rows_that_come_too_soon_wait(project, api):
    with parameters(project) as params:
        params["retrain"] = {"reviews": {"cooldown": "6h"}}
    grow(project, by=20, start=400)
    night = begin(api, project, "retrain", reasoned=True)
    assert night["state_name"] == "Not yet"
    assert "training rows more than those of" in night["state"]["message"]
    assert "6h lie between two retrainings" in night["state"]["message"]
    events = read(api, "events", filter={"event": {"prefix": ["espalier."]}})["events"]
    names = sorted(event["event"] for event in events)
    assert names.count("espalier.retrain") == 1
    assert names.count("espalier.promotion") + names.count("espalier.refusal") >= 1
    # A person who asks gets what was asked for.
    assert begin(api, project, "retrain")["state_name"] in ("Promoted", "Kept", "Refused")
