"""The figures that MLflow shows: of the same charts as the page, and quick for many classes."""

import numpy as np
import pytest

from pipelines.reports import charts
from pipelines.training import plots


@pytest.mark.parametrize(("classes", "cells"), [(3, 9), (plots.CLASSES + 1, 0)])
def test_the_counts_of_many_classes_are_not_written(classes, cells):
    counts = np.arange(classes**2).reshape(classes, classes)
    labels = [f"kind {number}" for number in range(classes)]
    axes = plots.confusion_matrix(counts, labels, "cnn on digits").axes[0]
    assert len(axes.texts) == cells
    assert np.array_equal(axes.images[0].get_array(), counts)


def test_each_window_is_drawn_with_its_interval():
    history, target = np.arange(9.0), np.array([9.0, 10.0])
    answer = {"forecast": target + 1, "lower": target, "upper": target + 2}
    windows = [charts.forecast("gru", history, target, answer)] * 3
    figure = plots.figure(windows, "gru on waves")
    assert len(figure.axes) == 3
    lines = {line.get_label(): [*line.get_ydata()] for line in figure.axes[0].lines}
    assert lines == {"history": [3, 4, 5, 6, 7, 8], "actual": [8, 9, 10], "forecast": [8, 10, 11]}
    assert len(figure.axes[0].collections) == 1
