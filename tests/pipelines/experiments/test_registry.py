"""Versions of a model, from pending to champion, and the copy of a champion that services read."""

from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def version(candidate):
    return registry.register("image", "digits", candidate)


def test_a_version_becomes_ready_challenger_and_champion_one_after_the_other(candidate, version):
    assert version.state == "pending"
    assert registry.register("image", "digits", candidate) == version
    registry.ready(version, "")
    registry.set_challenger(version)
    assert registry.aliases(version.name) == {registry.CHALLENGER: "1"}
    assert registry.champion("image", "digits") is None
    registry.set_champion(version)
    assert registry.aliases(version.name) == {registry.CHAMPION: "1"}
    champion = registry.champion("image", "digits")
    assert (champion.version, champion.state) == ("1", "ready")
    assert champion.fingerprint == candidate.fingerprint
    assert registry.versions("image", "digits") == [champion]


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


def test_a_refused_version_stays_on_record_with_its_reason(version):
    registry.refuse(version, "too weak", "**refused**")
    [refused] = registry.versions("image", "digits")
    held = tracking.connect().get_model_version(version.name, version.version)
    assert (refused.state, held.tags["espalier.reason"]) == ("refused", "too weak")


def test_a_fit_with_a_damaged_artifact_is_to_be_done_again(candidate):
    assert set(verification.reusable([fit()])) == {candidate.fingerprint}
    model = verification.artifact_folder(candidate.run_id) / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    assert verification.reusable([fit()]) == {}
    model.unlink()
    assert verification.reusable([fit()]) == {}


def test_runs_that_a_kill_left_running_are_ended(home):
    client = tracking.connect()
    run = client.create_run(tracking.experiment("image", "digits"))
    tracking.mend("image", "digits")
    assert client.get_run(run.info.run_id).info.status == "KILLED"


def test_a_published_champion_is_named_with_its_scores_and_readable_by_all(version):
    assert not publish.intact("image")
    publish.publish("image", version)
    publish.publish("image", version)
    assert publish.intact("image")
    pointer = publish.read("image")
    scores = {"accuracy": 0.9, "accuracy_high": 0.91, "accuracy_low": 0.89, "floor": 0.1}
    assert pointer.metrics == {f"test_{name}": score for name, score in scores.items()}
    assert publish.names(pointer, version)
    assert not publish.names(replace(pointer, version="9"), version)
    assert not publish.names(replace(pointer, metrics=None), version)  # an older one
    assert pointer.data == {"about": "Handwritten digits, one a picture."}
    assert not publish.names(replace(pointer, data={"about": "Other words."}), version)
    assert not publish.names(None, version)
    assert {path.name for path in publish.folder().iterdir()} == {"image.json", "artifacts"}
    for path in publish.folder().rglob("*"):
        readable = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & readable == readable, path


def test_a_damaged_published_artifact_is_placed_anew(version):
    publish.publish("image", version)
    model = publish.folder() / publish.read("image").artifact / "model.onnx"
    model.write_bytes(b"damaged")
    assert not publish.intact("image")
    publish.publish("image", version)
    assert publish.intact("image")


def test_a_start_without_the_registry_takes_what_was_published(
    version, monkeypatch, capsys, tmp_path
):
    served = settings.served() | {"image": ["digits", "mnist"]}
    monkeypatch.setattr(settings, "served", lambda: served)
    publish.publish("image", version)
    (publish.folder() / "image.json").write_text('{"name": "espal')
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{service.free_port()}")
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr("os.execvpe", lambda *called: started.append(called[2]))
    serve.serve(service.free_port())
    assert "ESPALIER_TASKS" not in started[0]  # it takes in the others' first champions
    said = capsys.readouterr().out
    assert "the registry does not answer" in said
    assert "espalier run --task forecast" in said
    assert "espalier run --dataset mnist" in said


def test_a_start_serves_no_champion_of_a_dataset_that_serve_names_no_more(
    version, monkeypatch, tmp_path
):
    publish.publish("image", version)
    monkeypatch.setattr(settings, "served", lambda: {task: ["digits"] for task in settings.TASKS})
    publish.publish("sentiment", version)  # an image's, so not of espalier-sentiment-digits
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr("os.execvpe", lambda *called: started.append(called[0]))
    serve.serve(service.free_port())
    assert started == ["bentoml"]
    assert publish.read("image").name == version.name
    assert publish.read("sentiment") is None


def test_an_artifact_with_one_changed_byte_is_never_published(version, tmp_path):
    """A hundred times: a file, a place and another byte at random; what was published stands."""
    publish.publish("image", version)
    before = publish.read("image")
    other = finished(fit("ann"), tmp_path / "other")
    version = registry.register("image", "digits", other)
    for path in changed_bytes(verification.artifact_folder(other.run_id), 100):
        assert not verification.whole(other)
        with pytest.raises(ArtifactError, match=f"{path.name} has sha256"):
            publish.publish("image", version)
    assert publish.read("image") == before
    assert len([*(publish.folder() / "artifacts").iterdir()]) == 1
    publish.publish("image", version)
    assert publish.names(publish.read("image"), version)


def test_experiments_made_at_once_are_one(home):
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: tracking.experiment("image", "digits"), range(8)))
    assert len(ids) == 1
    assert ids != {"0"}
