"""The artifact folder: what was written is accepted, anything else is refused."""

import hashlib
import json
import os

import numpy as np
import pytest

from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from models.inputs.answers import predict
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs

IDENTITY = {"task": "image", "arch": "cnn", "seed": 0, "parameters": {"units": 8}}


@pytest.fixture
def written(tmp_path):
    """A folder with its manifest's digest; the checks do not care that no model is in the files."""
    for name in sorted(artifact.FILES):
        (tmp_path / name).write_bytes(name.encode() * 5)
    return tmp_path, artifact.write_manifest(tmp_path, IDENTITY)


def test_what_was_written_is_accepted(written):
    manifest = artifact.check(*written)
    assert manifest["format"] == 1
    assert manifest["seed"] == 0
    assert set(manifest["files"]) == artifact.FILES
    digest = hashlib.sha256(b"model.onnx" * 5).hexdigest()
    assert manifest["files"]["model.onnx"] == {"sha256": digest, "bytes": 50}


def test_equal_files_give_an_equal_manifest(written):
    folder, digest = written
    (folder / "manifest.json").unlink()
    assert artifact.write_manifest(folder, dict(reversed(IDENTITY.items()))) == digest


@pytest.mark.parametrize("name", sorted(artifact.FILES | {"manifest.json"}))
def test_every_flipped_byte_is_refused(written, name):
    folder, digest = written
    path = folder / name
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ArtifactError, match=f"{name} has sha256 .* not "):
            artifact.check(folder, digest)
    path.write_bytes(content)
    artifact.check(folder, digest)


@pytest.mark.parametrize("name", sorted(artifact.FILES | {"manifest.json"}))
def test_a_file_of_another_length_or_none_is_refused(written, name):
    folder, digest = written
    (folder / name).write_bytes(b"short")
    with pytest.raises(ArtifactError, match=f"{name} has"):
        artifact.check(folder, digest)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        artifact.check(folder, digest)


@pytest.mark.parametrize("name", ["evil.so", ".hidden", "weights.data"])
def test_an_additional_file_is_refused(written, name):
    folder, digest = written
    (folder / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match=name):
        artifact.check(folder, digest)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_link_is_refused_even_to_equal_bytes_and_a_pipe_without_waiting_on_it(
    written, name, tmp_path_factory
):
    folder, digest = written
    elsewhere = tmp_path_factory.mktemp("elsewhere") / name
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=f"{name} is not a regular file"):
        artifact.check(folder, digest)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ArtifactError, match=f"{name} is not a regular file"):
        artifact.check(folder, digest)


@pytest.mark.parametrize("name", ["../model.onnx", "sub/model.onnx", "/etc/passwd", "model.pkl"])
def test_a_name_that_is_no_part_of_an_artifact_is_refused(written, name):
    folder, _ = written
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = manifest["files"]["model.onnx"]
    content = artifact.to_json(manifest)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="no part of an artifact"):
        artifact.check(folder, hashlib.sha256(content).hexdigest())


def test_sizes_over_the_cap_are_refused_before_reading(written):
    folder, digest = written
    for name, cap in [
        ("model.onnx", artifact.MAX_FILE_BYTES),
        ("manifest.json", artifact.MAX_MANIFEST_BYTES),
    ]:
        content = (folder / name).read_bytes()
        os.truncate(folder / name, cap + 1)  # sparse: takes no room
        with pytest.raises(ArtifactError, match=f"at most {cap} are allowed"):
            artifact.check(folder, digest)
        (folder / name).write_bytes(content)


def test_another_format_is_refused(written):
    folder, _ = written
    content = (folder / "manifest.json").read_bytes().replace(b'"format": 1', b'"format": 2')
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="format 2; this code reads 1"):
        artifact.check(folder, hashlib.sha256(content).hexdigest())


def test_an_incomplete_folder_gets_no_manifest(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="misses files"):
        artifact.write_manifest(tmp_path, IDENTITY)
    assert not (tmp_path / "manifest.json").exists()


def test_no_folder_is_said_so(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read: No such file"):
        artifact.check(tmp_path / "gone", "0" * 64)


@pytest.mark.parametrize(
    "inputs",
    [
        ImageInputs(8, 9, 3, ("cat", "dög")),
        TextInputs(5, ("good", "bad", "\ud800"), ("negative", "positive")),
        SeriesInputs(3, 2, 5.5, 1.25, np.arange(8, dtype=np.float32).reshape(4, 2)),
        SeriesInputs(3, 2, 5.5, 1.25),
    ],
)
def test_inputs_come_back_as_they_went(tmp_path, inputs):
    artifact.write_inputs(tmp_path, inputs)
    read = artifact.read_inputs(tmp_path)
    assert read == inputs
    assert artifact.digest_of(read) == artifact.digest_of(inputs)  # arrays, too
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    artifact.write_inputs(tmp_path, inputs)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written


def test_a_replay_tells_which_golden_answer_changed():
    inputs = SeriesInputs(2, 2, 0.0, 1.0, np.ones((9, 2), np.float32))

    def answers(things, **options):
        return predict(inputs, lambda tensor: 2 * tensor, things, **options)[1]

    requests = [{"history": [1.0, 2.0]}, {"history": [3.0, 4.0], "horizon": 1, "level": 0.005}]
    golden = []
    for request in requests:
        sent, options = artifact.payload(request)
        answer = answers([sent], **options)[0]
        golden.append({"request": request, "answer": answer})
    assert artifact.replay(inputs, answers, golden) == []
    golden[1]["answer"]["forecast"][0] += 0.01
    golden.append({"request": {"history": [1.0]}, "answer": golden[0]["answer"]})
    changed, refused = artifact.replay(inputs, answers, golden)
    assert changed.startswith("Golden request 2:")
    assert "refused: history has 1 values" in refused
