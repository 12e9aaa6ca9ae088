"""An artifact that is not what was trained does not serve: real small models, much changed.

One byte changed: the digests tell, before anything is read. Another tokenizer, resize or scaler and
a manifest that was written anew, so that every digest holds: the golden requests tell.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import small_data
from damage import changed_bytes
from other_code import CODE
from other_inputs import OTHER, PAIRS, PICTURE, SERIES, SMALLEST, TEXT
from small_data import FACTS

from models import architectures
from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from models.export import convert, package
from models.export import guard as guard_files
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs
from models.training import fit as training
from models.training import guard
from serving.champions.loading import Refused, load

MODELS = {
    "image": ("perceptron", "cnn", "deep_cnn", "lstm"),
    "sentiment": ("perceptron", "cnn", "gru", "transformer"),
    "forecast": ("perceptron", "ann", "cnn", "gru"),
}
# The simplest models are looked at each time, the others with the slow tests.
FITTED = [
    pytest.param((task, arch), id=f"{task}-{arch}", marks=pytest.mark.slow if number else ())
    for task, archs in MODELS.items()
    for number, arch in enumerate(archs)
]
SMALL = {
    "image": {"epochs": 3},
    "sentiment": {"epochs": 3, "words": 60, "length": 20, "batch_size": 32},
    "forecast": {"epochs": 3, "batch_size": 32},
}


@dataclass(frozen=True)
class Made:
    """A real artifact, and how its parts are used."""

    task: str
    folder: Path
    inputs: ImageInputs | TextInputs | SeriesInputs
    golden: list[dict]
    run: convert.Callable

    def complaints(self, changed=None) -> list:
        """What the golden requests say, of other inputs or of other code."""
        used = changed or self.inputs

        def answers(things, **options):
            return used.to_answers(self.run(used.to_tensor(things)), **options)

        try:
            return artifact.replay(used, answers, self.golden)
        except Exception as error:  # a tensor that the graph does not take, for one
            return [error]

    def loaded(self, place: Path, change) -> None:
        """Have the service load a copy that `change` was done to, signed anew."""
        shutil.copytree(self.folder, place / "copy")
        identity = json.loads((place / "copy" / "manifest.json").read_bytes())
        (place / "copy" / "manifest.json").unlink()
        change(place / "copy")
        del identity["files"], identity["format"]
        digest = artifact.write_manifest(place / "copy", identity)
        load(pointer(place, digest), self.task)


def pointer(place: Path, digest: str) -> Path:
    """Publish the artifact `copy` in `place`."""
    content = {"name": "m", "version": "1", "artifact": "copy", "manifest_sha256": digest}
    (place / "pointer.json").write_text(json.dumps(content))
    return place / "pointer.json"


@pytest.fixture(scope="module")
def splits() -> dict:
    return {
        "image": small_data.digits(),
        "sentiment": small_data.reviews(1500),
        "forecast": small_data.waves(),
    }


@pytest.fixture(scope="module")
def made(request, splits, tmp_path_factory) -> Made:
    task, arch = request.param
    folder = tmp_path_factory.mktemp(arch)
    parameters = architectures.resolve(task, arch, SMALL[task], FACTS[task])
    fitted = training.train(task, arch, parameters, splits[task], FACTS[task], 0)
    identity = {"task": task, "arch": arch, "fingerprint": "f" * 64}
    package.write(folder, fitted, splits[task], FACTS[task], identity)
    run = convert.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


def of(task: str):
    return pytest.mark.parametrize(
        "made", [one for one in FITTED if one.values[0][0] == task], indirect=True
    )


def changed_inputs(other):
    def change(folder: Path) -> None:
        (folder / "inputs.npz").unlink(missing_ok=True)
        artifact.write_inputs(folder, other)

    return change


def check_refused(made: Made, other, place: Path) -> None:
    """The golden requests alone find it, and the service does not load it."""
    assert made.complaints(other)
    with pytest.raises(Refused, match="golden answers"):
        made.loaded(place, changed_inputs(other))


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_what_was_not_changed_serves(made, tmp_path):
    assert made.complaints() == []
    made.loaded(tmp_path, lambda folder: None)


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_one_changed_byte_is_refused_before_anything_is_read(made, tmp_path):
    """A hundred times: a file, a place and another byte at random."""
    shutil.copytree(made.folder, tmp_path / "copy")
    digest = hashlib.sha256((tmp_path / "copy" / "manifest.json").read_bytes()).hexdigest()
    published = pointer(tmp_path, digest)
    load(published, made.task)
    for path in changed_bytes(tmp_path / "copy", 100):
        with pytest.raises(ArtifactError, match=f"{path.name} has sha256"):
            artifact.check(tmp_path / "copy", digest)
        with pytest.raises(Refused, match="its files are not those that were published"):
            load(published, made.task)
    load(published, made.task)


@of("sentiment")
@pytest.mark.parametrize("name", TEXT)
def test_another_tokenizer_is_refused(made, name, tmp_path):
    check_refused(made, TEXT[name](made.inputs), tmp_path)


@pytest.fixture(scope="module")
def with_pairs(splits, tmp_path_factory) -> Made:
    """A bag of words and pairs, in which few pairs have a place."""
    task, folder = "sentiment", tmp_path_factory.mktemp("pairs")
    small = SMALL[task] | {"words": 200}
    parameters = architectures.resolve(task, "perceptron", small, FACTS[task])
    fitted = training.train(task, "perceptron", parameters, splits[task], FACTS[task], 0)
    package.write(folder, fitted, splits[task], FACTS[task], {"task": task, "fingerprint": "f"})
    run = convert.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


@pytest.mark.parametrize("name", PAIRS)
def test_other_pairs_are_refused(with_pairs, name, tmp_path):
    assert len(with_pairs.inputs.pairs) > 50
    other = replace(with_pairs.inputs, pairs=PAIRS[name](with_pairs.inputs.pairs))
    check_refused(with_pairs, other, tmp_path)


@of("image")
@pytest.mark.parametrize("name", PICTURE)
def test_another_resize_is_refused(made, name, tmp_path):
    check_refused(made, PICTURE[name](made.inputs), tmp_path)


@of("forecast")
@pytest.mark.parametrize("name", SERIES)
def test_another_scaler_is_refused(made, name, tmp_path):
    check_refused(made, SERIES[name](made.inputs), tmp_path)


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_other_code_of_the_inputs_shows(made, monkeypatch):
    unseen = []
    for name, change in CODE[made.task].items():
        with monkeypatch.context() as patch:
            change(patch)
            if not made.complaints():
                unseen.append(name)
    assert unseen == []


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_the_smallest_change_is_refused(made, tmp_path):
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    artifact.check_inputs(manifest, made.inputs)
    for number, change in enumerate(SMALLEST[made.task]):
        other = change(made.inputs)
        with pytest.raises(ArtifactError, match=r"What inputs\.json and inputs\.npz say has"):
            artifact.check_inputs(manifest, other)
        with pytest.raises(Refused, match="golden answers"):
            made.loaded(tmp_path / str(number), changed_inputs(other))


@pytest.mark.slow
@pytest.mark.parametrize("made", FITTED[::4], indirect=True)
def test_files_of_another_fit_are_refused(made, splits, tmp_path, tmp_path_factory):
    """The graph, the inputs and the golden answers come from two fits, each file whole."""
    facts, part = FACTS[made.task], dict(splits[made.task])
    part["train"] = {name: rows[: len(rows) // 2] for name, rows in part["train"].items()}
    arch = json.loads((made.folder / "manifest.json").read_bytes())["arch"]
    parameters = architectures.resolve(made.task, arch, SMALL[made.task], facts)
    fitted = training.train(made.task, arch, parameters, part, facts, 1)
    other = tmp_path_factory.mktemp("other")
    package.write(other, fitted, part, facts, {"task": made.task, "fingerprint": "e" * 64})
    for name in ("model.onnx", "golden.json"):
        with pytest.raises(Refused, match="golden answers"):
            made.loaded(tmp_path / name, lambda folder, n=name: shutil.copy(other / n, folder))


@pytest.fixture(scope="module", params=list(FACTS))
def guarded(request, splits, tmp_path_factory) -> Made:
    """An artifact with the guard of its dataset."""
    task, place, folder = (
        request.param,
        tmp_path_factory.mktemp("guard"),
        tmp_path_factory.mktemp("m"),
    )
    facts = FACTS[task] | {
        "rows": {name: len(next(iter(one.values()))) for name, one in splits[task].items()}
    }
    small = {name: SMALL[task][name] for name in ("words", "length") if name in SMALL[task]}
    parameters = architectures.guard_parameters(task, facts) | small | {"epochs": 30}
    guard_files.write(
        place, guard.fit(task, parameters, splits[task], facts), splits[task]["test"], facts
    )
    parameters = architectures.resolve(task, "perceptron", SMALL[task], facts)
    fitted = training.train(task, "perceptron", parameters, splits[task], facts, 0)
    identity = {"task": task, "fingerprint": "f" * 64}
    package.write(folder, fitted, splits[task], facts, identity, place)
    run = convert.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


GUARDS = {
    "other inputs": lambda one: replace(one, inputs=OTHER[one.inputs.kind](one.inputs)),
    "larger errors": lambda one: replace(one, errors=one.errors * 1.2),
    "smaller errors": lambda one: replace(one, errors=one.errors / 1.2),
    "no errors": lambda one: replace(one, errors=one.errors[:0]),
    "strict": lambda one: replace(one, threshold=0.9),
    "lax": lambda one: replace(one, threshold=0.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GUARDS)
def test_another_guard_is_refused(guarded, name, tmp_path):
    other = GUARDS[name](artifact.read_familiarity(guarded.folder))
    guarded.loaded(tmp_path / "same", lambda folder: None)
    with pytest.raises(Refused, match="golden answers"):
        guarded.loaded(tmp_path, lambda folder: artifact.write_familiarity(folder, other))
