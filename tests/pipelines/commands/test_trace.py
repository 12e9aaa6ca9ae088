"""One lineage from every end of it, over a real MLflow store and a real ledger."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from entries import append, rewritten
from homes import living_in
from project import ROOT, espalier
from recorded import DIGITS, HASH, finished, fit

from data.dvc import calls
from pipelines.commands import trace
from pipelines.experiments import fingerprint, registry, tracking, verification
from pipelines.lineage import terminal_view
from pipelines.lineage.records import Lineage
from pipelines.locks import state
from pipelines.promotion import ledger
from pipelines.release import bento, publish
from pipelines.runtime.settings import UsageError

MODEL = "espalier-image-digits"


def fingerprint_of(arch: str, seed: int) -> str:
    return hashlib.sha256(f"{arch} {seed}".encode()).hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory, empty_store):
    """A retraining of three fits, a baseline and one that failed: the first fit was promoted, the
    second refused, the third forced in and rolled back from. Its tests change nothing."""
    place = tmp_path_factory.mktemp("world")
    with (
        pytest.MonkeyPatch.context() as patch,
        living_in(place / "home", patch, empty_store) as home,
    ):
        yield SimpleNamespace(home=home, **lived(place))


def lived(place) -> dict:
    """Live through it; returns the parent's id, the fits' records and the baseline's id."""
    planned = [
        replace(fit(arch, seed, units=64), fingerprint=fingerprint_of(arch, seed))
        for arch, seed in (("cnn", 0), ("ann", 0), ("cnn", 1))
    ]
    with tracking.parent(DIGITS, "quick", "retrain") as parent:
        with tracking.active(DIGITS, "majority", {"espalier.kind": "baseline"}, parent) as baseline:
            pass
        fits = [
            finished(one, place / f"artifact-{n}", parent, validation_accuracy=0.9 + n / 100)
            for n, one in enumerate(planned)
        ]
        with pytest.raises(RuntimeError), tracking.child(fit("lstm"), parent):
            raise RuntimeError("out of memory")
    made = [registry.register("image", "digits", record) for record in fits[:1]]
    decide("promotion", None, made[0], ("naive", True, "better, p < 0.0001"))
    registry.ready(made[0], "")
    registry.set_champion(made[0])
    for record in fits[1:]:
        made.append(registry.register("image", "digits", record))
        registry.refuse(made[-1], "not yet decided", "")  # else the next would remove it
    decide("refusal", made[0], made[1], ("slices", False, "class 3 fell"), "slices")
    decide("force", made[0], made[2], ("slices", False, "class 8 fell"), "[it] must")
    last = decide("rollback", made[2], made[0], reason="class 8 again")
    tracking.connect().set_model_version_tag(MODEL, "1", registry.HEAD, f"4 {last.hash}")
    publish.publish("image", made[0])
    carried = bento.champions("espalier:abc")
    carried.mkdir(parents=True)
    shutil.copy(publish.folder() / "image.json", carried)
    return {"parent": parent, "fits": fits, "baseline": baseline.run_id}


def decide(action, champion, candidate, check=None, reason="") -> ledger.Entry:
    checks = [dict(zip(("name", "passed", "evidence"), check, strict=True))] if check else []
    return append(
        MODEL,
        action,
        candidate.version,
        from_version=champion and champion.version,
        run_id=candidate.run_id,
        fingerprint=candidate.fingerprint,
        evidence={"rules": {}, "checks": checks},
        reason=reason,
    )


def shown(lineage: Lineage, capsys) -> str:
    """What a person sees, with one space between words."""
    terminal_view.show(lineage)
    return "\n".join(" ".join(line.split()) for line in capsys.readouterr().out.splitlines())


def test_a_champion_leads_back_to_its_data_and_its_checks(world, capsys):
    lineage = trace.trace(f"{MODEL}@champion")
    [version], [run], [data] = lineage.versions, lineage.runs, lineage.data
    assert (version.version, version.aliases) == ("1", ["champion"])
    assert version.pointers == [str(world.home / "published" / "image.json")]
    assert version.bentos == ["espalier:abc"]
    assert [entry.action for entry in version.decisions] == ["promotion", "force", "rollback"]
    assert version.decisions[0].evidence["checks"][0]["name"] == "naive"
    assert (run.run_id, run.parent) == (world.fits[0].run_id, world.parent)
    assert (run.seed, run.parameters) == (0, {"epochs": 1, "units": 64})
    assert run.backend == fingerprint.versions()
    assert (run.metrics["test_accuracy"], run.fingerprint) == (0.9, fingerprint_of("cnn", 0))
    assert (data.dataset, data.hash) == ("digits", HASH)
    assert not lineage.broken
    page = shown(lineage, capsys)
    for text in (f"{MODEL}/1", run.run_id, "units 64", "✓ naive: better", "chain whole"):
        assert text in page


def test_the_ledger_says_what_served_when(world):
    entries = ledger.entries(MODEL)
    reigns = trace.history().ledgers[0].reigns
    assert [(reign.version, reign.begun_by, reign.ended_by) for reign in reigns] == [
        ("1", 1, 3),
        ("3", 3, 4),
        ("1", 4, None),
    ]
    assert [reign.since for reign in reigns] == [entries[n].at for n in (0, 2, 3)]
    assert [reign.until for reign in reigns] == [entries[2].at, entries[3].at, None]
    [third] = trace.trace(f"{MODEL}/3").versions
    assert third.reigns == [reigns[1]]
    assert (third.pointers, third.bentos, third.aliases) == ([], [], [])


@pytest.mark.parametrize("digits", [64, 8])
def test_a_fingerprint_leads_to_its_run_and_what_was_decided(world, digits, capsys):
    lineage = trace.trace(fingerprint_of("ann", 0)[:digits])
    assert lineage.kind == "fingerprint"
    assert [run.run_id for run in lineage.runs] == [world.fits[1].run_id]
    page = shown(lineage, capsys)
    assert "v2 was refused, champion before: v1" in page
    assert "✗ slices: class 3 fell" in page


def test_the_beginning_of_several_fingerprints_names_them(world):
    begun = replace(fit("gru"), fingerprint=fingerprint_of("ann", 0)[:20] + "0" * 44)
    with tracking.child(begun, None) as run:
        pass
    with pytest.raises(UsageError, match=f"several fingerprints: .*{begun.fingerprint}"):
        trace.trace(fingerprint_of("ann", 0)[:20])
    tracking.connect().delete_run(run.run_id)


def test_a_data_hash_leads_to_all_that_came_of_it(world, capsys):
    for what in (HASH, HASH.removesuffix(".dir")):
        lineage = trace.trace(what)
        assert lineage.kind == "data"
        assert [version.version for version in lineage.versions] == ["1", "2", "3"]
    kinds = [(line.kind, line.validation) for line in lineage.fits]
    assert kinds[:3] == [("fit", pytest.approx(score)) for score in (0.92, 0.91, 0.9)]
    assert {kind for kind, _ in kinds[3:]} == {"baseline", "fit", "retrain"}
    [failed] = [line for line in lineage.fits if line.status == "FAILED"]
    assert (failed.name, failed.why) == ("lstm · full · seed 0", "out of memory")
    page = shown(lineage, capsys)
    for text in (
        "v3 was promoted by force, champion before: v1",
        "[it] must",
        "v1 was rolled back to, champion before: v3",
        fingerprint_of("cnn", 1),
    ):
        assert text in page


def test_a_run_leads_to_what_is_below_it_and_to_its_data(world):
    lineage = trace.trace(world.parent)
    assert [run.kind for run in lineage.runs] == ["retrain"]
    assert [version.version for version in lineage.versions] == ["1", "2", "3"]
    assert [fit.kind for fit in lineage.fits] == ["fit", "fit", "fit", "baseline", "fit"]
    baseline = trace.trace(world.baseline)
    assert (baseline.versions, baseline.fits) == ([], [])
    assert [data.hash for data in baseline.data] == [HASH]


def test_data_is_had_again_by_the_commit_that_names_it_or_the_runs_dvc_lock(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr(calls, "ROOT", tmp_path)
    [data] = trace.trace(world.parent).data
    assert (data.commit, data.checkout) == (None, None)
    kept = verification.artifact_of(world.parent, "dvc.lock")
    before = kept.read_text()
    kept.write_text(f"md5: {HASH}")
    [data] = trace.trace(fingerprint_of("cnn", 0)).data
    assert data.checkout == f"cp {kept} dvc.lock && dvc pull data/prepared/digits"
    kept.write_text(before)


def test_the_history_is_the_ledger_in_words(world, capsys):
    lineage = trace.history()
    [book] = lineage.ledgers
    assert (book.model, book.length, book.champion) == (MODEL, 4, "1")
    page = shown(lineage, capsys).splitlines()
    assert "cnn v1 was promoted, champion before: none" in page[2]
    assert "ann v2 was refused, champion before: cnn v1" in page[3]
    assert [line.strip() for line in page[-2:]] == ["length 4", "chain whole"]


def logged(world, **changes) -> dict:
    """Let a service of the world's home have answered a request; returns the row."""
    row = {
        "time": 1_800_000_000_000_000,
        "request_id": "asked",
        "model": MODEL,
        "version": "1",
        "fingerprint": fingerprint_of("cnn", 0),
        "label": ["7"],
    } | changes
    folder = world.home / "requests"
    folder.mkdir(exist_ok=True)
    path = folder / f"20270115T080000-{len(list(folder.iterdir())):06}-1.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"request_id": "another"}) + "\n")
    return row


@pytest.mark.parametrize("request_id", ["own-id:1", "f0" * 16, "e0" * 4])
def test_a_request_leads_to_all_that_its_version_leads_to(world, request_id, capsys):
    logged(world, request_id=request_id)
    lineage = trace.trace(request_id)
    [request] = lineage.requests
    assert lineage.kind == "request"
    assert (request["time"], request["label"]) == ("2027-01-15T08:00:00.000+00:00", ["7"])
    of_version = trace.trace(f"{MODEL}/1")
    for part in ("versions", "runs", "data", "ledgers"):
        assert getattr(lineage, part) == getattr(of_version, part)
    page = shown(lineage, capsys)
    for text in (f"request · {request_id}", "2027-01-15T08:00:00", f"{MODEL}/1", "label 7"):
        assert text in page


def test_several_requests_of_one_id_are_shown_the_newest_first(world, capsys):
    """Also those that a model of another registry answered."""
    other = {"version": "2", "fingerprint": fingerprint_of("ann", 0), "label": ["7", "1"] * 9}
    logged(world, request_id="again", **other)
    later = {"time": 1_800_000_001_000_000, "status": 422, "error": "invalid_level"}
    logged(world, request_id="again", **later)
    latest = {"time": 1_800_000_002_000_000, "fingerprint": fingerprint_of("cnn", 9)}
    logged(world, request_id="again", model="espalier-image-other", **latest)
    logged(world, request_id="again", **latest)
    lineage = trace.trace("again")
    assert [row["version"] for row in lineage.requests] == ["1", "1", "1", "2"]
    assert [version.version for version in lineage.versions] == ["1", "2"]
    page = shown(lineage, capsys)
    for text in ("espalier-image-other", "error invalid_level", "label 7 1 7 1 7 1 7 1 …"):
        assert text in page


@pytest.fixture
def by_hand(world) -> Iterator[str]:
    """A version that somebody registered in MLflow itself, of a run of ours and with one of our
    tags, and beside it a copy of ours under another name; yields its number."""
    client = tracking.connect()
    ours = client.get_model_version(MODEL, "1")
    tags = {"espalier.dataset_hash": HASH}
    version = client.create_model_version(MODEL, ours.source, ours.run_id, tags)
    client.copy_model_version(f"models:/{MODEL}/1", "copied")
    yield str(version.version)
    client.delete_model_version(MODEL, version.version)
    client.delete_registered_model("copied")


def test_what_was_registered_by_hand_is_left_out(world, by_hand, capsys):
    row = logged(world, request_id="beside")
    logged(world, request_id="by-hand", version=by_hand)
    for what in ("beside", row["fingerprint"], f"{MODEL}/1", world.fits[0].run_id, HASH):
        versions = [(one.model, one.version) for one in trace.trace(what).versions]
        assert (MODEL, "1") in versions
        assert (MODEL, by_hand) not in versions
        assert {model for model, _ in versions} == {MODEL}
    assert trace.trace("by-hand").versions == []
    lineage = trace.history()
    assert lineage.ledgers[0].archs == {"1": "cnn", "2": "ann", "3": "cnn"}
    assert not lineage.broken
    shown(lineage, capsys)
    with pytest.raises(UsageError, match=f"no version {by_hand} that espalier registered"):
        trace.trace(f"{MODEL}/{by_hand}")


def test_a_lineage_is_json(world):
    logged(world, request_id="as-json")
    for what in (None, HASH, world.fits[0].run_id, "as-json"):
        lineage = trace.trace(what) if what else trace.history()
        assert json.loads(json.dumps(lineage.model_dump())) == lineage.model_dump()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (f"{MODEL}/7", "has no version 7"),
        (f"{MODEL}@challenger", "has no challenger"),
        ("espalier-image-digit/1", "did you mean 'espalier-image-digits'?"),
        ("f" * 64, "nothing is known by"),
        ("f" * 32 + ".dir", "nothing is known by"),
        ("f" * 7, "an MLflow run id"),
        ("no-request", "the id of a request"),
        ("digits' OR 1=1", "a fingerprint"),
    ],
)
def test_what_is_not_known_is_named(world, what, message):
    with pytest.raises(UsageError, match=message):
        trace.trace(what)


@pytest.fixture
def tampered(world, tmp_path, monkeypatch):
    """What changes a copy of the ledger, which is the one of the test."""
    copy = tmp_path / "tampered.db"
    with closing(sqlite3.connect(world.home / "espalier.db")) as ours:
        ours.execute("VACUUM INTO ?", [str(copy)])
    monkeypatch.setenv(state.VARIABLE, f"sqlite:///{copy}")
    return rewritten


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE ledger SET evidence = '{' WHERE position = 1", "entry 1 was changed"),
        ("DELETE FROM ledger WHERE position > 2", "4 entries were noted, 2 are left"),
        ("DELETE FROM ledger", "4 entries were noted, 0 are left"),
    ],
)
def test_a_ledger_that_is_not_what_was_written_is_shown(tampered, statement, message, capsys):
    tampered(statement)
    for lineage in (trace.trace(f"{MODEL}@champion"), trace.history()):
        assert lineage.broken
        assert message in lineage.ledgers[0].broken
        page = shown(lineage, capsys)
        assert page.startswith(f"THE LEDGER OF {MODEL} IS BROKEN")
        assert message in page


def test_a_ledger_written_anew_is_told_by_the_head_of_the_old(tampered):
    copied = ledger.entries(MODEL)
    tampered("DELETE FROM ledger")
    for entry in copied:
        decide("promotion", None, SimpleNamespace(**vars(entry), version="1"))
    assert ledger.verify(ledger.entries(MODEL)) is None
    lineage = trace.history()
    assert "written anew" in lineage.ledgers[0].broken


@pytest.fixture
def champion_alias(world):
    """Set the champion's alias, as somebody might in MLflow itself."""
    client = tracking.connect()
    yield lambda version: client.set_registered_model_alias(MODEL, registry.CHAMPION, version)
    client.set_registered_model_alias(MODEL, registry.CHAMPION, "1")


def test_the_champions_alias_set_back_does_not_hide_a_cut(tampered, champion_alias):
    tampered("DELETE FROM ledger WHERE position > 2")
    champion_alias("2")
    assert "the end was cut" in trace.trace(f"{MODEL}/2").ledgers[0].broken


def test_an_alias_that_no_decision_set_is_remarked(champion_alias, capsys):
    champion_alias("2")
    lineage = trace.history()
    assert not lineage.broken
    assert "version 1 is champion, the alias names 2" in shown(lineage, capsys)


@pytest.mark.slow
def test_the_command_ends_with_one_where_the_chain_is_broken(tampered, world, tmp_path):
    def traced(*arguments: str, **more: str):
        return espalier(ROOT, "trace", *arguments, ESPALIER_HOME=str(world.home), **more)

    done = traced(fingerprint_of("cnn", 0), "--json")
    assert (done.returncode, json.loads(done.stdout)["kind"]) == (0, "fingerprint"), done.stderr
    tampered("DELETE FROM ledger WHERE position = 4")
    done = traced(**{state.VARIABLE: f"sqlite:///{tmp_path / 'tampered.db'}"})
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"espalier: {MODEL}: ")
