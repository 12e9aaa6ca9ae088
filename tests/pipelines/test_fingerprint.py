import shutil
from pathlib import Path

import pytest

from models import architectures
from pipelines.experiments import fingerprint
from pipelines.runtime import environment

SAME = {
    "dataset_hash": "0" * 32 + ".dir",
    "task": "image",
    "arch": "cnn",
    "parameters": {"epochs": 3, "units": 64},
    "seed": 0,
    "sources": [environment.ROOT / "models" / "inputs.py"],
    "backend": {"name": "tensorflow", "version": "2.21.0", "keras": "3.15.1"},
}


def test_equal_for_equal_runs_whatever_the_order_of_parameters():
    turned = SAME | {"parameters": {"units": 64, "epochs": 3}}
    assert fingerprint.fingerprint(**SAME) == fingerprint.fingerprint(**turned)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_hash": "1" * 32 + ".dir"},
        {"task": "sentiment"},
        {"arch": "ann"},
        {"parameters": {"epochs": 4, "units": 64}},
        {"seed": 1},
        {"sources": [environment.ROOT / "models" / "artifact.py"]},
        {"backend": {"name": "jax", "version": "0.10.2", "keras": "3.15.1"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_decides_the_outcome_enters(change):
    assert fingerprint.fingerprint(**SAME) != fingerprint.fingerprint(**SAME | change)


def test_host_device_and_pool_stay_out(monkeypatch):
    before = fingerprint.fingerprint(**SAME)
    for name in ("HOSTNAME", "CUDA_VISIBLE_DEVICES", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "elsewhere")
    assert fingerprint.fingerprint(**SAME) == before


def test_editing_one_architecture_leaves_the_others_alone():
    cnn = set(architectures.sources("image", "cnn"))
    ann = set(architectures.sources("image", "ann"))
    own = environment.ROOT / "models" / "image" / "cnn.py"
    assert own in cnn
    assert own not in ann


def test_editing_a_helper_retrains_just_the_architectures_that_use_it(tmp_path, monkeypatch):
    room = tmp_path / "models"
    shutil.copytree(environment.ROOT / "models", room)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(architectures, "_ROOM", room)
    helper, user = room / "image" / "_blocks.py", room / "image" / "cnn.py"
    helper.write_text("WIDTH = 3\n")
    user.write_text(user.read_text() + "\nfrom models.image import _blocks\n")

    def fingerprints() -> dict[str, str]:
        archs = architectures.names("image")
        return {
            arch: fingerprint.fingerprint(
                **SAME | {"arch": arch, "sources": architectures.sources("image", arch)}
            )
            for arch in archs
        }

    before = fingerprints()
    helper.write_text("WIDTH = 5\n")
    after = fingerprints()
    assert {arch for arch in before if before[arch] != after[arch]} == {"cnn"}


def test_line_endings_are_not_other_code(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    source = Path(tmp_path / "code.py")
    source.write_bytes(b"a = 1\nb = 2\n")
    unix = fingerprint.fingerprint(**SAME | {"sources": [source]})
    source.write_bytes(b"a = 1\r\nb = 2\r\n")
    assert fingerprint.fingerprint(**SAME | {"sources": [source]}) == unix


def test_the_backend_is_named_without_importing_it(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    named = fingerprint.backend()
    assert named["name"] == "tensorflow"
    assert named["version"].startswith("2.21")
