"""A deployment's run asks on its page in Prefect: its process ends, and a yes there promotes."""

import pytest
import yaml
from deployed import answered_yes, begun, deployed, ended, suspended
from project import answer, espalier, parameters, runs, until

pytestmark = pytest.mark.slow

SOURCE = "data/sources/shipped/digits.py"


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    folder = prepared_copy(tmp_path_factory.mktemp("asked") / "project")
    with parameters(folder) as params:
        look = {"image": {"share": 0.5, "epochs": 1, "keep": 1}}
        params["profiles"]["quick"]["first_look"] = look
        params["gate"]["image"]["all"] |= {"approval": "required"}
    declared = yaml.safe_load((folder / "prefect.yaml").read_text())
    image = next(one for one in declared["deployments"] if one["name"] == "image")
    image["parameters"] |= {"dataset": "digits", "package": False}  # a Bento takes a minute
    image["schedules"] = []  # nothing starts by itself
    declared["deployments"] = [image]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(declared))
    return folder


def test_the_page_asks_and_its_answer_is_that_of_the_command(project):
    with deployed(project) as api:
        run = begun(api, "retrain/image")
        assert until(lambda: suspended(api, run), "a run that asks", 540)["run_count"] == 1
        assert not (project / ".espalier" / "published" / "image.json").exists()
        [asked] = answer(espalier(project, "status", "--json"))["awaiting"]
        assert (asked["dataset"], asked["version"]) == ("digits", "1")
        # Its process has ended: the worker's one place is free, and another run asks nothing anew.
        second = begun(api, "retrain/image")
        again = ended(api, project, "image", lambda one: one["id"] == second)
        assert again["state_name"] == "Awaiting"
        assert "; version 1 waits for a yes until" in again["state"]["message"]
        fits, source = runs(project, "image", "digits", "fit"), project / SOURCE
        source.write_text(source.read_text().replace("np.int64)", "np.int64)[:-1]"))  # newer data
        answered_yes(api, run, "Ada")
        done = ended(api, project, "image", lambda one: one["id"] == run)
        assert done["state_name"] == "Promoted"
        assert "asks-for-version-1-of-digits" in done["tags"]
        # What is new waits for the next run: a yes is not kept waiting by fits.
        assert len(runs(project, "image", "digits", "fit")) == len(fits)
        [book] = answer(espalier(project, "trace", "--json"))["ledgers"]
        assert [entry["action"] for entry in book["decisions"]] == ["awaiting", "promotion"]
        assert book["decisions"][-1]["evidence"]["checks"][-1]["by"] == "Ada"
        assert book["champion"] == "1"
