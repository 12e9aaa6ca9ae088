"""The level of the tests and their power, by simulation: `make bench-verdict` in small."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import simulated
from benchmarks.verdict import Kind, kinds, promoted
from models.evaluation import metrics
from models.evaluation.metrics import ACCURACY, METRICS
from pipelines.gate import paired_comparison

PAIRS = 400
# At the level of 0.05 more than this happens once in a thousand times.
MOST = binom.ppf(0.999, PAIRS, 0.05)

classes, series = simulated.classifiers, simulated.forecasters
short = partial(series, windows=600, horizon=6, scores=(0.78, 0.78))


def grouped(random, groups: int, alike: float):
    """Two classifiers on groups of ten rows, of which a share is as each group's first."""
    group = np.repeat(np.arange(groups), 10)
    rows = np.where(random.random(len(group)) < alike, 10 * group, np.arange(len(group)))
    return [
        [{name: column[rows] for name, column in side.items()} | {"group": group}]
        for [side] in classes(random, len(group), (0.9, 0.9))
    ]


ALIKE = {
    "classes": ("image", partial(classes, rows=1000, scores=(0.97, 0.97))),
    "few rows": ("image", partial(classes, rows=100, scores=(0.9, 0.9))),
    "two seeds": ("image", partial(classes, rows=1000, scores=(0.9, 0.9), seeds=2)),
    "three seeds": ("image", partial(classes, rows=500, scores=(0.9, 0.9), seeds=3)),
    "series": ("forecast", short),
    "squares": ("forecast", short),
    "pinball": (
        "forecast",
        partial(simulated.intervals, windows=600, horizon=6, scores=(0.78, 0.78)),
    ),
    "series, seeds": ("forecast", partial(short, seeds=3)),
    "errors that last": ("forecast", partial(short, persistence=0.95)),
    "errors that last for long": ("forecast", partial(short, persistence=0.98)),
    "few windows": ("forecast", partial(series, windows=200, horizon=5, scores=(0.78, 0.78))),
    "series in turn": ("forecast", partial(kinds()[-1].draw, scores=(1, 1))),
    "groups": ("image", partial(grouped, groups=100, alike=0.5)),
    "few groups, all alike": ("image", partial(grouped, groups=30, alike=1)),
}  # fmt: skip
OTHERS = {"squares": "rmse", "pinball": "pinball"}


def _draws(draw):
    return (draw(np.random.default_rng([7, number])) for number in range(PAIRS))


@pytest.mark.parametrize("name", ALIKE)
def test_models_that_are_alike_are_told_apart_in_five_of_a_hundred(name):
    task, draw = ALIKE[name]
    metric = metrics.of({"task": task, "metric": OTHERS.get(name)})
    told = [
        paired_comparison.compare(metric, *sides).outcome != paired_comparison.CANNOT_TELL
        for sides in _draws(draw)
    ]
    assert sum(told) <= MOST


@pytest.mark.parametrize("name", ["groups", "few groups, all alike"])
def test_without_their_groups_the_same_rows_tell_models_apart_that_are_alike(name):
    told = 0
    for sides in _draws(ALIKE[name][1]):
        for [side] in sides:
            del side["group"]
        told += paired_comparison.compare(ACCURACY, *sides).outcome != paired_comparison.CANNOT_TELL
    assert told > 0.2 * PAIRS


RARE = [kind.metric for kind in kinds() if kind.metric and kind.task == "sentiment"]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [300, 1000])
@pytest.mark.parametrize("name", RARE)
def test_models_that_are_alike_on_a_rare_class_are_seldom_told_apart(name, rows):
    """In each metric; of 300 rows nine are positive."""
    told = [
        paired_comparison.compare(METRICS[name], *sides).outcome != paired_comparison.CANNOT_TELL
        for sides in _draws(partial(simulated.rare, rows=rows, scores=(1.8, 1.8)))
    ]
    assert sum(told) <= MOST


# Up to half a minute; another of several series goes the same way.
LONG = ("6,464 windows", "2,700 windows, errors that last")
ONE_SEED = [
    pytest.param(kind, marks=pytest.mark.slow if kind.name in LONG else (), id=kind.name)
    for kind in kinds()
    if "seeds" not in kind.name and kind.metric is None
]


@pytest.mark.parametrize("kind", ONE_SEED)
def test_the_gate_finds_what_is_better_and_little_else(kind: Kind):
    assert promoted(kind, kind.level, 60) <= binom.ppf(0.999, 60, 0.05)
    assert promoted(kind, kind.gain, 60) >= binom.ppf(0.001, 60, 0.8)


@pytest.mark.parametrize(
    ("rows", "score", "worse"), [(200, 0.99, 0.02), (200, 0.9, 0.02), (1000, 0.97, 0.01)]
)
def test_a_model_worse_by_the_margin_is_seldom_called_not_worse(rows, score, worse):
    """Wald's interval calls 13 of 100 so, of models that hardly ever differ, on 200 rows."""
    draws = _draws(partial(classes, rows=rows, scores=(score - worse, score)))
    called = [
        paired_comparison.not_worse(ACCURACY, ours[0], theirs[0], worse, 0.05)
        for ours, theirs in draws
    ]
    assert sum(called) <= binom.ppf(0.999, PAIRS, 0.025)
