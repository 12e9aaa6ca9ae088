"""Losses, optimizers, schedules, batches and precision: by name, and each does its work."""

import keras
import numpy as np
import pytest
from scored import scores_of
from small_data import FACTS, _parted

from models import architectures, options
from models.errors import WrongParameter
from models.examples import share_of
from models.export import convert
from models.inputs.series import SeriesInputs
from models.training import fit, optimisation

# Ten classes, of which any constant answer is right for a tenth: learnt in a second or two.
SHORT = {"epochs": 3, "batch_size": 32, "learning_rate": 4e-3}
LEARNT = 0.7


def _fit(splits, task="image", arch="ann", **changes):
    parameters = architectures.resolve(task, arch, changes, FACTS[task])
    return fit.train(task, arch, parameters, splits[task], FACTS[task], seed=0)


def _accuracy(fitted, splits) -> float:
    return scores_of(fitted, splits["image"], FACTS["image"]).metrics["accuracy"]


@pytest.mark.parametrize("loss", options.LOSSES_OF_SERIES)
def test_series_are_learnt_with_every_loss(loss, splits):
    changes = {"epochs": 6, "batch_size": 16, "learning_rate": 3e-2, "loss": loss}
    fitted = _fit(splits, "forecast", "perceptron", **changes)
    scores = scores_of(fitted, splits["forecast"], FACTS["forecast"])
    assert scores.metrics["relative_mae"] < 1


@pytest.mark.parametrize(
    ("loss", "optimizer", "schedule", "rate"),
    [
        ("categorical_crossentropy", "sgd", "cosine", 0.2),
        ("binary_crossentropy", "rmsprop", "constant", 2e-3),
        ("hinge", "momentum", "cosine", 0.05),
        ("mean_absolute_error", "adam", "constant", 4e-3),
        ("mean_squared_error", "adam", "cosine", 4e-3),
    ],
)
def test_every_loss_optimizer_and_schedule_learns(loss, optimizer, schedule, rate, splits):
    changes = {"loss": loss, "optimizer": optimizer, "schedule": schedule, "learning_rate": rate}
    assert _accuracy(_fit(splits, **SHORT | changes), splits) > LEARNT


def test_schedule_momentum_and_clipping_reach_the_optimizer():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    changes = {"optimizer": "momentum", "clip": 0.5, "weight_decay": 0.01}
    parameters = architectures.resolve("image", "ann", changes, {})
    optimisation.compile_model(model, parameters, 100, accuracy=True)
    config = model.optimizer.get_config()
    assert (config["momentum"], config["global_clipnorm"], config["weight_decay"]) == (
        0.9,
        0.5,
        0.01,
    )
    cosine = config["learning_rate"]["config"]
    assert cosine["initial_learning_rate"] == parameters["learning_rate"]
    assert (cosine["decay_steps"], cosine["alpha"]) == (100, 0)  # down to nothing


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("full-batch", 1000, 1000),
        ("stochastic", 1000, 1),
        ("mini-batch", 1000, 64),
        ("mini-batch", 10, 10),  # never larger than the split
    ],
)
def test_a_step_has_as_many_rows_as_the_descent_says(kind, rows, expected):
    assert optimisation.batch_size({"descent": kind, "batch_size": 64}, rows) == expected


@pytest.mark.slow
def test_full_batch_and_stochastic_descent_learn(splits):
    whole = _fit(splits, descent="full-batch", epochs=12, learning_rate=1e-2)
    assert _accuracy(whole, splits) > LEARNT
    assert whole.history[0].keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    single = _fit(splits, descent="stochastic", epochs=1, share=0.5, learning_rate=1e-3)
    assert _accuracy(single, splits) > LEARNT


@pytest.mark.slow
def test_class_weights_help_the_rare_class(splits):
    """Each class has the same say."""
    weights = optimisation.class_weights(np.array([0] * 90 + [1] * 10), classes=2)
    assert weights[0] * 90 == pytest.approx(weights[1] * 10)
    random = np.random.default_rng(0)
    label = (random.random(3000) < 0.05).astype(np.int64)
    pixels = np.clip(random.normal(100 + 12 * label[:, None], 20, (3000, 64)), 0, 255)
    rare = _parted({"image": pixels.astype(np.uint8).reshape(-1, 8, 8, 1), "label": label})
    facts = FACTS["image"] | {"labels": ["often", "rare"]}

    def recall(**changes) -> float:
        chosen = {"epochs": 4, "learning_rate": 3e-2, **changes}
        parameters = architectures.resolve("image", "perceptron", chosen, facts)
        fitted = fit.train("image", "perceptron", parameters, rare, facts, seed=0)
        confusion = scores_of(fitted, rare, facts).rows["confusion"]
        return confusion[1, 1] / confusion[1].sum()

    assert recall(class_weights=True) > recall(class_weights=False) + 0.2


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_what_was_fitted_in_mixed_precision_serves_in_full(precision, splits, tmp_path):
    # Few units: processors are slow with float16.
    fitted = _fit(splits, precision=precision, units=64, **SHORT | {"learning_rate": 8e-3})
    assert _accuracy(fitted, splits) > LEARNT
    assert {layer.compute_dtype for layer in fitted.model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    convert.to_onnx(fitted.model, tmp_path / "model.onnx")
    tensor = fitted.inputs.to_tensor(splits["image"]["test"]["image"])
    outputs = convert.runner(tmp_path / "model.onnx")(tensor)
    assert outputs == pytest.approx(fit.predict(fitted.model, tensor), abs=1e-4)


def test_a_share_takes_the_latest_rows_of_a_series_and_any_of_the_others(splits):
    series = splits["forecast"]["train"]
    part = share_of(series, 0.25, FACTS["forecast"])
    assert np.array_equal(part["value"], series["value"][-len(part["value"]) :])
    assert len(part["value"]) == round(0.25 * len(series["value"]))
    pictures = splits["image"]["train"]
    part = share_of(pictures, 0.25, FACTS["image"])
    assert len(part["label"]) == len(part["image"]) == round(0.25 * len(pictures["label"]))
    assert set(part["label"]) == set(range(10))


def test_a_share_of_several_series_takes_the_latest_rows_of_each(splits):
    one = splits["forecast"]["train"]
    both = {name: np.concatenate([column, column]) for name, column in one.items()}
    both["segment"] = np.repeat([0, 1], len(one["value"]))
    part = share_of(both, 0.25, FACTS["forecast"])
    first, second = (part["value"][part["segment"] == number] for number in (0, 1))
    assert np.array_equal(first, second)
    assert len(first) == pytest.approx(0.25 * len(one["value"]), abs=1)


def test_a_share_of_a_series_with_a_hole_takes_its_share_of_windows():
    rows = np.arange(1000)
    split = {"value": rows * 1.0, "observed": rows >= 0, "segment": (rows >= 900).astype(int)}
    split["time"] = np.datetime64("2026-01-01", "ns") + rows * np.timedelta64(1, "h")
    split["series"] = np.full(len(rows), "pump")
    facts = {"task": "forecast", "history": 100, "horizon": 12}
    part = share_of(split, 0.2, facts)  # neither the 100 rows before the hole nor those after do
    windows = SeriesInputs(100, 12, 0.0, 1.0)
    assert len(windows.window_starts(part)) == round(0.2 * len(windows.window_starts(split)))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optimizer", "adamw", "one of adam, rmsprop, sgd, momentum, not 'adamw'"),
        ("loss", "huber", "one of categorical_crossentropy, .*, not 'huber'"),
        ("precision", 16, "a word, not 16"),
        ("share", 0.0, "a finite number, from 1e-06 to 1, not 0.0"),
        ("class_weights", 1, "true or false, not 1"),
    ],
)
def test_a_word_that_is_not_known_is_refused_by_name(name, value, said):
    with pytest.raises(WrongParameter, match=f"{name} must be {said}"):
        architectures.resolve("image", "ann", {name: value}, {})
