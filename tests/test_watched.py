"""A real Prefect server, worker and service: what has changed, the monitor's event, the retraining
that it asks for, and the whole loop, without a person and with one."""

from pathlib import Path

import pytest
import yaml
from deployed import answered_yes, begun, deployed, ended, read, suspended
from labelling import WORDS, ask_and_label, on_trial
from logged import logged_records
from project import (
    answer,
    command,
    declare_reviews,
    espalier,
    parameters,
    runs,
    serving,
    until,
)

pytestmark = pytest.mark.slow


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
    made = begun(api, f"{flow}/sentiment", **given)
    return ended(api, project, "sentiment", lambda run: run["id"] == made)


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
    wait_between(project, "6h")
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


@pytest.fixture(scope="module")
def service(project, api, tmp_path_factory):
    """A service that keeps its inputs; what passes in a retraining is its champion's shadow."""
    with parameters(project) as params:
        params["gate"]["sentiment"]["all"] |= {"trial": "shadow"}
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(project, *command("serve"), log=log, ESPALIER_LOG_INPUTS="1") as url:
        yield url


def wait_between(project: Path, cooldown: str) -> None:
    """Set how long one retraining follows another at least."""
    with parameters(project) as params:
        params["retrain"]["reviews"]["cooldown"] = cooldown


def ask(project: Path, url: str, name: str, good: str, bad: str, count: int = 400) -> set[str]:
    """Ask about texts in words of their own, send back what was right, once all of it is in the
    log; returns the versions that answered.

    name: of these requests.
    """
    versions = ask_and_label(url, name, range(count), good, bad)

    def logged() -> list[dict]:
        requests = logged_records(project / ".espalier" / "requests")
        return [one for one in requests if one["request_id"].startswith(f"{name}-")]

    until(lambda: len(logged()) == count, "all requests in the log")
    return versions


def asked_by_the_monitor(api: str, project: Path, before: int) -> dict:
    """The retraining that an event began, after so many of them, once it is completed."""

    def automated(run: dict) -> bool:
        return (run["created_by"] or {}).get("type") == "AUTOMATION"

    def more() -> bool:
        runs = read(api, "flow_runs", deployments={"name": {"any_": ["sentiment"]}})
        return len(list(filter(automated, runs))) > before

    until(more, "another retraining by an event")
    found = [run for run in read(api, "flow_runs", sort="START_TIME_DESC") if automated(run)]
    return ended(api, project, "sentiment", lambda run: run["id"] == found[0]["id"])


def kinds(api: str) -> list[str]:
    """The events that the monitor sent, whatever the decisions were."""
    events = read(api, "events", filter={"event": {"prefix": ["espalier."]}})["events"]
    sent = [event["event"].removeprefix("espalier.") for event in events]
    return sorted(one for one in sent if one in ("drift", "live-score", "retrain"))


def test_the_loop_closes_by_itself(project, api, service):
    wait_between(project, "0.0001h")
    before = ask(project, service, "drifted", good="gripping", bad="tedious")
    assert begin(api, project, "monitor")["state_name"] == "Retrain"
    retrained = asked_by_the_monitor(api, project, before=1)
    assert retrained["state_name"] == "On trial", retrained["state"]["message"]
    assert kinds(api) == ["drift", "live-score", "retrain", "retrain"]

    wait_between(project, "6h")  # the labels of its trial ask for the next one
    tried = set(until(lambda: on_trial(service), "a challenger"))
    assert ask(project, service, "tried", good="gripping", bad="tedious") == before
    assert begin(api, project, "monitor")["state_name"] == "Nothing to do"
    until(lambda: not on_trial(service), "the end of the trial")
    assert ask(project, service, "after", good="gripping", bad="tedious") == tried


def test_the_loop_waits_for_a_person_where_one_is_asked(project, api, service):
    with parameters(project) as params:
        params["gate"]["sentiment"]["all"] |= {"approval": "required"}
    wait_between(project, "0.0001h")
    before = ask(project, service, "again", good="luminous", bad="clumsy")
    assert begin(api, project, "monitor")["state_name"] == "Retrain"
    retrained = asked_by_the_monitor(api, project, before=2)
    assert retrained["state_name"] == "On trial", retrained["state"]["message"]
    wait_between(project, "6h")
    tried = set(until(lambda: on_trial(service), "a challenger"))
    assert ask(project, service, "tried-again", good="luminous", bad="clumsy") == before

    asking = begun(api, "monitor/sentiment")
    until(lambda: suspended(api, asking), "a run that asks", 300)
    assert ask(project, service, "meanwhile", good="luminous", bad="clumsy", count=20) == before
    answered_yes(api, asking, "Ada")
    ended(api, project, "sentiment", lambda run: run["id"] == asking)
    until(lambda: not on_trial(service), "the end of the trial")
    assert ask(project, service, "promoted", good="luminous", bad="clumsy") == tried
    [book] = answer(espalier(project, "trace", "--json"))["ledgers"]
    decided = [(one["action"], one["to_version"]) for one in book["decisions"][-3:]]
    [version] = tried
    assert decided == [("shadow", version), ("awaiting", version), ("promotion", version)]
    assert book["decisions"][-1]["evidence"]["checks"][-1]["by"] == "Ada"
