"""The guard of small real data: it knows rows like those it was trained on, and little else."""

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from small_data import FACTS

from data import declared, prepare
from data.sources.shipped import glucose as source
from models import architectures
from models.artifact import artifact
from models.errors import ExportMismatch
from models.examples import examples
from models.export import convert, package
from models.export import guard as guard_files
from models.training import fit as training
from models.training import guard

pytestmark = pytest.mark.slow

ODD = {
    "image": lambda random: random.integers(0, 256, (20, 8, 8, 1), np.uint8),
    "sentiment": lambda random: [
        " ".join("".join(random.choice(list("abcdefgh"), 6)) for _ in range(15)) for _ in range(20)
    ],
    "forecast": lambda random: random.choice([0.0, 500.0], (20, 24)),
}
each_task = pytest.mark.parametrize("task", list(ODD))


def facts_of(task: str, splits) -> dict:
    rows = {name: len(next(iter(split.values()))) for name, split in splits[task].items()}
    return FACTS[task] | {"rows": rows}


def fit(task: str, splits, **changes) -> guard.FittedGuard:
    facts = facts_of(task, splits)
    small = {"epochs": 30} | ({"words": 60, "length": 20} if task == "sentiment" else {})
    parameters = architectures.guard_parameters(task, facts) | small | changes
    given = {name: split for name, split in splits[task].items() if name != "test"}
    return guard.fit(task, parameters, given, facts)


@pytest.fixture(scope="module")
def fitted(splits):
    return {task: fit(task, splits) for task in ODD}


@pytest.fixture(scope="module")
def written(splits, fitted, tmp_path_factory):
    """Task → the folder with the guard's files, and the share of test rows that look familiar."""
    folders = {}
    for task, one in fitted.items():
        folder = tmp_path_factory.mktemp(task)
        folders[task] = folder, guard_files.write(folder, one, splits[task]["test"], FACTS[task])
    return folders


@each_task
def test_test_rows_look_familiar_and_what_no_training_row_is_like_does_not(task, written):
    folder, familiar = written[task]
    assert familiar >= 0.97
    guard_, run = artifact.read_familiarity(folder), convert.runner(folder / "familiarity.onnx")
    tensor = guard_.inputs.to_tensor(ODD[task](np.random.default_rng(0)))
    assert not any(answer["familiar"] for answer in guard_.to_answers(run(tensor)))


@each_task
def test_the_code_is_a_layer_of_its_own(task, written, splits):
    model = keras.saving.load_model(written[task][0] / "autoencoder.keras", safe_mode=True)
    coded = keras.Model(model.input, model.get_layer("code").output)
    known = artifact.read_familiarity(written[task][0])
    tensor = examples(known.inputs, splits[task]["test"]).tensor
    codes = coded.predict(tensor[:9], verbose=0)
    assert codes.shape == (9, architectures.defaults(task, architectures.GUARD)["code"])
    assert len(np.unique(codes, axis=0)) > 1


def test_equal_data_gives_an_equal_guard(splits, fitted):
    again = fit("forecast", splits)
    first = fitted["forecast"]
    assert np.array_equal(again.familiarity.errors, first.familiarity.errors)


@pytest.mark.parametrize(
    ("task", "rows", "expected"),
    [
        ("image", 2000, {"share": 1.0}),
        ("image", 50_000, {"share": 0.1}),
        ("forecast", 2000, {"stride": 1}),
        ("forecast", 50_001, {"stride": 11}),
    ],
)
def test_of_large_data_it_takes_a_part(task, rows, expected):
    parameters = architectures.guard_parameters(task, FACTS[task] | {"rows": {"train": rows}})
    assert expected.items() <= parameters.items()


def test_a_graph_with_other_errors_is_refused():
    errors = np.append(np.random.default_rng(0).random((50, 1)), [[1e9]], axis=0)
    guard_files.check_parity(errors, errors * (1 + 1e-5))
    for other in (errors * 1.01, errors * np.nan):
        with pytest.raises(ExportMismatch, match="The guard's ONNX graph differs"):
            guard_files.check_parity(errors, other)


@each_task
def test_it_travels_with_a_model_and_its_golden_answers(task, splits, written, tmp_path):
    facts = facts_of(task, splits)
    parameters = architectures.resolve(task, "perceptron", {"epochs": 1}, facts)
    model = training.train(task, "perceptron", parameters, splits[task], facts, 0)
    identity = {"task": task, "dataset": "small", "fingerprint": "f" * 64}
    digest = package.write(tmp_path, model, splits[task], facts, identity, written[task][0])
    assert set(artifact.GUARD) <= artifact.check(tmp_path, digest)["files"].keys()
    golden = artifact.read_golden(tmp_path)
    assert all({"familiar", "familiarity"} <= entry["answer"].keys() for entry in golden)
    assert {entry["answer"]["familiar"] for entry in golden} == {True, False} or task != "image"


def growing(rows: int = 4000) -> dict:
    """A day's wave on a level that goes on rising after the training split."""
    hour, random = np.arange(rows), np.random.default_rng(0)
    value = 100 + 0.05 * hour + 10 * np.sin(hour * 2 * np.pi / 24) + random.normal(0, 1.5, rows)
    columns = {"value": value, "observed": np.ones(rows, bool), "segment": np.zeros(rows, int)}
    columns["series"] = np.full(rows, "pump")
    cuts = {"train": (0, 7), "validation": (7, 8.5), "test": (8.5, 10)}
    parts = {name: slice(*(int(rows * end / 10) for end in cut)) for name, cut in cuts.items()}
    return {
        name: {key: column[part] for key, column in columns.items()} for name, part in parts.items()
    }


def glucose() -> dict:
    raw = source.rows("glucose")
    shares = declared.shares("series")
    return prepare.by_time(raw, declared.entry("glucose"), shares).splits


def spoilt(histories: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    """Histories of the test split, each set spoilt in one way."""
    random = np.random.default_rng(0)
    level, spread = histories.mean(axis=1, keepdims=True), histories.std(axis=1, keepdims=True)
    spikes = histories.copy()
    spikes[np.arange(len(spikes)), random.integers(0, spikes.shape[1], len(spikes))] += 5 * scale
    return {
        "shuffled": random.permuted(histories, axis=1),
        "noise": level + spread * random.normal(size=histories.shape),
        "spikes": spikes,
        "flat": level + np.zeros_like(histories),
    }


@pytest.mark.parametrize(("made", "history"), [(growing, 48), (glucose, 72)])
def test_a_history_is_judged_by_its_own_level_and_scale(made, history):
    splits = made()
    facts = FACTS["forecast"] | {"history": history, "horizon": 12}
    facts["rows"] = {name: len(split["value"]) for name, split in splits.items()}
    parameters = architectures.guard_parameters("forecast", facts)
    fitted = guard.fit("forecast", parameters, splits, facts)
    inputs = fitted.familiarity.inputs
    histories = inputs.windows(splits["test"]).history

    def familiar(rows: np.ndarray) -> float:
        judged = fitted.familiarity.to_answers(
            training.predict(fitted.model, inputs.scaled(rows, rows))
        )
        return np.mean([answer["familiar"] for answer in judged])

    assert familiar(histories) >= 0.97
    shares = {name: familiar(rows) for name, rows in spoilt(histories, inputs.scale).items()}
    assert max(shares.values()) <= 0.1, shares
    if made is growing:  # of the smooth readings of glucose, every third ones look like any
        thirds = sliding_window_view(splits["test"]["value"], 3 * history)[:, ::3]
        assert familiar(thirds) <= 0.1
