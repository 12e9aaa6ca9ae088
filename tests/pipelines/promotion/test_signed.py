"""A champion is signed with the decision, and what nobody who is trusted signed must not serve."""

import json

import keys_of
import model_signing
import pytest
from candidates import RULES, candidate, evaluation, hits
from recorded import HASH

from models.artifact import signature
from pipelines.commands import promote
from pipelines.commands.promote import RollbackRefused
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.promotion import contender, decision, ledger, reconcile
from pipelines.release import bento, publish
from pipelines.release.signing import SigningError
from pipelines.runtime import keys

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served


@pytest.fixture
def own(tmp_path, home, monkeypatch):
    """A pair of keys, of which this machine signs with the private one."""
    private, public = keys_of.pair(tmp_path, "own")
    monkeypatch.setenv(keys.SIGNING_KEY, str(private))
    return private, public


@pytest.fixture
def fitted(tmp_path):
    return lambda number: candidate(tmp_path, hits(0.9), seed=number, dataset=DATASET)


def decided(record, passed: bool = True) -> registry.Version:
    """Register the fit and put on record what became of it; returns its version."""
    version = decision.enter(DatasetVersion(TASK, DATASET, HASH), record, RULES)
    champion = contender.current_champion(TASK, DATASET)
    judged = evaluation(version, champion, passed)
    decision.decide(judged)
    return registry.version(MODEL, version.version)


def is_signed(version: registry.Version, public) -> bool:
    try:
        signature.read_trusted(public).check(version.signature, version.manifest_sha256)
    except signature.SignatureError:
        return False
    return True


def test_a_champion_is_signed_in_ledger_registry_and_pointer_and_nothing_else_is(own, fitted):
    champion = decided(fitted(0))
    assert is_signed(champion, own[1])
    pointer, file = publish.read(TASK), own[0].with_suffix(".sig")
    assert pointer.signature == champion.signature
    file.write_text(pointer.signature)
    theirs = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=own[1])
    theirs.verify(publish.folder() / pointer.artifact, file)
    assert ledger.entries(MODEL)[0].evidence["signature"] == champion.signature
    refused = decided(fitted(1), passed=False)
    assert refused.signature is None
    assert "signature" not in ledger.entries(MODEL)[1].evidence
    client = tracking.connect()
    client.delete_model_version_tag(MODEL, "1", registry.SIGNATURE)  # as a kill before it leaves
    client.delete_model_version_tag(MODEL, "1", registry.HEAD)
    reconcile.reconcile(TASK, DATASET)
    assert registry.champion(TASK, DATASET).signature == champion.signature


def test_what_cannot_be_signed_as_it_must_changes_nothing(own, fitted, monkeypatch, tmp_path):
    champion, record = decided(fitted(0)), fitted(1)
    foreign = keys_of.pair(tmp_path, "foreign")[0]
    for private, told in ((foreign, "does not trust"), (tmp_path / "lost.key", "No such file")):
        monkeypatch.setenv(keys.SIGNING_KEY, str(private))
        monkeypatch.setenv(keys.TRUST, str(own[1]))
        with pytest.raises(SigningError, match=told):
            decided(record)
    monkeypatch.delenv(keys.SIGNING_KEY)
    with pytest.raises(SigningError, match="ESPALIER_SIGNING_KEY is not"):
        decided(record)
    assert [one.version for one in registry.versions(TASK, DATASET)] == ["1"]
    assert len(ledger.entries(MODEL)) == 1
    assert publish.read(TASK).signature == champion.signature


def test_a_folder_that_was_changed_after_it_was_judged_is_not_signed(own, fitted):
    version = registry.register(TASK, DATASET, fitted(0))
    judged = evaluation(version, None)
    manifest = judged.candidate.folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    with pytest.raises(SigningError, match="another artifact"):
        decision.decide(judged)
    assert ledger.entries(MODEL) == []


def test_whom_nobody_trusts_is_neither_restored_nor_packaged(own, fitted, monkeypatch, tmp_path):
    monkeypatch.delenv(keys.SIGNING_KEY)
    unsigned = decided(fitted(0))
    monkeypatch.setenv(keys.SIGNING_KEY, str(own[0]))
    monkeypatch.setenv(keys.TRUST, str(own[1]))
    with pytest.raises(signature.SignatureError, match="not signed"):
        verification.verify(unsigned)
    assert contender.current_champion(TASK, DATASET) is None
    assert reconcile.follow(TASK, DATASET) is None
    with pytest.raises(signature.SignatureError, match="not signed"):
        bento.build(TASK)
    assert decided(fitted(1)).signature
    with pytest.raises(RollbackRefused, match="must not serve: It is not signed"):
        promote.rollback(TASK, DATASET, "it answers slowly")
    assert registry.champion(TASK, DATASET).version == "2"
    assert bento.published(TASK)[TASK].signature


def test_to_promote_the_champion_again_signs_it(own, fitted, monkeypatch):
    monkeypatch.setattr("data.versions.dataset_hash", lambda dataset: HASH)
    monkeypatch.delenv(keys.SIGNING_KEY)
    record = fitted(0)
    decided(record)
    monkeypatch.setenv(keys.SIGNING_KEY, str(own[0]))
    outcome = promote.promote(TASK, DATASET, record.run_id)
    assert not outcome.promoted
    assert is_signed(registry.champion(TASK, DATASET), own[1])
    assert publish.read(TASK).signature
    assert len(ledger.entries(MODEL)) == 1
