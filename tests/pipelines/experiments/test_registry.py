from dataclasses import replace

import pytest
from damage import changed_bytes
from recorded import finished, fit

from models.artifact.artifact import ArtifactError
from pipelines.commands import serve
from pipelines.experiments import registry, tracking, verification
from pipelines.processes import service
from pipelines.release import publish
from pipelines.runtime import settings


@pytest.fixture
def candidate(home, tmp_path):
    return finished(fit(), tmp_path / "artifact")


def test_there_is_no_champion_at_first(home):
    assert registry.champion("image", "digits") is None


def test_a_version_is_pending_until_it_is_ready_and_no_champion_until_it_is_crowned(candidate):
    version = registry.register("image", "digits", candidate)
    assert version.state == "pending"
    registry.ready(version)
    assert registry.champion("image", "digits") is None
    registry.set_champion(version)
    champion = registry.champion("image", "digits")
    assert (champion.version, champion.state) == ("1", "ready")
    assert champion.fingerprint == candidate.fingerprint


def test_registering_again_goes_on_with_the_same_version(candidate):
    first = registry.register("image", "digits", candidate)
    assert registry.register("image", "digits", candidate) == first
    assert len(registry.versions("image", "digits")) == 1


def test_what_was_registered_by_hand_is_none_of_ours(candidate):
    client, name = tracking.connect(), registry.model_name("image", "digits")
    client.create_registered_model(name)
    foreign = client.create_model_version(name, "somewhere", candidate.run_id)
    client.set_registered_model_alias(name, registry.CHAMPION, foreign.version)
    assert registry.champion("image", "digits") is None
    assert registry.version(name, str(foreign.version)) is None
    assert registry.versions("image", "digits") == []
    assert registry.preview("image", "digits", candidate).version == "2"
    ours = registry.register("image", "digits", candidate)
    registry.set_champion(ours)
    assert ours.version == "2"
    assert registry.versions("image", "digits") == [registry.champion("image", "digits")]


def test_the_challenger_is_who_last_tried_and_no_champion(candidate):
    version = registry.register("image", "digits", candidate)
    registry.set_challenger(version)
    client = tracking.connect()
    named = client.get_model_version_by_alias(version.name, registry.CHALLENGER)
    assert str(named.version) == version.version
    registry.set_champion(version)
    assert registry.CHALLENGER not in client.get_registered_model(version.name).aliases


def test_a_refused_version_stays_on_record_with_its_reason(candidate):
    registry.refuse(registry.register("image", "digits", candidate), "too weak")
    (version,) = registry.versions("image", "digits")
    held = tracking.connect().get_model_version(version.name, version.version)
    assert (version.state, held.tags["espalier.reason"]) == ("refused", "too weak")


def test_a_fit_with_a_damaged_artifact_is_to_be_done_again(candidate):
    planned = [fit()]
    assert set(verification.reusable(planned)) == {candidate.fingerprint}
    model = tracking.artifact_folder(candidate.run_id) / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    assert verification.reusable(planned) == {}
    model.unlink()
    assert verification.reusable(planned) == {}


def test_runs_that_a_kill_left_running_are_ended(home):
    client = tracking.connect()
    run = client.create_run(tracking.experiment("image", "digits"))
    tracking.mend("image", "digits")
    assert client.get_run(run.info.run_id).info.status == "KILLED"


def test_a_published_champion_is_intact_and_named(candidate, home):
    version = registry.register("image", "digits", candidate)
    assert not publish.intact("image")
    publish.publish("image", version)
    publish.publish("image", version)
    assert publish.intact("image")
    assert publish.names(publish.read("image"), version)
    scores = {"accuracy": 0.9, "accuracy_high": 0.91, "accuracy_low": 0.89, "floor": 0.1}
    told = {f"test_{name}": score for name, score in scores.items()}
    assert publish.read("image").metrics == told
    left = {path.name for path in publish.folder().iterdir()}
    assert left == {"image.json", "artifacts"}


def test_a_pointer_that_does_not_tell_scores_is_to_be_written_anew(candidate):
    version = registry.register("image", "digits", candidate)
    publish.publish("image", version)
    pointer = publish.read("image")
    assert publish.names(pointer, version)
    assert not publish.names(replace(pointer, version="9"), version)
    assert not publish.names(None, version)
    assert not publish.names(replace(pointer, metrics=None), version)


def test_a_start_without_the_registry_takes_what_was_published(candidate, monkeypatch, capsys):
    served = settings.served() | {"image": "digits"}
    monkeypatch.setattr(settings, "served", lambda: served)
    publish.publish("image", registry.register("image", "digits", candidate))
    (publish.folder() / "image.json").write_text('{"name": "espal')
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{service.free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert serve._published("image")
    assert not serve._published("sentiment")
    assert "the registry does not answer" in capsys.readouterr().out


def test_a_service_of_another_user_may_read_what_is_published(candidate):
    publish.publish("image", registry.register("image", "digits", candidate))
    for path in publish.folder().rglob("*"):
        readable = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & readable == readable, path


def test_a_damaged_published_artifact_is_placed_anew(candidate):
    version = registry.register("image", "digits", candidate)
    publish.publish("image", version)
    model = publish.folder() / publish.read("image").artifact / "model.onnx"
    model.write_bytes(b"damaged")
    assert not publish.intact("image")
    publish.publish("image", version)
    assert publish.intact("image")


def test_an_artifact_with_one_changed_byte_is_never_published(candidate, tmp_path):
    """A hundred times: a file, a place and another byte at random; what was published stands."""
    publish.publish("image", registry.register("image", "digits", candidate))
    before = publish.read("image")
    other = finished(fit("ann"), tmp_path / "other")
    version = registry.register("image", "digits", other)
    for path in changed_bytes(tracking.artifact_folder(other.run_id), 100):
        assert not verification.whole(other)
        with pytest.raises(ArtifactError, match=f"{path.name} has sha256"):
            publish.publish("image", version)
    assert publish.read("image") == before
    assert len([*(publish.folder() / "artifacts").iterdir()]) == 1
    publish.publish("image", version)
    assert publish.names(publish.read("image"), version)


def test_experiments_made_at_once_are_one(home):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: tracking.experiment("image", "digits"), range(8)))
    assert len(ids) == 1
    assert ids != {"0"}
