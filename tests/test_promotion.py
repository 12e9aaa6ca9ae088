"""The gate by the command alone: refused, forced, rolled back, while a service is running that
trusts one key."""

import httpx
import keys_of
import pytest
from project import answer, command, espalier, outcomes, pointer, runs, serving, store, until

pytestmark = pytest.mark.slow

MODEL = "espalier-image-digits"


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    """Digits with a champion."""
    project = prepared_copy(tmp_path_factory.mktemp("promotion") / "project")
    outcomes(project, "--task", "image")
    return project


@pytest.fixture(scope="module")
def signing(project) -> dict[str, str]:
    """The variables of a machine that signs, and trusts its own signature alone."""
    private, public = keys_of.pair(project.parent, "own")
    return {"ESPALIER_SIGNING_KEY": str(private), "ESPALIER_TRUST": str(public)}


@pytest.fixture(scope="module")
def weakest(project) -> str:
    """The fingerprint of a fit that is no champion."""
    fits = runs(project, "image", "digits", "fit")
    worst = min(fits, key=lambda run: run.data.metrics["validation_accuracy"])
    return worst.data.tags["espalier.fingerprint"]


def promote(project, *arguments: str, code: int, **more: str) -> dict:
    done = espalier(project, "promote", "--task", "image", *arguments, "--json", **more)
    assert done.returncode == code, done.stderr
    return answer(done)


def state(project) -> tuple:
    """What a dry run must leave as it was."""
    client = store(project)
    versions = [(v.version, dict(v.tags)) for v in client.search_model_versions()]
    alias = client.get_model_version_by_alias(MODEL, "champion").version
    return sorted(versions, key=str), alias, pointer(project, "image")[0]


def test_the_best_is_champion_already_and_is_signed_now(project, signing):
    key = signing["ESPALIER_SIGNING_KEY"]
    told = promote(project, code=0, ESPALIER_SIGNING_KEY=key)
    assert told["champion"]["version"] == told["candidate"]["version"] == "1"
    assert not told["promoted"]
    tags = store(project).get_model_version(MODEL, "1").tags
    assert tags["espalier.signature"] == pointer(project, "image")[0]["signature"]


def test_a_dry_run_prints_its_evidence_and_changes_nothing(project, weakest):
    before = state(project)
    told = promote(project, weakest, "--dry-run", code=3)
    assert state(project) == before
    assert told["ledger"] is None
    checks = {check["name"]: check["passed"] for check in told["checks"]}
    assert list(checks) == [
        "withdrawn",
        "golden",
        "latency",
        "memory",
        "size",
        "floor",
        "naive",
        "champion",
        "slices",
    ]
    assert not checks["champion"]
    assert checks["golden"]


def test_refused_forced_and_rolled_back_under_a_service(project, weakest, signing, tmp_path):
    pixel = bytes.fromhex("89504e470d0a1a0a")
    log = tmp_path / "service.log"
    with serving(project, *command("serve"), log=log, **signing) as url:

        def served() -> str:
            [model] = httpx.get(f"{url}/v1/models").json()["models"]
            return model["version"]

        assert served() == "1"
        told = promote(project, weakest, code=3, **signing)
        assert told["checks"]
        assert served() == "1"
        told = promote(project, weakest, "--force", "--reason", "a drill", code=0, **signing)
        assert (told["forced"], told["reason"]) == (True, "a drill")
        until(lambda: served() == told["champion"]["version"], "the forced champion", 5)
        over = ("--task", "image", "--reason", "over", "--json")
        back = espalier(project, "rollback", *over, **signing)
        assert back.returncode == 0, back.stderr
        assert answer(back)["to"] == "1"
        until(lambda: served() == "1", "the old champion", 5)
        assert httpx.post(f"{url}/v1/image", content=pixel).status_code < 500
    again = espalier(project, "rollback", "--task", "image")
    assert again.returncode == 3
    assert "no champion before" in again.stderr


def test_who_names_what_was_rolled_back_from_lifts_that(project, weakest):
    told = promote(project, weakest, "--dry-run", code=3)
    [withdrawn] = [check for check in told["checks"] if check["name"] == "withdrawn"]
    assert withdrawn["passed"]
    assert withdrawn["evidence"].endswith(": over; asked for by name")
