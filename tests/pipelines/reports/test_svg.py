"""Pictures: well-formed, inside their frame, with sensible numbers at their axes."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from pipelines.reports import svg
from pipelines.reports.charts import Band, Chart, Line
from pipelines.reports.svg import SMALL, Point


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+\.?\d*", path)]


def test_curves_keep_to_the_plot_and_grow_upwards():
    marks = [Band("band", [0, 1, 2], [1, 2, 3], [3, 4, 9]), Line("actual", [0, 1, 2], [2, 3, 5])]
    picture = ElementTree.fromstring(svg.lines(Chart(marks, "step", "value", "what it shows")))
    assert picture.get("aria-label") == "what it shows"
    paths = {path.get("class"): numbers(path.get("d")) for path in picture.iter("path")}
    for name in ("band", "line actual"):
        places = paths[name]
        assert all(SMALL.left <= x <= SMALL.right for x in places[::2])
        assert all(SMALL.top <= y <= SMALL.bottom for y in places[1::2])
    line = paths["line actual"]
    assert line[0] < line[2] < line[4]
    assert line[1] > line[3] > line[5]  # pixels count downwards


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([0.7612, 0.7944], ["0.76", "0.77", "0.78", "0.79"]),
        ([1, 24], ["0", "10", "20"]),
        ([-30, 12], ["−30", "−20", "−10", "0", "10"]),
        ([0, 4000], ["0", "1,000", "2,000", "3,000", "4,000"]),
        ([5, 5], ["4", "6"]),
        ([0, 0], ["−0.5", "0.0", "0.5"]),
    ],
)
def test_an_axis_is_named_at_round_numbers(values, named):
    assert list(svg.linear_axis(values, 0, 100).ticks.values()) == named


def test_a_logarithmic_axis_names_what_lies_on_it():
    names = ["0.01", "0.02", "0.05", "0.1", "0.2"]
    assert list(svg.logarithmic_axis([0.012, 0.2], 0, 100).ticks.values()) == names
    assert "1000" in svg.logarithmic_axis([0.001, 1000], 0, 100).ticks.values()
    assert svg.logarithmic_axis([0.3, 0.3], 0, 100).place(0.3) == pytest.approx(28.6, abs=0.1)


def test_labels_that_would_lie_on_each_other_are_moved():
    points = [Point("front", 1, 0.9 + n / 1000, 6, f"model_{n}", "about") for n in range(3)]
    points += [Point("behind", 5, 0.8, 4, "", "no label")]
    picture = ElementTree.fromstring(svg.scatter(points, "ms", "accuracy", "costs"))
    labels = [text for text in picture.iter("text") if text.get("class") == "label"]
    assert {label.text for label in labels} == {"model_0", "model_1", "model_2"}
    places = [(float(label.get("x")), float(label.get("y"))) for label in labels]
    width = len("model_0") * svg.LABEL_WIDTH
    for (left, top), (other_left, other_top) in itertools.combinations(places, 2):
        assert abs(left - other_left) >= width or abs(top - other_top) >= svg.LABEL_HEIGHT


def test_what_is_told_on_hovering_is_escaped():
    point = Point("front", 1, 1, 3, "<b>", "a < b & c")
    picture = ElementTree.fromstring(svg.scatter([point], "x", "y", '"quoted"'))
    assert next(picture.iter("title")).text == "a < b & c"
    assert "<b>" in [text.text for text in picture.iter("text")]


@pytest.mark.parametrize(("mean", "dots"), [(0.5, 1), (0.05, 0)])
def test_an_interval_beyond_the_scale_is_cut_off(mean, dots):
    interval = {"low": mean - 0.1, "mean": mean, "high": mean + 0.1}
    picture = ElementTree.fromstring(svg.whisker(interval, (0.2, 0.8)))
    assert len([*picture.iter("circle")]) == dots
    [reach] = [path for path in picture.iter("path") if path.get("class") == "reach"]
    assert all(5 <= x <= 115 for x in numbers(reach.get("d"))[::2])
