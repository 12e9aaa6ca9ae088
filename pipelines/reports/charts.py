"""What the pictures of a fit show: prepared once, drawn by matplotlib for MLflow, as SVG here."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

HISTORY = 3  # horizons before a forecast that are drawn
MISTAKES = 20  # that are listed
ANSWER = ("forecast", "lower", "upper")  # of a window; older code recorded no interval


class Line(NamedTuple):
    """A curve: what it is of, and the points' coordinates."""

    role: str
    x: Sequence[float]
    y: Sequence[float]


class Band(NamedTuple):
    """What lies between two curves over the same places."""

    role: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


class Chart(NamedTuple):
    """Curves and bands, drawn over one another in this order.

    summary: what the chart shows, for those who do not see it.
    """

    marks: Sequence[Line | Band]
    x_label: str
    y_label: str
    summary: str


def learning_curve(name: str, seeds: Sequence[Mapping[str, Sequence[float]]]) -> Chart:
    """The losses of each seed over its epochs: `loss` and `val_loss`."""
    marks = [
        Line(role, range(1, len(seed[loss]) + 1), seed[loss])
        for seed in seeds
        for role, loss in (("training", "loss"), ("validation", "val_loss"))
    ]
    first, last = seeds[0]["val_loss"][0], seeds[0]["val_loss"][-1]
    summary = f"Loss of {name}: on validation {first:.4g} after an epoch, {last:.4g} at the end"
    return Chart(marks, "epoch", "loss", summary)


def error_by_step(model: Sequence[float], naive: Sequence[float], naive_name: str) -> Chart:
    """The mean absolute error at each step of the horizon, beside that of the naive forecast."""
    steps = range(1, len(model) + 1)
    marks = [Line("model", steps, model), Line(naive_name, steps, naive)]
    return Chart(marks, "steps ahead", "mean absolute error", f"Error beside {naive_name}")


def forecast(
    name: str,
    history: Sequence[float],
    target: Sequence[float],
    answer: Mapping[str, Sequence[float]],
) -> Chart:
    """One window: its last values, what came, and the forecast with its interval.

    Args:
        name: of the model.
        history: float (step,), in the data's own unit.
        target: float (horizon,).
        answer: `forecast`, and where they were recorded `lower` and `upper`: float (horizon,).
    """
    last, recent = history[-1], history[-HISTORY * len(target) :]
    ahead = range(len(target) + 1)
    marks: list[Line | Band] = []
    if "lower" in answer:
        marks.append(Band("band", ahead, [last, *answer["lower"]], [last, *answer["upper"]]))
    marks += [
        Line("history", range(1 - len(recent), 1), recent),
        Line("actual", ahead, [last, *target]),
        Line("forecast", ahead, [last, *answer["forecast"]]),
    ]
    errors = [abs(a - b) for a, b in zip(answer["forecast"], target, strict=True)]
    error = sum(errors) / len(target)
    summary = f"{name}: mean absolute error {error:.4g} over {len(target)} steps"
    return Chart(marks, "steps from the request", "", summary)


def mistakes(counts: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """The commonest mistakes, (true class, predicted class, count), the most frequent first."""
    mistakes = [
        (truth, predicted, count)
        for truth, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if truth != predicted and count
    ]
    return sorted(mistakes, key=lambda mistake: -mistake[2])[:MISTAKES]
