"""How good a model is, in numbers and row by row, and how sure the numbers are."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ModelError
from models.evaluation import bootstrap, decision, metrics, naive
from models.evaluation.metrics import ACCURACY, COVERED, LEVEL, MAE, Metric
from models.examples import Inputs, Split, examples, fit_inputs
from models.inputs import kinds

if TYPE_CHECKING:
    from models.inputs.series import Windows

Run = Callable[[np.ndarray], np.ndarray]
SCORED = ("validation", "test")
NAMED = 20  # series whose error and coverage are measured apart
LARGEST = 1e100  # a forecast that is further off, or no number, is off by this
PLOTTED = 6  # windows kept whole, spread over the split
# Of `Scores.rows`, by task: what a verdict cannot do without.
ROWS = {
    "image": {"label", "correct", "naive_correct"},
    "sentiment": {"label", "correct", "naive_correct", "words"},
    "forecast": {"error", "naive_error", "time", "series", "season", "block"},
}


@dataclass(frozen=True)
class Scores:
    """Metrics of one split, and the rows that they were made of.

    metrics, classes: the dataset's metric, and floor, what the naive baseline has of it, which of
        accuracy always says the commonest training label; accuracy, precision, recall, f1 (macro);
        log_loss; calibration_error, how far the certainty of an answer is from the share of right
        ones.
    metrics, series: mae, mse, rmse, mae_step_01 … in the data's own unit; relative_mae, to the best
        naive forecast, the mean over series; recall_below, precision_below and the like of values
        beyond a level that the dataset names; coverage_80 and coverage_95, and with _long at the
        end that of requests long enough for an interval that follows its past; of several series
        each one's, as relative_mae/NAME and coverage_95/NAME; floor: 1, the naive forecast relative
        to itself.
    rows, classes: label and predicted (row,), probabilities (row, class), correct and naive_correct
        bool (row,), confusion (true class, predicted class); prior (class,), the shares of the
        training split; where the entry has them positive, a label, and costs (true class, predicted
        class); of texts also words (row,), how many the tokenizer finds in each; where rows belong
        to groups, such as patients, group (row,), the number of each one's.
    rows, series: error and naive_error (window, step), absolute, and where the metric is of them
        pinball and naive_pinball; time datetime64 (window,), when the first step falls, series
        (window,), whose it is, and season (window,), in which quarter of a season, 0 to 3; block,
        the number of neighbouring windows that share targets, at least 2; history, target, forecast
        and the 95 % interval's lower and upper of a few windows, for plots.
    naive: the name of the naive baseline.
    """

    metrics: dict[str, float]
    rows: dict[str, np.ndarray]
    naive: str


def evaluate_artifact(folder: Path, splits: Mapping[str, Split], facts: Mapping) -> Scores:
    """Score an artifact's ONNX graph on the present test split. `artifact.check` it first.

    Args:
        folder: the artifact.
        splits: train, validation and test, as prepared.
        facts: the dataset's.

    Raises:
        ModelError: the artifact answers with other labels or another horizon.
    """
    from models.artifact import artifact
    from models.export import convert

    inputs = artifact.read_inputs(folder)
    _check_fits(folder, inputs, facts)
    run = convert.runner(Path(folder) / "model.onnx")
    return score(run, inputs, splits, facts, ["test"])["test"]


def score(
    run: Run,
    inputs: Inputs,
    splits: Mapping[str, Split],
    facts: Mapping,
    names: Sequence[str] = SCORED,
) -> dict[str, Scores]:
    """Score whatever turns a batched tensor into batched outputs, by the name of the split.

    Args:
        run: from a tensor (row, …) to outputs (row, …).
        inputs: fitted inputs.
        splits: train, validation and test, as prepared.
        facts: the dataset's.
        names: the splits to score.
    """
    stride = facts.get("stride", 1)
    parts = {name: examples(inputs, splits[name], stride) for name in names}
    outputs = {name: run(part.tensor) for name, part in parts.items()}
    if inputs.kind != "series":
        return score_probabilities(outputs, splits, facts, inputs.weights)
    forecasts = {
        name: inputs.unscaled(scaled, parts[name].windows.history)
        for name, scaled in outputs.items()
    }
    scores = _score_series(inputs, forecasts, splits, facts)
    for name, scored in scores.items():
        scored.metrics.update(_following(inputs, run, splits[name], stride))
    return scores


def _following(inputs: Inputs, run: Run, split: Split, stride: int) -> dict[str, float]:
    """The coverage of intervals that follow past forecasts; of too short a split nothing."""
    windows = inputs.long_windows(split, stride)
    if not len(inputs.following) or not len(windows.start):
        return {}
    error = inputs.missed(run, windows)
    strain = inputs.strain(run, windows.history)
    return {
        f"coverage_{level * 100:.0f}_long": float(
            (error <= inputs.scaled_radius(level, strain)).mean()
        )
        for level in COVERED
    }


def score_probabilities(
    probabilities: Mapping[str, np.ndarray],
    splits: Mapping[str, Split],
    facts: Mapping,
    weights: Sequence[float] | None = None,
) -> dict[str, Scores]:
    """Score class probabilities, whoever gave them, by the name of the split.

    Args:
        probabilities: (row, class) for each row of each split to score, by the split's name.
        splits: as prepared, the training split among them.
        facts: the dataset's.
        weights: of each class (`decision.weights`); None: those that do best on validation.
    """
    if weights is None and metrics.of(facts).threshold:
        weights = decision.on_validation(probabilities["validation"], splits, facts)
    return {
        name: _class_scores(outputs, splits[name], splits["train"]["label"], facts, weights or ())
        for name, outputs in probabilities.items()
    }


def score_forecasts(
    forecast: Callable[["Windows", Split], np.ndarray],
    splits: Mapping[str, Split],
    facts: Mapping,
) -> dict[str, Scores]:
    """Score the forecasts of something that is no network, by the name of the split.

    The windows are those on which networks are scored, validation and test; the intervals, too,
    come from validation.

    Args:
        forecast: from windows of a split to (window, horizon), in the data's own unit.
        splits: train, validation and test, as prepared.
        facts: the dataset's.
    """
    inputs = fit_inputs(splits["train"], facts, {})
    windows = {name: examples(inputs, splits[name], facts["stride"]).windows for name in SCORED}
    outputs = {name: forecast(rows, splits[name]) for name, rows in windows.items()}
    validation = windows["validation"]
    scaled = inputs.scaled(outputs["validation"], validation.history)
    inputs = inputs.calibrated(scaled, validation)
    return _score_series(inputs, outputs, splits, facts)


def value(metric: Metric, rows: Sequence[Mapping[str, np.ndarray]]) -> float:
    """Return the metric, the mean over seeds; nan where it says nothing of such rows.

    Args:
        rows: `Scores.rows` of one split, one for each seed.
    """
    values, weights, _ = losses(metric, rows)
    return _ratio(values.mean(), weights.mean())


def interval(
    metric: Metric, rows: Sequence[Mapping[str, np.ndarray]]
) -> tuple[float, float, float]:
    """Return `value`, and low and high of its 95 % interval.

    Of one classifier's accuracy it is Wilson's, which is never 1 to 1 (Journal of the American
    Statistical Association, 1927). Else it is the bootstrap's: over rows or blocks of windows, and
    over seeds when there are several (`models.evaluation.bootstrap`).
    """
    values, weights, block = losses(metric, rows)
    mean = _ratio(values.mean(), weights.mean())
    if metric is ACCURACY and "group" not in rows[0] and len(values) == 1 and values.size:
        from scipy.stats import binomtest

        hits = binomtest(int(values.sum()), values.size)
        ends = hits.proportion_ci(LEVEL, method="wilson")
        return mean, float(ends.low), float(ends.high)
    if not weights.any():
        return mean, mean, mean
    low, high = bootstrap.difference(values, np.zeros_like(values[:1]), weights, block).interval()
    return mean, max(low, 0.0), min(high, 1.0) if metric.more_is_better else high


def losses(
    metric: Metric, rows: Sequence[Mapping[str, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what a metric is a ratio of: values (seed, row), weights (row,), and block.

    The metric is the mean value over the mean weight. Of classes the values are the metric's own,
    such as 1 for a hit and 0 for a miss, and every weight is 1; of series they are the model's and
    the naive error at one moment, in the order of time (`_moments`), each series weighed so that
    the metric is the mean of those of the series. One whose naive error is 0 has none.
    """
    if not metric.series:
        values = np.stack([metric.values(one) for one in rows])
        if "group" not in rows[0]:
            return values, np.ones(values.shape[1]), 1
        group = np.unique(rows[0]["group"], return_inverse=True)[1]
        of_group = np.stack([np.bincount(group, one) for one in values])
        return of_group, np.bincount(group).astype(float), 1
    first, moment = rows[0], _moments(rows[0])
    errors = [
        (np.fmin(error, LARGEST) ** metric.power).mean(axis=1)
        for error in (*(one[metric.column] for one in rows), first[f"naive_{metric.column}"])
    ]
    series = np.unique(first.get("series", np.zeros(len(moment))), return_inverse=True)[1]
    total = np.bincount(series, errors[-1])
    if total.any():
        weight = np.divide(total.mean(), total, out=np.zeros_like(total), where=total > 0)[series]
        errors = [error * weight for error in errors]
    sums = np.stack([np.bincount(moment, error) for error in errors])
    values = sums[:-1] if metric.power == 1 else metrics.rooted(sums[:-1], sums[-1])
    return values, sums[-1], int(first["block"])


def _moments(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which windows count as one, int (window,), numbered in the order of time.

    Series go up and down together. Each of their windows falls into one stride, wherever in it: of
    moments that take turns, each with other series, neighbours would look unrelated.
    """
    # Fits recorded before the time was have their windows in the order of the rows.
    time = rows.get("time", np.arange(len(rows["error"])))
    series = rows.get("series", np.zeros(len(time), int))
    order = np.lexsort((time, series))
    steps = np.diff(time[order])[series[order][1:] == series[order][:-1]].astype(np.int64)
    stride = steps[steps > 0].min(initial=np.iinfo(np.int64).max)
    since = (time - time[order].min()).astype(np.int64)
    return np.unique(since // stride, return_inverse=True)[1]


def _ratio(top: float, bottom: float) -> float:
    """Divide; a naive forecast without any error leaves a model nothing to win."""
    if bottom > 0:
        return float(top / bottom)
    return 1.0 if top == 0 else bootstrap.HIGHEST


def _class_scores(
    outputs: np.ndarray,
    split: Split,
    training: np.ndarray,
    facts: Mapping,
    weights: Sequence[float],
) -> Scores:
    """Score probabilities (row, class) against the split's labels; training: the labels there."""
    target, labels = split["label"], facts["labels"]
    rows = decision.answered(outputs, target, training, facts, weights)
    predicted, correct = rows["predicted"], rows["correct"]
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (target, predicted), 1)
    hits = np.diag(confusion)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    rows["confusion"] = confusion
    certainty = outputs[np.arange(len(target)), predicted]
    if "group" in split:
        rows["group"] = np.unique(split["group"].astype(str), return_inverse=True)[1]
    if "text" in split:
        texts: Any = kinds.of_task(facts["task"])  # of which models of pictures know nothing
        rows["words"] = texts.word_counts(split["text"])
    metric = metrics.of(facts)
    naive_rows = metric.naive(rows)
    scores = {
        "accuracy": correct.mean(),
        "precision": precision.mean(),
        "recall": recall.mean(),
        "f1": f1.mean(),
        "log_loss": metrics.METRICS["log_loss"].of(rows),
        "calibration_error": metrics.calibration_error(certainty, correct),
        "floor": metric.of(naive_rows),
        metric.name: metric.of(rows),
    }
    said = naive.majority(training) if metric is ACCURACY else naive_rows["predicted"][0]
    return Scores(_floats(scores), rows, f"always {labels[said]}")


def _score_series(
    inputs: Inputs,
    forecasts: Mapping[str, np.ndarray],
    splits: Mapping[str, Split],
    facts: Mapping,
) -> dict[str, Scores]:
    """Score forecasts (window, step), in the data's own unit, by the name of the split, beside the
    naive forecast that is the best on validation."""
    best = naive.best(inputs, splits["validation"], facts)
    return {
        name: _series_scores(inputs, forecast, best, splits[name], facts)
        for name, forecast in forecasts.items()
    }


def _series_scores(
    inputs: Inputs, forecast: np.ndarray, best: tuple[str, Inputs], split: Split, facts: Mapping
) -> Scores:
    windows, metric = inputs.windows(split, facts["stride"]), metrics.of(facts)
    radii, naive_radii = (metrics.radii(one, windows.history) for one in (inputs, best[1]))
    rival = naive.forecast(best[0], windows, split, facts["season"])
    error, naive_error = np.abs(forecast - windows.target), np.abs(rival - windows.target)
    block = max(2, math.ceil(inputs.horizon / facts["stride"]))
    inside = {f"coverage_{100 * level:.0f}": error <= radii[level] for level in COVERED}
    radius = np.broadcast_to(radii[LEVEL], error.shape)
    few = np.linspace(0, len(error) - 1, min(PLOTTED, len(error))).astype(int)
    time = split["time"][windows.start + inputs.history]
    rows = {
        "error": error,
        "naive_error": naive_error,
        "time": time,
        "series": split["series"][windows.start].astype(str),
        "season": _quarters(time, facts["season"] * facts["interval_seconds"]),
        "block": np.int64(block),
        "history": windows.history[few],
        "target": windows.target[few],
        "forecast": forecast[few],
        "lower": forecast[few] - radius[few],
        "upper": forecast[few] + radius[few],
    }
    if metric.column == "pinball":
        rows["pinball"] = metrics.pinball(error, radii)
        rows["naive_pinball"] = metrics.pinball(naive_error, naive_radii)
    scores = {
        "mae": error.mean(),
        "mse": np.square(error).mean(),
        "rmse": np.sqrt(np.square(error).mean()),
        "relative_mae": value(MAE, [rows]),
        "floor": 1.0,
    } | {name: held.mean() for name, held in inside.items()}
    scores |= metrics.foreseen(windows.target, forecast, facts)
    steps = enumerate(error.mean(axis=0), start=1)
    scores |= {f"mae_step_{step:02d}": mean for step, mean in steps}
    for name in series_names(rows):
        own, ending = rows["series"] == name, "/" + re.sub(r"[^-\w]", "_", name)[:50]
        scores["relative_mae" + ending] = _ratio(error[own].mean(), naive_error[own].mean())
        scores |= {held + ending: column[own].mean() for held, column in inside.items()}
    if metric is not MAE:
        scores[metric.name] = value(metric, [rows])
    return Scores(_floats(scores), rows, best[0])


def series_names(rows: Mapping[str, np.ndarray]) -> list[str]:
    """Return the series that are told apart: the first `NAMED`, and none where there is but one."""
    names = np.unique(rows.get("series", ())).tolist()
    return names[:NAMED] if len(names) > 1 else []


def _quarters(time: np.ndarray, season: int) -> np.ndarray:
    """Return for each time stamp which quarter of a season it is in, 0 to 3.

    season: seconds. Seasons are counted from midnight, as the clock does.
    """
    into = time.astype("datetime64[s]").astype(np.int64) % season
    return into * 4 // season


def _floats(metrics: Mapping) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _check_fits(folder: Path, inputs: Inputs, facts: Mapping) -> None:
    if inputs.kind == "series":
        received = f"{inputs.horizon} values from {inputs.history}"
        wanted = f"{facts['horizon']} values from {facts['history']}"
    else:
        received, wanted = ", ".join(inputs.labels), ", ".join(facts["labels"])
    if received != wanted:
        raise ModelError(f"{folder} answers with {received}, and the dataset asks for {wanted}.")
