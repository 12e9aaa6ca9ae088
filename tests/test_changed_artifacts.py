"""An artifact that is not what was trained does not serve: real small models, much changed.

One byte changed: the digests tell, before anything is read. Another tokenizer, resize or scaler and
a manifest that was written anew, so that every digest holds: the golden requests tell.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import small_data
from damage import changed_bytes
from PIL import Image
from small_data import FACTS

from models import architectures, artifact, export, guard, package
from models import inputs as code
from models import train as training
from models.artifact import ArtifactError
from models.inputs import ImageInputs, SeriesInputs, TextInputs
from serving.loading import Refused, load

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
    run: export.Callable

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
    run = export.runner(folder / "model.onnx")
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


def _vocabulary(change):
    return lambda one: replace(one, vocabulary=tuple(change(list(one.vocabulary))))


def _swapped(words: list[str], one: int, other: int) -> list[str]:
    words[one], words[other] = words[other], words[one]
    return words


def _drawn(words: list[str], seed: int) -> list[str]:
    return list(np.random.default_rng(seed).permutation(words))


TEXT = {
    "shifted by one": _vocabulary(lambda words: words[1:] + words[:1]),
    "shifted back by one": _vocabulary(lambda words: words[-1:] + words[:-1]),
    "reversed": _vocabulary(lambda words: words[::-1]),
    "sorted": _vocabulary(sorted),
    "upper case": _vocabulary(lambda words: [word.upper() for word in words]),
    "the better half": _vocabulary(lambda words: words[: len(words) // 2]),
    "empty": _vocabulary(lambda words: []),
    "without the first": _vocabulary(lambda words: words[1:]),
    "without one in the middle": _vocabulary(lambda words: words[:30] + words[31:]),
    "without the last but one": _vocabulary(lambda words: words[:-2] + words[-1:]),
    "without the last": _vocabulary(lambda words: words[:-1]),
    "one put in": _vocabulary(lambda words: [*words[:30], "else", *words[30:]]),
    "the first two exchanged": _vocabulary(lambda words: _swapped(words, 0, 1)),
    "the last two exchanged": _vocabulary(lambda words: _swapped(words, -2, -1)),
    "the first and the last exchanged": _vocabulary(lambda words: _swapped(words, 0, -1)),
    **{f"shuffled {n}": _vocabulary(lambda words, n=n: _drawn(words, n)) for n in range(5)},
    "shorter": lambda one: replace(one, length=one.length - 1),
    "longer": lambda one: replace(one, length=one.length + 1),
    "half as long": lambda one: replace(one, length=one.length // 2),
    "labels exchanged": lambda one: replace(one, labels=one.labels[::-1]),
    "labels renamed": lambda one: replace(one, labels=("bad", "good")),
}


@of("sentiment")
@pytest.mark.parametrize("name", TEXT)
def test_another_tokenizer_is_refused(made, name, tmp_path):
    check_refused(made, TEXT[name](made.inputs), tmp_path)


PAIRS = {
    "none": lambda pairs: None,
    "no pair": lambda pairs: pairs[:0],
    "without the first": lambda pairs: pairs[1:],
    "without one in the middle": lambda pairs: np.delete(pairs, len(pairs) // 2, axis=0),
    "without the last": lambda pairs: pairs[:-1],
    "turned": lambda pairs: pairs[:, ::-1],
    "shifted": lambda pairs: pairs + np.int32(1),
    "unordered": lambda pairs: pairs[::-1],
}


@pytest.fixture(scope="module")
def with_pairs(splits, tmp_path_factory) -> Made:
    """A bag of words and pairs, in which few pairs have a place."""
    task, folder = "sentiment", tmp_path_factory.mktemp("pairs")
    small = SMALL[task] | {"words": 200}
    parameters = architectures.resolve(task, "perceptron", small, FACTS[task])
    fitted = training.train(task, "perceptron", parameters, splits[task], FACTS[task], 0)
    package.write(folder, fitted, splits[task], FACTS[task], {"task": task, "fingerprint": "f"})
    run = export.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


@pytest.mark.parametrize("name", PAIRS)
def test_other_pairs_are_refused(with_pairs, name, tmp_path):
    assert len(with_pairs.inputs.pairs) > 50
    other = replace(with_pairs.inputs, pairs=PAIRS[name](with_pairs.inputs.pairs))
    check_refused(with_pairs, other, tmp_path)


PICTURE = {
    "higher": lambda one: replace(one, height=one.height + 1),
    "narrower": lambda one: replace(one, width=one.width - 1),
    "half the size": lambda one: replace(one, height=4, width=4),
    "twice the size": lambda one: replace(one, height=16, width=16),
    "in colour": lambda one: replace(one, channels=3),
    "labels shifted": lambda one: replace(one, labels=one.labels[1:] + one.labels[:1]),
    "two labels exchanged": lambda one: replace(one, labels=("1", "0", *one.labels[2:])),
    "the last labels exchanged": lambda one: replace(one, labels=(*one.labels[:8], "9", "8")),
    "a label renamed": lambda one: replace(one, labels=(*one.labels[:9], "ten")),
    "a label less": lambda one: replace(one, labels=one.labels[:9]),
    "a label more": lambda one: replace(one, labels=(*one.labels, "ten")),
}


@of("image")
@pytest.mark.parametrize("name", PICTURE)
def test_another_resize_is_refused(made, name, tmp_path):
    check_refused(made, PICTURE[name](made.inputs), tmp_path)


def _radii(change):
    return lambda one: replace(one, radii=change(one.radii.copy()))


def _wider(radii: np.ndarray, row: int) -> np.ndarray:
    radii[row] *= 1.01
    return radii


SERIES = {
    **{
        f"{field} {by:+.1%}": lambda one, field=field, by=by: replace(
            one, **{field: getattr(one, field) * (1 + by)}
        )
        for field in ("mean", "scale")
        for by in (0.5, 0.1, 0.01, 0.001, -0.001, -0.01, -0.1)
    },
    "mean 0": lambda one: replace(one, mean=0.0),
    "scale 1": lambda one: replace(one, scale=1.0),
    "mean and scale exchanged": lambda one: replace(one, mean=one.scale, scale=one.mean),
    "shorter history": lambda one: replace(one, history=one.history - 1),
    "longer history": lambda one: replace(one, history=one.history + 1),
    "shorter horizon": lambda one: replace(one, horizon=one.horizon - 1),
    "longer horizon": lambda one: replace(one, horizon=one.horizon + 1),
    "wider intervals": _radii(lambda radii: radii * np.float32(1.01)),
    "levels shifted": _radii(lambda radii: np.roll(radii, 1, axis=0)),
    "levels shifted back": _radii(lambda radii: np.roll(radii, -1, axis=0)),
    "levels turned": _radii(lambda radii: radii[::-1]),
    "steps turned": _radii(lambda radii: radii[:, ::-1]),
    "fewer levels": _radii(lambda radii: radii[:-20]),
    "the usual level": _radii(lambda radii: _wider(radii, 949)),
    "the middle level": _radii(lambda radii: _wider(radii, 499)),
    "the widest level": _radii(lambda radii: _wider(radii, -1)),
}


@of("forecast")
@pytest.mark.parametrize("name", SERIES)
def test_another_scaler_is_refused(made, name, tmp_path):
    check_refused(made, SERIES[name](made.inputs), tmp_path)


def _tokenised(change):
    """Another `words_of`."""
    return lambda patch: patch.setattr(code, "words_of", change)


def _translated(text: str, table) -> list[str]:
    return code._TAG.sub(" ", text).lower().translate(table).split()


def _tensor_of(kind, change):
    """Another `to_tensor`, which does something to what goes in or comes out."""
    before = kind.to_tensor
    return lambda patch: patch.setattr(kind, "to_tensor", lambda one, x: change(one, before, x))


def _kept(text: str, count: int) -> str:
    return " ".join(code.words_of(text)[:count])


APOSTROPHES = code._TABLE | {ord(one): " " for one in "'’‘"}
SPLIT_AT_SPACES = dict.fromkeys(code._TABLE, None) | {ord("\n"): " "}
TOKENIZERS = {
    "no lower case": _tokenised(
        lambda text: code._TAG.sub(" ", text).translate(code._TABLE).split()
    ),
    "tags are read": _tokenised(lambda text: text.lower().translate(code._TABLE).split()),
    "signs are kept": _tokenised(lambda text: code._TAG.sub(" ", text).lower().split()),
    "signs join words": _tokenised(lambda text: _translated(text, SPLIT_AT_SPACES)),
    "an apostrophe splits": _tokenised(lambda text: _translated(text, APOSTROPHES)),
    "letters only": _tokenised(lambda text: code.re.findall(r"[a-z]+", text.lower())),
    "the first words count": _tensor_of(
        TextInputs, lambda one, before, x: before(one, [_kept(text, one.length) for text in x])
    ),
    "unknown words are left out": _tensor_of(
        TextInputs, lambda one, before, x: np.where((ids := before(one, x)) == 1, 0, ids)
    ),
    "every id one more": _tensor_of(
        TextInputs, lambda one, before, x: before(one, x) + np.int32(1)
    ),
}


def _resampled(name: str):
    before = Image.Image.resize
    kind = getattr(Image.Resampling, name)
    return lambda patch: patch.setattr(
        Image.Image, "resize", lambda one, size, *_, **more: before(one, size, kind)
    )


def _mean_of_colours(before):
    def convert(one, mode, *more, **options):
        if mode == "L" and one.mode == "RGB":
            return Image.fromarray(np.asarray(one).mean(axis=2).astype(np.uint8))
        return before(one, mode, *more, **options)

    return convert


def _over_black(before):
    return lambda mode, size, colour=0: before(mode, size, "black")


RESIZES = {
    **{
        name.lower(): _resampled(name)
        for name in ("NEAREST", "BOX", "HAMMING", "BICUBIC", "LANCZOS")
    },
    "grey is the mean": lambda patch: patch.setattr(
        Image.Image, "convert", _mean_of_colours(Image.Image.convert)
    ),
    "over black": lambda patch: patch.setattr(code.Image, "new", _over_black(Image.new)),
    "never turned": lambda patch: patch.setattr(
        code.ImageOps, "exif_transpose", lambda picture: picture
    ),
    "by 256": _tensor_of(
        ImageInputs, lambda one, before, x: before(one, x) * np.float32(255 / 256)
    ),
    "not scaled": _tensor_of(ImageInputs, lambda one, before, x: before(one, x) * np.float32(255)),
    "about 0": _tensor_of(ImageInputs, lambda one, before, x: before(one, x) * 2 - 1),
    "inverted": _tensor_of(ImageInputs, lambda one, before, x: 1 - before(one, x)),
    "columns first": _tensor_of(
        ImageInputs, lambda one, before, x: before(one, x).transpose(0, 2, 1, 3)
    ),
    "upside down": _tensor_of(ImageInputs, lambda one, before, x: before(one, x)[:, ::-1]),
    "a pixel to the right": _tensor_of(
        ImageInputs, lambda one, before, x: np.roll(before(one, x), 1, axis=2)
    ),
}

SCALERS = {
    "the first values count": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, [part[: one.history] for part in x])
    ),
    "backwards": _tensor_of(SeriesInputs, lambda one, before, x: before(one, x)[:, ::-1]),
    "scaled by itself": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, x) - before(one, x).mean()
    ),
    "a step late": _tensor_of(
        SeriesInputs, lambda one, before, x: np.roll(before(one, x), 1, axis=1)
    ),
    "half precision": _tensor_of(
        SeriesInputs, lambda one, before, x: before(one, x).astype(np.float16).astype(np.float32)
    ),
    "not scaled back": lambda patch: patch.setattr(
        SeriesInputs, "unscaled", lambda one, outputs: np.asarray(outputs, np.float64)
    ),
    "intervals not scaled back": lambda patch: patch.setattr(
        SeriesInputs, "radius", lambda one, level: one.radii[round(level * 1000) - 1]
    ),
    "the next level": lambda patch: patch.setattr(
        SeriesInputs, "radius", lambda one, level: one.radii[round(level * 1000) - 2] * one.scale
    ),
}
CODE = {"sentiment": TOKENIZERS, "image": RESIZES, "forecast": SCALERS}


@pytest.mark.parametrize("made", FITTED, indirect=True)
def test_other_code_of_the_inputs_shows(made, monkeypatch):
    unseen = []
    for name, change in CODE[made.task].items():
        with monkeypatch.context() as patch:
            change(patch)
            if not made.complaints():
                unseen.append(name)
    assert unseen == []


# Some are too small for an answer to show them: the manifest names the inputs, too.
SMALLEST = {
    "sentiment": [
        _vocabulary(lambda words, n=n: _swapped(words, *np.random.default_rng(n).choice(58, 2)))
        for n in range(10)
    ],
    "forecast": [_radii(lambda radii, row=row: _wider(radii, row)) for row in (3, 77, 222)]
    + [lambda one: replace(one, mean=float(np.nextafter(one.mean, 0)))],
    "image": [lambda one: replace(one, labels=(*one.labels[:9], "9 "))],
}


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
    parameters = guard.parameters(task, facts) | small | {"epochs": 30}
    guard.write(
        place, guard.fit(task, parameters, splits[task], facts), splits[task]["test"], facts
    )
    parameters = architectures.resolve(task, "perceptron", SMALL[task], facts)
    fitted = training.train(task, "perceptron", parameters, splits[task], facts, 0)
    identity = {"task": task, "fingerprint": "f" * 64}
    package.write(folder, fitted, splits[task], facts, identity, place)
    run = export.runner(folder / "model.onnx")
    return Made(task, folder, artifact.read_inputs(folder), artifact.read_golden(folder), run)


GUARDS = {
    "other inputs": lambda one: replace(one, inputs=OTHER[one.inputs.kind](one.inputs)),
    "larger errors": lambda one: replace(one, errors=one.errors * 1.2),
    "smaller errors": lambda one: replace(one, errors=one.errors / 1.2),
    "no errors": lambda one: replace(one, errors=one.errors[:0]),
    "strict": lambda one: replace(one, threshold=0.9),
    "lax": lambda one: replace(one, threshold=0.0),
}
OTHER = {
    "text": TEXT["shifted by one"],
    "image": PICTURE["half the size"],
    "series": SERIES["mean +10.0%"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GUARDS)
def test_another_guard_is_refused(guarded, name, tmp_path):
    other = GUARDS[name](artifact.read_familiarity(guarded.folder))
    guarded.loaded(tmp_path / "same", lambda folder: None)
    with pytest.raises(Refused, match="golden answers"):
        guarded.loaded(tmp_path, lambda folder: artifact.write_familiarity(folder, other))
