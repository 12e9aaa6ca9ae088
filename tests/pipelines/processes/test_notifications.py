"""A real Prefect server tells a real receiver what happens to champions, and what fails."""

import json
import subprocess
import sys

import pytest
import yaml
from deployed import read
from project import ROOT, copied, espalier, prefect_server, until, variables
from receiver import receiving

pytestmark = pytest.mark.slow

# Events of all kinds, two of them the same, and the failed runs of a flow of ours and of another.
HAPPENING = """
import prefect
from pipelines.processes import events

for kind in ("promotion", "force", "refusal", "rollback", "drift", "live-score", "retrain"):
    assert events.emit(kind, "image", "digits", f"{kind} it is", "http://page", "once")
assert events.emit("drift", "image", "digits", "drift it is", "http://page", "once")

@prefect.flow
def retrain():
    raise ValueError("no data")

@prefect.flow
def other():
    raise ValueError("none of ours")

for flow in (other, retrain):
    flow(return_state=True)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("notified") / "project")


def notify(checkout, ways: dict, **more: str) -> subprocess.CompletedProcess:
    """Set up these ways, as the command does."""
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    (checkout / "params.yaml").write_text(yaml.safe_dump(params | {"notify": ways}))
    return espalier(checkout, "notify", "--json", PREFECT_API_URL=prefect_server(), **more)


def automations() -> list[str]:
    return sorted(one["name"] for one in read(prefect_server(), "automations"))


def test_what_happens_is_told_once_and_nothing_else(checkout):
    team = {"team": {"kind": "webhook", "secret": "TEAM_URL"}}
    with receiving() as (url, received):
        for _ in range(2):
            done = notify(checkout, team, TEAM_URL=url)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {"ways": {"team": "webhook"}}
        names = ["espalier notify team: events", "espalier notify team: failed runs"]
        assert automations() == names
        documents = json.dumps(read(prefect_server(), "block_documents"))
        assert "espalier-team" in documents
        assert url not in documents  # nor does a reader of the server see it

        environment = variables(PREFECT_API_URL=prefect_server(), PYTHONPATH=str(ROOT))
        subprocess.run([sys.executable, "-c", HAPPENING], env=environment, check=True, timeout=120)
        until(lambda: len(received) >= 7, "all that happened", 60)
        texts = [f"{one['subject']} | {one['text']}" for one in received]
    kinds = ("promotion", "force", "refusal", "rollback", "drift", "live-score")
    for kind in kinds:
        told = f"Espalier: espalier.{kind}, image digits | {kind} it is\nhttp://page"
        assert texts.count(told) == 1
    [failed] = [one for one in texts if one.endswith("ValueError: no data\n")]
    assert failed.startswith("Espalier: ")
    assert len(texts) == 7  # neither what asks for a retraining nor what others run

    assert notify(checkout, {}).returncode == 0
    assert automations() == []
    left = json.dumps(read(prefect_server(), "block_documents"))
    assert "espalier-team" not in left  # which held the secret


@pytest.mark.parametrize(
    ("way", "more", "code", "message"),
    [
        ({"kind": "webhook", "secret": "TEAM_URL"}, {}, 1, "TEAM_URL is not set: notify.team in"),
        ({"kind": "webhook", "secret": "https://x/y"}, {}, 2, "is no name of an environment"),
        ({"kind": "email", "secret": "KEY"}, {"KEY": "k"}, 2, "expected both or none"),
        ({"kind": "pigeon", "secret": "KEY"}, {"KEY": "k"}, 2, "notify.team.kind"),
    ],
)
def test_what_cannot_be_set_up_is_told(checkout, way, more, code, message):
    done = notify(checkout, {"team": way}, **more)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "https://x/y" not in done.stderr


def test_names_that_are_one_block_are_told(checkout):
    way = {"kind": "webhook", "secret": "KEY"}
    done = notify(checkout, {"a_team": way, "A-Team": way}, KEY="http://127.0.0.1:9/k")
    assert done.returncode == 2, done.stderr
    assert "2 names that are one block, espalier-a-team" in done.stderr


def test_slack_and_e_mail_are_blocks_of_prefect(checkout):
    ways = {
        "chat": {"kind": "slack", "secret": "SLACK"},
        "mail": {"kind": "email", "secret": "KEY", "sender": "a@b.org", "to": ["c@d.org"]},
    }
    done = notify(checkout, ways, SLACK="https://hooks.slack.com/services/T1/B1/C1", KEY="key")
    assert done.returncode == 0, done.stderr
    documents = read(prefect_server(), "block_documents")
    kinds = {one["name"]: one["block_type"]["slug"] for one in documents}
    assert kinds["espalier-chat"] == "slack-webhook"
    assert kinds["espalier-mail"] == "sendgrid-email"
    [mail] = [one for one in documents if one["name"] == "espalier-mail"]
    assert mail["data"]["to_emails"] == ["c@d.org"]
    assert "key" not in json.dumps(mail["data"]).replace("api_key", "")
