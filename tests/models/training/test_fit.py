"""Training on small real data, what it promises, and the artifact it ends in."""

import math
import random
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from scipy.special import log_softmax
from scored import scores_of
from small_data import FACTS

from models import architectures
from models.artifact import artifact, golden_images
from models.errors import ExportMismatch, TrainingDiverged, WrongData, WrongParameter
from models.evaluation import measure, metrics
from models.examples import examples
from models.export import convert, package
from models.inputs.answers import predict
from models.inputs.errors import InputError
from models.training import fit as training
from models.training import seeds

QUICK = {
    "image": ("ann", {"epochs": 6, "units": 64}),
    "sentiment": ("perceptron", {"epochs": 5, "words": 100, "length": 20}),
    "forecast": ("perceptron", {"epochs": 30, "batch_size": 32, "learning_rate": 1e-2}),
}
each_task = pytest.mark.parametrize("task", list(QUICK))
IDENTITY = {"dataset": "small", "dataset_hash": "0" * 32, "fingerprint": "f" * 64, "seed": 1}


def _train(task, splits, arch=None, seed=1, on_epoch=None, facts=FACTS, **changes):
    quick, overrides = QUICK[task]
    arch = arch or quick
    if arch == quick:
        changes = overrides | changes
    parameters = architectures.resolve(task, arch, changes, facts[task])
    given = {name: split for name, split in splits[task].items() if name != "test"}
    return training.train(task, arch, parameters, given, facts[task], seed, on_epoch)


def test_no_other_temperature_does_better_on_validation(splits):
    """Steps so large that the answers would be far too sure."""
    one = _train("image", splits, arch="perceptron", epochs=4, learning_rate=0.3, share=0.3)
    rows = examples(one.inputs, splits["image"]["validation"])
    logits = np.log(training.predict(one.model, rows.tensor).clip(1e-15))

    def log_loss(sharpness: float) -> float:
        chances = log_softmax(sharpness * logits, axis=1)
        return -chances[np.arange(len(rows.target)), rows.target].mean()

    assert log_loss(1) < min(log_loss(other) for other in (0.25, 0.7, 1.4, 4))


@pytest.fixture(scope="module")
def fitted(splits):
    return {task: _train(task, splits) for task in QUICK}


def test_who_is_right_about_every_validation_row_is_not_made_surer(splits, fitted):
    one = fitted["sentiment"]
    rows = examples(one.inputs, splits["sentiment"]["validation"])
    chances = training.predict(one.model, rows.tensor)
    assert (chances.argmax(axis=1) == rows.target).all()
    loss = -np.log(chances[np.arange(len(rows.target)), rows.target]).mean()
    expected = min(epoch["val_loss"] for epoch in one.history)
    assert loss == pytest.approx(expected, rel=1e-4, abs=1e-7)  # float32's step below 1 is 6e-8


@pytest.fixture(scope="module")
def folders(splits, fitted, tmp_path_factory):
    """One artifact for each task, and the digest of its manifest."""
    written = {}
    for task, one in fitted.items():
        folder = tmp_path_factory.mktemp(task)
        identity = IDENTITY | {"task": task, "arch": QUICK[task][0], "parameters": {}}
        written[task] = folder, package.write(folder, one, splits[task], FACTS[task], identity)
    return written


@each_task
def test_every_task_learns_more_than_the_naive_answer(task, splits, fitted):
    scores = scores_of(fitted[task], splits[task], FACTS[task])
    if task == "forecast":
        assert scores.naive == "seasonal"
        assert scores.metrics["relative_mae"] < scores.metrics["floor"] == 1
        assert scores.metrics["coverage_95"] == pytest.approx(0.95, abs=0.05)
    else:
        assert scores.metrics["accuracy"] > scores.metrics["floor"] + 0.3
    mean, low, high = measure.interval(metrics.of({"task": task}), [scores.rows])
    assert low <= mean <= high


@each_task
def test_a_seed_reproduces_every_weight_whatever_keras_json_says(task, splits, fitted):
    """Of convolutions and of recurrent layers, test_epochs shows that."""
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.1)
    keras.config.set_max_epochs(0)
    reported = []
    again = _train(task, splits, on_epoch=lambda *epoch: reported.append(epoch))
    assert keras.config.floatx() == "float32"
    first = fitted[task].model
    for one, other in zip(first.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert reported == list(enumerate(again.history, start=1))
    assert {"loss", "val_loss"} <= again.history[0].keys()
    assert again.parameter_count == first.count_params()


def test_what_another_thread_draws_changes_no_weight(monkeypatch):
    """As the connection to Prefect's server does, every 20 s: here in the middle of a build."""
    builds = []

    def build(draws: int):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        for _ in range(draws):
            random.random()
        model.add(keras.layers.Dense(2))
        builds.append(model)
        return model, model

    expected, _ = seeds.seeded(7, lambda: build(0))
    model, _ = seeds.seeded(7, lambda: build({2: 1, 4: 2}.get(len(builds), 0)))
    assert len(builds) == 6  # the third and the fifth were disturbed
    for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    monkeypatch.setattr(seeds, "ATTEMPTS", 3)
    with pytest.raises(RuntimeError, match="draws random numbers all the time"):
        seeds.seeded(7, lambda: build(len(builds)))


def test_the_weights_are_those_of_the_best_epoch(splits):
    one = _train("image", splits, epochs=40, learning_rate=0.02, patience=2)
    losses = [metrics["val_loss"] for metrics in one.history]
    assert len(losses) < 40
    assert losses.index(min(losses)) < len(losses) - 1
    validation = splits["image"]["validation"]
    probabilities = training.predict(one.model, one.inputs.to_tensor(validation["image"]))
    right = (probabilities.argmax(axis=1) == validation["label"]).mean()
    assert right == pytest.approx(one.history[losses.index(min(losses))]["val_accuracy"])
    given = probabilities[np.arange(len(probabilities)), validation["label"]]
    assert -np.log(given).mean() <= min(losses)  # its temperature helps it further


def test_a_loss_that_is_not_finite_ends_the_training(splits):
    wild = {"value": splits["forecast"]["train"]["value"].copy()}
    wild["value"][100] = math.nan
    broken = {"forecast": splits["forecast"] | {"train": splits["forecast"]["train"] | wild}}
    with pytest.raises(TrainingDiverged, match="loss of ann became nan in epoch 1"):
        _train("forecast", broken, "ann")


def test_what_cannot_be_fitted_is_said_in_our_words(splits):
    with pytest.raises(WrongParameter, match=r"cannot be built with .*'dropout': 1\.5"):
        _train("forecast", splits, "ann", dropout=1.5)
    short = {name: rows[:20] for name, rows in splits["forecast"]["validation"].items()}
    with pytest.raises(WrongData, match="The validation split: No unbroken stretch"):
        _train("forecast", {"forecast": splits["forecast"] | {"validation": short}})
    texts = splits["sentiment"]["train"]["text"].copy()
    texts[3] = " "
    train = splits["sentiment"]["train"] | {"text": texts}
    with pytest.raises(InputError, match="Text 4 is empty"):
        _train("sentiment", {"sentiment": splits["sentiment"] | {"train": train}})


def test_encoded_pictures_of_all_sizes_are_trained_on(splits):
    def encoded(split):
        files = [golden_images.png(np.kron(image, np.ones((1 + row % 3, 2, 1), np.uint8)))
                 for row, image in enumerate(split["image"])]  # fmt: skip
        return {"image": np.array(files, object), "label": split["label"]}

    folder = {name: encoded(split) for name, split in splits["image"].items()}
    facts = {"image": FACTS["image"] | {"shape": [8, 10, 1]}}
    one = _train("image", {"image": folder}, facts=facts, batch_size=32, learning_rate=4e-3)
    assert one.inputs.sizes() == {"height": 8, "width": 10, "channels": 1, "classes": 10}
    assert scores_of(one, folder, FACTS["image"]).metrics["accuracy"] > 0.8


@each_task
def test_the_artifact_answers_its_golden_requests_and_scores_as_its_model(
    task, folders, splits, fitted
):
    folder, digest = folders[task]
    assert artifact.check(folder, digest)["task"] == task
    golden = artifact.read_golden(folder)
    assert len(golden) >= 8
    run = convert.runner(folder / "model.onnx")
    inputs = artifact.read_inputs(folder)

    def answers(rows, **options):
        return predict(inputs, run, rows, **options)[1]

    assert artifact.replay(inputs, answers, golden) == []
    scores = measure.evaluate_artifact(folder, splits[task], FACTS[task])
    expected = scores_of(fitted[task], splits[task], FACTS[task])
    assert scores.metrics == pytest.approx(expected.metrics, abs=1e-3, rel=1e-3)
    assert scores.naive == expected.naive
    model = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    for one, other in zip(model.get_weights(), fitted[task].model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_one_request_takes_a_measurable_time(folders, splits):
    folder, _ = folders["image"]
    tensor = artifact.read_inputs(folder).to_tensor(splits["image"]["test"]["image"][:5])
    assert 0 < convert.latency_ms(folder / "model.onnx", tensor) < math.inf


def test_a_graph_that_computes_something_else_is_refused(splits, folders, fitted):
    run = convert.runner(folders["image"][0] / "model.onnx")
    package.check_parity(fitted["image"], run, splits["image"]["test"], FACTS["image"])
    other = replace(fitted["image"], model=keras.models.clone_model(fitted["image"].model))
    assert not np.array_equal(other.model.get_weights()[0], fitted["image"].model.get_weights()[0])
    with pytest.raises(ExportMismatch, match="differs from Keras by"):
        package.check_parity(other, run, splits["image"]["test"], FACTS["image"])


def test_what_cannot_be_exported_leaves_no_artifact(splits, fitted, tmp_path):
    """Its model.onnx cannot be written: a folder has taken its name."""
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(OSError, match=r"model\.onnx"):
        package.write(tmp_path, fitted["image"], splits["image"], FACTS["image"], IDENTITY)
    assert not (tmp_path / "manifest.json").exists()


def test_another_class_is_a_mismatch_unless_it_was_a_tie():
    expected = np.array([[0.50009, 0.49991], [0.9, 0.1]], np.float32)
    convert.check_classes(expected, np.array([[0.49999, 0.50001], [0.9, 0.1]], np.float32))
    with pytest.raises(ExportMismatch, match="another class"):
        convert.check_classes(expected, np.array([[0.5, 0.4], [0.1, 0.9]], np.float32))
    with pytest.raises(ExportMismatch):
        convert.check_parity(expected, expected * np.nan)


def test_weights_in_another_file_are_refused(folders, tmp_path):
    model = onnx.load(folders["image"][0] / "model.onnx")
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(ExportMismatch, match="weights in another file"):
        convert.check_graph(path)


def test_operators_that_are_not_standard_are_refused(folders, tmp_path):
    model = onnx.load(folders["image"][0] / "model.onnx")
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    Path(tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ExportMismatch, match="beyond the standard"):
        convert.check_graph(tmp_path / "model.onnx")


def test_an_artifact_of_another_kind_of_answer_is_not_scored(folders, splits):
    facts = FACTS["image"] | {"labels": list("abcdefghij")}
    with pytest.raises(ValueError, match="asks for a, b, c"):
        measure.evaluate_artifact(folders["image"][0], splits["image"], facts)
