"""What changes a fingerprint, and what does not: docs/decisions, notes 1 to 6."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import architectures
from models.inputs import kinds
from pipelines.experiments import fingerprint
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import environment

HASH = "0" * 32 + ".dir"


def version_of(task: str, dataset_hash: str = HASH) -> DatasetVersion:
    facts = {"task": task, "name": "small", "rows": {"train": 1000}}
    return DatasetVersion(task, "small", dataset_hash, facts)


def forget() -> None:
    """Have the code read again, as a new process does."""
    fingerprint.code.cache_clear()
    fingerprint.digest_of.cache_clear()


def of(task: str, arch: str, *, dataset_hash: str = HASH, seed: int = 0, **changes) -> str:
    """The fingerprint of a fit with some parameters changed, as a plan makes it."""
    dataset = version_of(task, dataset_hash)
    parameters = architectures.resolve(task, arch, changes, dataset.facts)
    return fingerprint.of_fit(dataset, arch, parameters, seed)


def every() -> dict[tuple[str, str], str]:
    forget()
    return {
        (task, arch): of(task, arch)
        for task in architectures.TASKS
        for arch in architectures.names(task)
    }


@pytest.fixture
def room(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of `models/` of which fingerprints are taken."""
    room = tmp_path / "models"
    shutil.copytree(environment.ROOT / "models", room)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(architectures, "_ROOM", room)
    forget()
    yield room
    forget()


def changed(room: Path, file: str, text: str) -> set[tuple[str, str]]:
    """The architectures whose fingerprints are others once the text stands at a file's end."""
    before = every()
    path = room / file
    path.write_text(path.read_text() + text)
    return {one for one, digest in every().items() if digest != before[one]}


def of_tasks(*tasks: str) -> set[tuple[str, str]]:
    return {(task, arch) for task in tasks for arch in architectures.names(task)}


@pytest.mark.parametrize(
    "change", [{"dataset_hash": "1" * 32}, {"seed": 1}, {"epochs": 4}, {"threads": 2}], ids=str
)
def test_data_seed_and_parameters_enter(change):
    assert of("image", "cnn") != of("image", "cnn", **change)


def test_task_and_architecture_enter():
    assert len(set(every().values())) == len(every())


def test_one_thread_is_no_part_of_it():
    parameters = architectures.resolve("image", "cnn", {}, {})
    without = {name: value for name, value in parameters.items() if name != "threads"}
    assert parameters["threads"] == 1
    one, none = (
        fingerprint.of_fit(version_of("image"), "cnn", given, 0) for given in (parameters, without)
    )
    assert one == none


def test_host_device_pool_and_keras_json_stay_out(monkeypatch, tmp_path):
    before = of("image", "cnn")
    for name in ("HOSTNAME", "CUDA_VISIBLE_DEVICES", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "elsewhere")
    settings = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 1.0}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert of("image", "cnn") == before


@pytest.mark.parametrize(
    "package", ["keras", "tensorflow", "numpy", "pillow", "simplejpeg", "onnxruntime", "python"]
)
def test_versions_of_what_computes_enter(package, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    before, version = of("image", "cnn"), fingerprint.version
    fingerprint._versions.cache_clear()
    if package == "python":
        monkeypatch.setattr(fingerprint.sys, "version_info", (3, 99, 0))
    monkeypatch.setattr(
        fingerprint, "version", lambda name: "99" if name == package else version(name)
    )
    assert of("image", "cnn") != before
    fingerprint._versions.cache_clear()


def test_comments_docstrings_formatting_and_line_endings_retrain_nothing(room):
    before = every()
    for path in room.rglob("*.py"):
        text = re.sub(
            r'^( *)"""(?=[A-Z])', r'\1"""Reworded. ', path.read_text(), flags=re.MULTILINE
        )
        text = re.sub(r"^(\w+ = )(\d[\d_]*)$", r"\1(\n    \2\n)", text, flags=re.MULTILINE)
        path.write_bytes(f"{text}\n\n# A comment.\n".replace("\n", "\r\n").encode())
    assert every() == before


def test_the_code_that_blends_is_part_of_a_blend_alone(room):
    dataset = version_of("image")
    before = fingerprint.of_blend(dataset, ["a", "b"])
    assert before == fingerprint.of_blend(dataset, ["a", "b"])
    assert before != fingerprint.of_blend(version_of("image", "1" * 32), ["a", "b"])
    assert changed(room, "export/blend.py", "\nMORE = 1\n") == set()
    assert before != fingerprint.of_blend(dataset, ["a", "b"])


@pytest.mark.parametrize("task", architectures.TASKS)
def test_a_constant_in_a_task_s_inputs_retrains_that_task_alone(task, room):
    module, _, _ = kinds.CLASSES[task]
    assert changed(room, f"inputs/{module}.py", "\nNEW = 1\n") == of_tasks(task)


@pytest.mark.parametrize(
    ("file", "retrained"),
    [
        ("training/fit.py", of_tasks(*architectures.TASKS)),
        ("training/guard.py", of_tasks(*architectures.TASKS)),
        ("sentiment/autoencoder.py", of_tasks("sentiment")),
        ("image/cnn.py", {("image", "cnn")}),
        ("artifact/golden_series.py", of_tasks("forecast")),
        ("augmentation/synonyms.py", set()),
        ("augmentation/image.py", set()),
        ("rivals/forecast.py", set()),
    ],
)
def test_code_enters_where_it_runs(file, retrained, room):
    assert changed(room, file, "\nNEW = 1\n") == retrained


def test_synonyms_enter_where_words_are_replaced(room):
    plain, replaced = of("sentiment", "ann"), of("sentiment", "ann", replace=0.1)
    path = room / "augmentation" / "synonyms.py"
    path.write_text(path.read_text().replace("good fine", "good okay fine"))
    forget()
    assert of("sentiment", "ann") == plain
    assert of("sentiment", "ann", replace=0.1) != replaced


@pytest.mark.parametrize("line", ["from . import _blocks", "from models.image import _blocks"])
def test_editing_a_helper_retrains_just_the_architectures_that_use_it(line, room):
    (room / "image" / "_blocks.py").write_text("WIDTH = 3\n")
    path = room / "image" / "cnn.py"
    path.write_text(f"{path.read_text()}\n{line}\n")
    assert changed(room, "image/_blocks.py", "WIDTH = 5\n") == {("image", "cnn")}


def test_baselines_and_rivals_have_their_own(room):
    files = [room / "rivals" / "forecast.py", room / "evaluation" / "baselines.py"]

    def digests() -> list[str]:
        forget()
        return [fingerprint.of_baseline(version_of("forecast"), file) for file in files]

    before = digests()
    (room / "inputs" / "texts.py").write_text("NEW = 1\n")
    assert digests() == before
    (room / "inputs" / "series.py").write_text("NEW = 1\n")
    assert not set(digests()) & set(before)
