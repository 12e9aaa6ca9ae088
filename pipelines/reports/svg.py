"""Pictures as SVG that takes its colours from the page around it, and so suits light and dark.

Every picture is a text without ids, scripts or references, so that any number of them can stand on
one page. Classes name what a mark is; the page's style says how that looks.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from pipelines.reports.charts import Band, Chart, Line

LABEL_WIDTH, LABEL_HEIGHT = 6.7, 13  # of a letter, and a line, at the pictures' 11 pixels
MOVES = sorted(range(-80, 81), key=abs)  # of a label, in pixels: the nearest place that is free


class Frame(NamedTuple):
    """The edges of a plot, and the size of the picture that it is in, in pixels."""

    right: int
    bottom: int
    width: int
    height: int
    left: int = 46
    top: int = 22


SMALL, LARGE = Frame(330, 174, 340, 210), Frame(430, 284, 440, 320)


class Point(NamedTuple):
    """A circle: `label` stands beside it where there is one, `about` is told on hovering."""

    css: str
    x: float
    y: float
    radius: float
    label: str
    about: str


class Axis(NamedTuple):
    """Where values lie: `place` turns one into pixels, `ticks` are those with a name."""

    place: Callable[[float], float]
    ticks: dict[float, str]


def lines(chart: Chart) -> str:
    """A chart of curves and bands."""
    marks, frame = chart.marks, SMALL
    x = linear_axis([value for mark in marks for value in mark.x], frame.left, frame.right, 0)
    heights = [value for mark in marks for curve in mark[2:] for value in curve]
    y = linear_axis(heights, frame.bottom, frame.top)
    drawn = [_mark(mark, x, y) for mark in marks]
    return _svg(frame, x, y, chart.x_label, chart.y_label, chart.summary, drawn)


def scatter(points: Sequence[Point], x_label: str, y_label: str, about: str) -> str:
    """Circles over a logarithmic x; those with labels come last, on top of the others."""
    frame = LARGE
    x = logarithmic_axis([point.x for point in points], frame.left, frame.right)
    y = linear_axis([point.y for point in points], frame.bottom, frame.top)
    ordered = sorted(points, key=lambda point: (bool(point.label), -point.radius))
    drawn = [
        f'<circle class="{point.css}" cx="{x.place(point.x):.1f}" cy="{y.place(point.y):.1f}"'
        f' r="{point.radius:.1f}"><title>{escape(point.about)}</title></circle>'
        for point in ordered
    ]
    labels = _labels([point for point in ordered if point.label], x, y, frame)
    return _svg(frame, x, y, x_label, y_label, about, [*drawn, *labels])


def whisker(interval: Mapping[str, float], ends: tuple[float, float]) -> str:
    """An interval and its mean on a scale from ends[0] to ends[1]; what lies beyond is cut off."""
    width, height, edge = 120, 14, 5
    values = [interval[name] for name in ("low", "mean", "high")]
    low, mean, high = np.interp(values, ends, (edge, width - edge))
    inside = ends[0] <= interval["mean"] <= ends[1]
    dot = f'<circle class="dot" cx="{mean:.1f}" cy="7" r="3.5"/>' if inside else ""
    return (
        f'<svg class="whisker" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path class="rail" d="M{edge} 7H{width - edge}"/>'
        f'<path class="reach" d="M{low:.1f} 7H{high:.1f}"/>{dot}</svg>'
    )


def _svg(
    frame: Frame,
    x: Axis,
    y: Axis,
    x_label: str,
    y_label: str,
    about: str,
    drawn: Iterable[str],
) -> str:
    grid = "".join(f"M{frame.left} {y.place(tick):.1f}H{frame.right}" for tick in y.ticks)
    names = [
        f'<text x="{frame.left - 5}" y="{y.place(tick) + 4:.1f}" text-anchor="end">{name}</text>'
        for tick, name in y.ticks.items()
    ]
    names += [
        f'<text x="{x.place(tick):.1f}" y="{frame.bottom + 15}" text-anchor="middle">{name}</text>'
        for tick, name in x.ticks.items()
    ]
    middle = (frame.left + frame.right) / 2
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(about)}">'
        f'<path class="grid" d="{grid}"/>{"".join(names)}'
        f'<text x="{middle}" y="{frame.height - 4}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text x="2" y="12">{escape(y_label)}</text>'
        f"{''.join(drawn)}</svg>"
    )


def _mark(mark: Line | Band, x: Axis, y: Axis) -> str:
    if isinstance(mark, Line):
        return f'<path class="line {mark.role}" d="M{_path(mark.x, mark.y, x, y)}"/>'
    around = [*mark.low, *reversed(mark.high)]
    return f'<path class="{mark.role}" d="M{_path([*mark.x, *reversed(mark.x)], around, x, y)}Z"/>'


def _path(xs: Iterable[float], ys: Iterable[float], x: Axis, y: Axis) -> str:
    places = zip(map(x.place, xs), map(y.place, ys), strict=True)
    return "L".join(f"{left:.1f} {top:.1f}" for left, top in places)


def _labels(points: Iterable[Point], x: Axis, y: Axis, frame: Frame) -> Iterator[str]:
    """Yield the labels, each beside its circle, moved up or down where another is in the way."""
    taken: list[tuple[float, float, float]] = []  # the ends and the middle of each label
    for point in points:
        width, away = len(point.label) * LABEL_WIDTH, point.radius + 4
        left = x.place(point.x) + away
        if left + width > frame.width:
            left -= width + 2 * away
        middles = [y.place(point.y) + move for move in MOVES]
        free = (
            middle
            for middle in middles
            if frame.top <= middle <= frame.bottom
            and not any(
                start < left + width and left < end and abs(other - middle) < LABEL_HEIGHT
                for start, end, other in taken
            )
        )
        middle = next(free, middles[0])
        taken.append((left, left + width, middle))
        place = f'x="{left:.1f}" y="{middle + 4:.1f}"'
        yield f'<text class="label" {place}>{escape(point.label)}</text>'


def linear_axis(values: Sequence[float], start: float, end: float, room: float = 0.06) -> Axis:
    """room: how much is left free at both ends, as a share of what the values span."""
    least, most = min(values), max(values)
    if least == most:
        least, most = least - (abs(least) or 1) / 2, most + (abs(most) or 1) / 2
    free = room * (most - least)
    low, high = least - free, most + free
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(times for times in (1, 2, 5, 10) if (high - low) / (step * times) <= 5)
    decimals = max(0, -math.floor(math.log10(step * 1.001)))
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    ticks = {step * n: f"{step * n:,.{decimals}f}".replace("-", "−") for n in numbers}
    return Axis(lambda value: start + (value - low) / (high - low) * (end - start), ticks)


def logarithmic_axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = math.log10(min(values)), math.log10(max(values))
    free = 0.08 * (high - low) or 0.3
    low, high = low - free, high + 2.5 * free  # labels stand to the right
    decades = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    values = [times * 10.0**decade for decade in decades for times in steps]
    ticks = {value: f"{value:g}" for value in values if low <= math.log10(value) <= high}
    return Axis(
        lambda value: start + (math.log10(value) - low) / (high - low) * (end - start), ticks
    )
