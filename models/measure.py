"""How good a model is, in numbers and row by row, and how sure the numbers are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import naive
from models.errors import ModelError
from models.examples import Inputs, Split, examples, fit_inputs
from models.inputs import Windows

LEVEL = 0.95  # of the interval whose coverage is measured
RESAMPLES = 1000
PLOTTED = 6  # windows kept whole, spread over the split


@dataclass(frozen=True)
class Scores:
    """Metrics of one split, and the rows that they were made of.

    metrics, classes: accuracy, precision, recall, f1 (macro); floor: accuracy of always saying
        the commonest training label.
    metrics, series: mae, mse, relative_mae (to the best naive forecast), mae_step_01 …, and
        coverage_95, in the data's own unit; floor: 1, the naive forecast relative to itself.
    rows, classes: label (row,), probabilities (row, class), correct (row,), confusion (true class,
        predicted class).
    rows, series: error and naive_error (window, step), absolute; block, the number of neighbouring
        windows that share values; history, target, forecast of a few windows, for plots.
    naive: the name of the floor.
    """

    metrics: dict[str, float]
    rows: dict[str, np.ndarray]
    naive: str


def evaluate(fitted, split: Split, facts: Mapping) -> Scores:
    """Score a `models.train.Fitted` on one prepared split."""
    from models.train import predict

    return score(lambda x: predict(fitted.model, x), fitted.inputs, fitted.floor, split, facts)


def evaluate_artifact(folder: Path, splits: Mapping[str, Split], facts: Mapping) -> Scores:
    """Score an artifact's ONNX graph on the present test split. `artifact.check` it first.

    Raises ModelError when the artifact answers with other labels or another horizon.
    """
    from models import artifact, export

    inputs = artifact.read_inputs(folder)
    _check_fits(folder, inputs, facts)
    if facts["task"] == "forecast":
        known = examples(inputs, splits["validation"], facts["stride"]).windows
        floor = naive.best(known, splits["validation"], facts["season"])
    else:
        floor = naive.majority(splits["train"]["label"])
    run = export.runner(Path(folder) / "model.onnx")
    return score(run, inputs, floor, splits["test"], facts)


def score(run, inputs: Inputs, floor: int | str, split: Split, facts: Mapping) -> Scores:
    """Score whatever turns a batched tensor into batched outputs.

    floor: the commonest label's index, or the best naive forecast's name.
    """
    rows = examples(inputs, split, facts.get("stride", 1))
    outputs = run(rows.tensor)
    if inputs.kind != "series":
        return class_scores(outputs, rows.target, floor, facts["labels"])
    return _series_scores(inputs, inputs.unscaled(outputs), rows.windows, floor, split, facts)


def score_probabilities(
    probabilities: Mapping[str, np.ndarray], splits: Mapping[str, Split], facts: Mapping
) -> dict[str, Scores]:
    """Score what something that is no network says, on the rows on which networks are scored.

    probabilities: (row, class) for each row of each split to score, by the split's name.
    """
    floor = naive.majority(splits["train"]["label"])
    return {
        name: class_scores(outputs, splits[name]["label"], floor, facts["labels"])
        for name, outputs in probabilities.items()
    }


def score_forecasts(
    forecast: Callable[[Windows, Split], np.ndarray], splits: Mapping[str, Split], facts: Mapping
) -> dict[str, Scores]:
    """Score what something that is no network forecasts, on the windows on which networks are
    scored, validation and test; its intervals, too, come from validation.

    forecast: from windows of a split to (window, horizon), in the data's own unit.
    """
    inputs = fit_inputs(splits["train"], facts, {})
    windows = {
        name: examples(inputs, splits[name], facts["stride"]).windows
        for name in ("validation", "test")
    }
    outputs = {name: forecast(rows, splits[name]) for name, rows in windows.items()}
    inputs = inputs.calibrated(inputs.scaled(outputs["validation"]), windows["validation"].target)
    floor = naive.best(windows["validation"], splits["validation"], facts["season"])
    return {
        name: _series_scores(inputs, outputs[name], rows, floor, splits[name], facts)
        for name, rows in windows.items()
    }


def interval(task: str, rows: Sequence[Mapping[str, np.ndarray]]) -> tuple[float, float, float]:
    """Return mean, low and high of the task's metric: accuracy, or MAE relative to the naive one.

    rows: `Scores.rows` of one split, one for each seed.
    The interval is the percentile bootstrap's at 95 % (Efron and Tibshirani, 1993) over rows, and
    over seeds when there are several; windows that overlap are drawn in blocks (circular block
    bootstrap, Politis and Romano, 1992). Drawn from a fixed seed: equal rows, equal interval.
    """
    if task == "forecast":
        values = np.stack([one["error"].mean(axis=1) for one in rows])
        weights = rows[0]["naive_error"].mean(axis=1)
        block = min(int(rows[0]["block"]), len(weights))
    else:
        values = np.stack([one["correct"] for one in rows]).astype(float)
        weights = np.ones(values.shape[1])
        block = 1
    mean = _ratio(values.mean(), weights.mean())
    low, high = np.quantile(_resampled(values, weights, block), [0.025, 0.975])
    return mean, float(low), float(high)


def _resampled(values: np.ndarray, weights: np.ndarray, block: int) -> np.ndarray:
    """Return the ratio of means in each bootstrap sample, values (seed, row), weights (row,)."""
    random = np.random.default_rng(0)
    seeds, count = values.shape
    values, weights = _block_sums(values, block), _block_sums(weights[None], block)[0]
    drawn = math.ceil(count / block)
    samples = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        chosen = random.integers(seeds, size=seeds)
        starts = random.integers(count, size=drawn)
        tops = values[:, starts].mean(axis=1)[chosen]
        samples[number] = _ratio(tops.mean(), weights[starts].mean())
    return samples


def _block_sums(values: np.ndarray, block: int) -> np.ndarray:
    """Return for each row the sum of the block that starts there, going round at the end."""
    around = np.concatenate([values, values[:, : block - 1]], axis=1)
    sums = np.cumsum(np.pad(around, ((0, 0), (1, 0))), axis=1)
    return sums[:, block:] - sums[:, :-block]


def _ratio(top: float, bottom: float) -> float:
    """Divide; a naive forecast without any error leaves a model nothing to win."""
    if bottom > 0:
        return float(top / bottom)
    return 1.0 if top == 0 else float(np.finfo(np.float64).max)


def class_scores(outputs, target: np.ndarray, floor: int, labels: Sequence[str]) -> Scores:
    """Score probabilities (row, class), whoever gave them, against labels (row,).

    floor: the commonest training label's index.
    """
    predicted = outputs.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (target, predicted), 1)
    hits = np.diag(confusion)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    correct = predicted == target
    metrics = {
        "accuracy": correct.mean(),
        "precision": precision.mean(),
        "recall": recall.mean(),
        "f1": f1.mean(),
        "floor": (target == floor).mean(),
    }
    rows = {
        "label": target,
        "probabilities": outputs,
        "correct": correct,
        "confusion": confusion,
    }
    return Scores(_floats(metrics), rows, f"always {labels[floor]}")


def _series_scores(
    inputs, forecast, windows: Windows, floor: str, split: Split, facts: Mapping
) -> Scores:
    rival = naive.forecast(floor, windows, split, facts["season"])
    error, naive_error = np.abs(forecast - windows.target), np.abs(rival - windows.target)
    block = math.ceil((inputs.history + inputs.horizon) / facts.get("stride", 1))
    level = inputs.check_options()[1]
    metrics = {
        "mae": error.mean(),
        "mse": np.square(error).mean(),
        "relative_mae": _ratio(error.mean(), naive_error.mean()),
        f"coverage_{LEVEL * 100:.0f}": (error <= inputs.radius(min(level, LEVEL))).mean(),
        "floor": 1.0,
    }
    steps = enumerate(error.mean(axis=0), start=1)
    metrics |= {f"mae_step_{step:02d}": value for step, value in steps}
    few = np.linspace(0, len(error) - 1, min(PLOTTED, len(error))).astype(int)
    rows = {
        "error": error,
        "naive_error": naive_error,
        "block": np.int64(block),
        "history": windows.history[few],
        "target": windows.target[few],
        "forecast": forecast[few],
    }
    return Scores(_floats(metrics), rows, floor)


def _floats(metrics: Mapping) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _check_fits(folder: Path, inputs: Inputs, facts: Mapping) -> None:
    if inputs.kind == "series":
        received, wanted = inputs.horizon, facts["horizon"]
    else:
        received, wanted = list(inputs.labels), list(facts["labels"])
    if received != wanted:
        raise ModelError(f"{folder} forecasts or names {received}, and the dataset {wanted}.")
