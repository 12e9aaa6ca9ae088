"""Test scores of models that never were, alike or apart by a known amount.

What they have in common with real ones was measured on the fits of mnist_5k, imdb and glucose: how
often two models miss the same row, and how the difference of two forecasts' losses goes on from one
window to the next (0.6, 0.2 and 0.0 related at 1, 3 and 6 windows' distance, of horizons of 12).
"""

import numpy as np

from models.evaluation import metrics

Rows = dict[str, np.ndarray]
Sides = tuple[list[Rows], list[Rows]]

LABELS = [str(digit) for digit in range(10)]
ALIKE = 0.85  # how far models agree on what is hard: the correlation behind their misses
SEEDS_APART = 0.003  # the standard deviation of accuracy over seeds
SEEDS_SCALE = 0.01  # and of a forecast's errors, as a share of them

RARE = 0.03  # of the rows are positive where a class is rare

OWN = 0.35  # a forecast's own misjudgement, in standard deviations of one step
CALM = 0.99  # how a series' agitation goes on from step to step
RELATIVE = 0.775  # what MAE relative to the naive one comes to with these


class Split:
    """A test split of ten classes that may grow, and models that are asked about it."""

    def __init__(self, random, count: int):
        self._random, self.count = random, 0
        self._label, self._hard = np.empty(0, int), np.empty(0)
        self.grow(count)

    def grow(self, count: int) -> None:
        """Add rows that are like those before."""
        self.count += count
        self._label = np.append(self._label, self._random.integers(0, 10, count))
        self._hard = np.append(self._hard, self._random.standard_normal(count))

    def model(self, accuracy: float) -> list:
        """A model with this accuracy on all requests there could be."""
        return [accuracy, np.empty(0)]

    def rows(self, model: list) -> Rows:
        """What the model scores on the rows that there are; the same on those of before."""
        from scipy.stats import norm

        new = self.count - len(model[1])
        model[1] = np.append(model[1], self._random.standard_normal(new))
        difficulty = np.sqrt(ALIKE) * self._hard + np.sqrt(1 - ALIKE) * model[1]
        correct = difficulty <= norm.ppf(model[0])
        return {"label": self._label, "correct": correct, "naive_correct": self._label == 0}


class Season:
    """Windows of a series, and forecasts of them; by default errors last long."""

    def __init__(self, random, count: int, horizon: int = 12, persistence: float = 0.95):
        self._random, self.count, self._horizon = random, count, horizon
        self._persistence = persistence
        self._unknowable = _ahead(_shocks(random, count + horizon), count, horizon)
        self._naive = np.abs(self._unknowable + _wrong(random, count, horizon, 1.0, 0.9))

    def model(self, share: float) -> np.ndarray:
        """A forecast with this MAE relative to the naive one: its errors."""
        wrong = _wrong(self._random, self.count, self._horizon, OWN, self._persistence)
        return np.abs(self._unknowable + wrong) * share / RELATIVE

    def rows(self, model: np.ndarray) -> Rows:
        """What the model scores."""
        return _rows(model, self._naive, _every_half_hour(self.count))


def classifiers(random, rows: int, scores: tuple[float, float], seeds: int = 1) -> Sides:
    """Two classifiers of ten classes.

    scores: the accuracy of each, that of all requests there could be.
    seeds: of each side; where there are several their accuracies differ.
    """
    apart = SEEDS_APART * (seeds > 1)
    accuracies = [[one + apart * random.standard_normal() for _ in range(seeds)] for one in scores]
    return _sides(Split(random, rows), accuracies)


def rare(random, rows: int, scores: tuple[float, float]) -> Sides:
    """Two classifiers of which 3 % of the rows are positive, answered above a probability of 0.2.

    scores: by how many standard deviations each tells positive rows from the others.
    """
    label, hard = (random.random(rows) < RARE).astype(int), random.standard_normal(rows)
    ours, theirs = (_told_apart(random, label, hard, score) for score in scores)
    return [ours], [theirs]


def _told_apart(random, label: np.ndarray, hard: np.ndarray, apart: float) -> Rows:
    noise = np.sqrt(ALIKE) * hard + np.sqrt(1 - ALIKE) * random.standard_normal(len(label))
    odds = RARE / (1 - RARE) * np.exp(apart * (apart * label + noise) - apart**2 / 2)
    chance = odds / (1 + odds)
    return {
        "label": label,
        "probabilities": np.stack([1 - chance, chance], axis=1),
        "predicted": (chance > 0.2).astype(int),
        "correct": (chance > 0.2) == label,
        "naive_correct": label == 0,
        "prior": np.array([1 - RARE, RARE]),
        "positive": np.int64(1),
        "costs": np.array([[0.0, 1.0], [20.0, 0.0]]),
    }


def forecasters(
    random,
    windows: int,
    horizon: int,
    scores: tuple[float, float],
    seeds: int = 1,
    persistence: float = 0.7,
) -> Sides:
    """Two forecasts of a random walk with calm and agitated times, from every step on.

    scores: the MAE of each relative to the naive forecast, which misses a passing trend.
    persistence: how a misjudgement goes on from one window to the next.
    """
    apart = SEEDS_SCALE * (seeds > 1)
    shares = [
        [one * (1 + apart * random.standard_normal()) for _ in range(seeds)] for one in scores
    ]
    return _sides(Season(random, windows, horizon, persistence), shares)


def intervals(random, windows: int, **settings) -> Sides:
    """Two forecasts as of `forecasters`, with intervals from as many windows before the others."""
    ours, theirs = forecasters(random, windows=2 * windows, **settings)
    return [_graded(one, windows) for one in ours], [_graded(one, windows) for one in theirs]


def _graded(rows: Rows, windows: int) -> Rows:
    graded = {}
    for name, column in (("pinball", "error"), ("naive_pinball", "naive_error")):
        before, errors = rows[column][:windows], rows[column][windows:]
        radii = {level: np.quantile(before, level, axis=0) for level in metrics.COVERED}
        graded[name] = metrics.pinball(errors, radii)
    later = {name: column[windows:] for name, column in rows.items() if np.ndim(column)}
    return rows | later | graded


def _sides(split: Split | Season, scores: list[list[float]]) -> Sides:
    ours, theirs = ([split.rows(split.model(one)) for one in side] for side in scores)
    return ours, theirs


def panel(
    random, series: int, windows: int, horizon: int, scores: tuple[float, float], persistence: float
) -> Sides:
    """Two forecasts of several series that go up and down together, as five stocks do.

    A series has a window every `horizon` steps, and each series begins a step later.
    scores: as of `forecasters`, the naive forecast misjudging the future as they do.
    """
    steps, parts = windows * horizon, []
    common = _shocks(random, steps + horizon)
    for number in range(series):
        own = _shocks(random, steps + horizon)
        unknowable = _ahead((common + own) / np.sqrt(2), steps, horizon)
        wrong = (_wrong(random, steps, horizon, OWN, persistence) for _ in range(3))
        columns = (*(np.abs(unknowable + one) for one in wrong), _every_half_hour(steps))
        parts.append([one[number % horizon :: horizon] for one in columns])
    *errors, naive, time = (np.concatenate(column) for column in zip(*parts, strict=True))
    named = np.repeat(np.arange(series), windows)
    ours, theirs = (
        [_rows(share * error, naive, time, named)]
        for share, error in zip(scores, errors, strict=True)
    )
    return ours, theirs


def _rows(error: np.ndarray, naive: np.ndarray, time: np.ndarray, series=0) -> Rows:
    hour = (time - time.astype("datetime64[D]")) // np.timedelta64(1, "h")
    return {
        "error": error,
        "naive_error": naive,
        "time": time,
        "series": np.broadcast_to(series, len(time)),
        "season": hour // 6,
        "block": np.int64(error.shape[1]),
    }


def _every_half_hour(windows: int) -> np.ndarray:
    return np.datetime64("2026-01-01", "ns") + np.arange(windows) * np.timedelta64(30, "m")


def _shocks(random, steps: int) -> np.ndarray:
    """What is new at each step, (step,), larger in agitated times."""
    return random.standard_normal(steps) * np.exp(0.4 * _slow(random, steps, CALM))


def _ahead(shocks: np.ndarray, windows: int, horizon: int) -> np.ndarray:
    """What comes on top of the last value known, (window, step); of windows that overlap."""
    level = np.concatenate([[0], np.cumsum(shocks)])
    start = np.arange(windows)[:, None]
    return level[start + np.arange(1, horizon + 1)] - level[start]


def _wrong(random, windows: int, horizon: int, size: float, persistence: float) -> np.ndarray:
    """A misjudgement (window, step) that grows with the horizon as the unknown does."""
    return size * _slow(random, windows, persistence)[:, None] * np.sqrt(np.arange(1, horizon + 1))


def _slow(random, steps: int, persistence: float) -> np.ndarray:
    """A first-order autoregression of variance 1, (step,)."""
    from scipy.signal import lfilter

    new = random.standard_normal(steps) * np.sqrt(1 - persistence**2)
    new[0] /= np.sqrt(1 - persistence**2)
    return lfilter([1], [1, -persistence], new)
