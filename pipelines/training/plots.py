"""The pictures that a run keeps: learning curve, confusion matrix, forecasts.

Figures are made without pyplot, which would hold on to each of them and look for a screen.
"""

import numpy as np


def learning_curve(history: list[dict], title: str):
    """A figure of loss per epoch, for training and validation.

    history: one dict an epoch, with `loss` and `val_loss`.
    """
    figure, axes = _figure(title)
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, [row["loss"] for row in history], label="training")
    axes.plot(epochs, [row["val_loss"] for row in history], label="validation")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure


def confusion_matrix(confusion: np.ndarray, labels: list[str], title: str):
    """A figure of counts (true class, predicted class)."""
    figure, axes = _figure(title)
    axes.imshow(confusion, cmap="Blues")
    axes.set_xticks(range(len(labels)), labels, rotation=45 if len(labels) > 5 else 0)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    middle = confusion.max() / 2
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if count > middle else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    return figure


def error_by_step(model: np.ndarray, naive: np.ndarray, naive_name: str, title: str):
    """A figure of mean absolute error at each step of the horizon, against the naive forecast.

    model, naive: float (step,), in the data's own unit.
    """
    figure, axes = _figure(title)
    steps = range(1, len(model) + 1)
    axes.plot(steps, model, marker="o", label="model")
    axes.plot(steps, naive, marker="o", label=naive_name)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("mean absolute error")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def forecasts(history: np.ndarray, target: np.ndarray, forecast: np.ndarray, title: str):
    """A figure of a few windows: history, actual values and forecast.

    history (window, step), target and forecast (window, horizon), in the data's own unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.2 * len(history)), layout="constrained")
    figure.suptitle(title)
    for axes, past, actual, predicted in zip(
        np.atleast_1d(figure.subplots(len(history))), history, target, forecast, strict=True
    ):
        ahead = range(len(actual))
        axes.plot(range(-len(past), 0), past, color="grey", label="history")
        axes.plot(ahead, actual, color="black", label="actual")
        axes.plot(ahead, predicted, color="tab:blue", label="forecast")
    axes.set_xlabel("steps from the request")
    axes.legend()
    return figure


def _figure(title: str):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes
