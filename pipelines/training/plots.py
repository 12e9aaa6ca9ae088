"""The figures that MLflow shows beside a run.

Figures are made without pyplot, which would hold on to each of them and look for a screen.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.reports.charts import Band, Chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"history": "grey", "actual": "black", "forecast": "tab:blue"}
CLASSES = 30  # of more, the cells and their names are not written: seconds, and not readable


def figure(charts: Sequence[Chart], title: str) -> "Figure":
    """The charts below one another."""
    from matplotlib.figure import Figure

    size = (6, 4.5) if len(charts) == 1 else (8, 2.2 * len(charts))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    for axes, chart in zip(figure.subplots(len(charts), squeeze=False)[:, 0], charts, strict=True):
        for mark in chart.marks:
            if isinstance(mark, Band):
                axes.fill_between(mark.x, mark.low, mark.high, alpha=0.2, label="95 % interval")
            else:
                axes.plot(mark.x, mark.y, color=COLOURS.get(mark.role), label=mark.role)
        axes.set_ylabel(chart.y_label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(charts[-1].x_label)
    axes.legend()
    return figure


def confusion_matrix(confusion: np.ndarray, labels: Sequence[str], title: str) -> "Figure":
    """Counts (true class, predicted class), written into the cells of a few classes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    image = axes.imshow(confusion, cmap="Blues")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(labels) > CLASSES:
        figure.colorbar(image)
        return figure
    axes.set_xticks(range(len(labels)), labels, rotation=45 if len(labels) > 5 else 0)
    axes.set_yticks(range(len(labels)), labels)
    middle = confusion.max() / 2
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if count > middle else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    return figure
