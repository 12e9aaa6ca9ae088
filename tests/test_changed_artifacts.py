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
from other_inputs import CLEAR_TO_GUARDS, OTHER, PAIRS, SMALLEST
from small_data import FACTS

from models import architectures
from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from models.export import convert, package
from models.export import guard as guard_files
from models.inputs.answers import predict
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs
from models.training import fit as training
from models.training import guard
from serving.champions.loading import Refused, load

MODELS = {
    "image": ("perceptron", "cnn", "lstm"),
    "sentiment": ("perceptron", "gru", "transformer"),
    "forecast": ("perceptron", "cnn", "gru"),
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
            return predict(used, self.run, things, **options)[1]

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


def make(task: str, arch: str, splits: dict, folder: Path, seed=0, guard=None, **more) -> Made:
    """Fit an architecture on the splits, with `more` parameters, and write its artifact."""
    parameters = architectures.resolve(task, arch, SMALL[task] | more, FACTS[task])
    fitted = training.train(task, arch, parameters, splits, FACTS[task], seed)
    identity = {"task": task, "arch": arch, "fingerprint": "f" * 64}
    package.write(folder, fitted, splits, FACTS[task], identity, guard)
    run = convert.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


@pytest.fixture(scope="module")
def made(request, splits, tmp_path_factory) -> Made:
    task, arch = request.param
    return make(task, arch, splits[task], tmp_path_factory.mktemp(arch))


def changed_inputs(other):
    def change(folder: Path) -> None:
        (folder / "inputs.npz").unlink(missing_ok=True)
        artifact.write_inputs(folder, other)

    return change


def accepted(made: Made, others: dict, place: Path) -> list[str]:
    """The names of those inputs that the golden requests alone do not find, or that load."""
    names = []
    for number, (name, other) in enumerate(others.items()):
        if not made.complaints(other):
            names.append(name)
        with pytest.raises(Refused, match="golden answers"):
            made.loaded(place / str(number), changed_inputs(other))
    return names


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


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_other_inputs_are_refused(made, tmp_path):
    others = {name: change(made.inputs) for name, change in OTHER[made.task].items()}
    assert accepted(made, others, tmp_path) == []


def test_other_pairs_are_refused(splits, tmp_path):
    """Of a bag of words and pairs, in which few pairs have a place."""
    folder = tmp_path / "made"
    folder.mkdir()
    made = make("sentiment", "perceptron", splits["sentiment"], folder, words=200)
    pairs = made.inputs.pairs
    assert len(pairs) > 50
    others = {name: replace(made.inputs, pairs=change(pairs)) for name, change in PAIRS.items()}
    assert accepted(made, others, tmp_path) == []


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
@pytest.mark.parametrize("made", FITTED[::3], indirect=True)
def test_files_of_another_fit_are_refused(made, splits, tmp_path, tmp_path_factory):
    """The graph, the inputs and the golden answers come from two fits, each file whole."""
    part = dict(splits[made.task])
    part["train"] = {name: rows[: len(rows) // 2] for name, rows in part["train"].items()}
    other = tmp_path_factory.mktemp("other")
    make(made.task, "perceptron", part, other, seed=1)
    for name in ("model.onnx", "golden.json"):
        with pytest.raises(Refused, match="golden answers"):
            made.loaded(tmp_path / name, lambda folder, n=name: shutil.copy(other / n, folder))


@pytest.fixture(scope="module", params=list(FACTS))
def guarded(request, splits, tmp_path_factory) -> Made:
    """An artifact with the guard of its dataset."""
    task, place = request.param, tmp_path_factory.mktemp("guard")
    rows = {name: len(next(iter(one.values()))) for name, one in splits[task].items()}
    facts = FACTS[task] | {"rows": rows}
    small = {name: SMALL[task][name] for name in ("words", "length") if name in SMALL[task]}
    parameters = architectures.guard_parameters(task, facts) | small | {"epochs": 30}
    fitted = guard.fit(task, parameters, splits[task], facts)
    guard_files.write(place, fitted, splits[task]["test"], facts)
    return make(task, "perceptron", splits[task], tmp_path_factory.mktemp("m"), guard=place)


GUARDS = {
    "other inputs": lambda one: replace(one, inputs=CLEAR_TO_GUARDS[one.inputs.kind](one.inputs)),
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
