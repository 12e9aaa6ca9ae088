"""From a history to a tensor of standard scores, and from a tensor to a forecast."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from models.inputs.answers import TOLERANCE
from models.inputs.errors import NUMBERS, InputError, shown

MAX_HISTORY = 10_000  # values in one request
MAX_SCALES = 1e6  # a value further from the training mean, in its deviations, is refused
LEVELS = 1000  # interval levels are kept in steps of one thousandth
FLATTEST = 1e-3  # of the training values' scale: no window's own is taken for less
# Past forecasts are graded over this many horizons, at up to so many steps of each.
HORIZONS, GRADED_STEPS = 10, 12
TRACKED, RATE = 0.7, 0.1  # the level of the interval that follows them, and how fast
CALIBRATING = 500  # validation windows on which following is calibrated, and how many at least
FEWEST = 99

Run = Callable[[np.ndarray], np.ndarray]


class Windows(NamedTuple):
    """Cut windows: `start` is the row of each history's first value."""

    start: np.ndarray  # int64 (window,)
    history: np.ndarray  # float64 (window, history), in the data's own unit
    target: np.ndarray  # float64 (window, horizon), in the data's own unit


@dataclass(frozen=True)
class SeriesInputs:
    """Histories at the regular interval to float32 (series, history) standard scores, and back.

    A forecast is of a request's last `history` values. Of one series they are scaled by the mean
    and deviation of its training split; of several each window by its own, since a request does not
    say whose it is, and an interval is as wide as its series is restless.

    Intervals are split-conformal (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random
    World, 2005; Lei et al., Distribution-Free Predictive Inference for Regression, JASA 2018): at
    each step of the horizon, the absolute residual that the wanted share of validation residuals
    does not exceed. A request of ten horizons more than `history` has intervals that follow its
    own past forecasts (`strain`).
    """

    kind = "series"

    history: int
    horizon: int
    mean: float
    scale: float
    # float32 (level, horizon): row i is the half-width at level (i + 1) / 1000, in scales. Without
    # rows before calibration.
    radii: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 0), np.float32), repr=False, compare=False
    )
    # As `radii`, to be multiplied by the strain; without rows where it was not calibrated.
    following: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 0), np.float32), repr=False, compare=False
    )
    by_window: bool = False

    @classmethod
    def fit(cls, values: np.ndarray, history: int, horizon: int) -> "SeriesInputs":
        """Take mean and scale from the training split's values, float64 (row,)."""
        scale = float(np.std(values))
        return cls(history, horizon, float(np.mean(values)), scale if scale > 0 else 1.0)

    @classmethod
    def fit_split(
        cls, split: Mapping[str, np.ndarray], facts: Mapping, parameters: Mapping
    ) -> "SeriesInputs":
        """Return inputs for a training split; no parameter of an architecture changes them."""
        fitted, series = (
            cls.fit(split["value"], facts["history"], facts["horizon"]),
            split["series"],
        )
        return replace(fitted, by_window=bool((series != series[:1]).any()))

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/forecast/` that the data decides."""
        return {"history": self.history, "horizon": self.horizon}

    def windows(self, split: Mapping[str, np.ndarray], stride: int = 1) -> Windows:
        """Cut every window that lies inside one segment and whose targets were all observed.

        Args:
            split: value, observed, segment (row,), consecutive inside a segment.
            stride: rows between the starts of neighbouring windows, counted in each segment.
        """
        start = self.window_starts(split, stride)
        rows = split["value"][start[:, None] + np.arange(self.history + self.horizon)]
        return Windows(start, rows[:, : self.history], rows[:, self.history :])

    def window_starts(self, split: Mapping[str, np.ndarray], stride: int = 1) -> np.ndarray:
        """Return the row of the first value of each of `windows`, int64 (window,)."""
        segment = split["segment"]
        span = self.history + self.horizon
        start = np.arange(max(len(segment) - span + 1, 0))
        unseen = np.concatenate([[0], np.cumsum(~split["observed"])])
        opens = np.flatnonzero(np.diff(segment, prepend=segment[:1] - 1))
        offset = start - opens[np.searchsorted(opens, start, side="right") - 1]
        return start[
            (segment[start] == segment[start + span - 1])
            & (unseen[start + span] == unseen[start + self.history])
            & (offset % stride == 0)
        ]

    def to_tensor(self, histories: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """Return float32 (series, history) standard scores of the last values of each history.

        Args:
            histories: lists of numbers, or float64 (series, value).

        Raises:
            InputError: not_a_series, history_too_short, history_too_long, invalid_value.
        """
        if not isinstance(histories, np.ndarray):
            histories = np.array([self._values(history) for history in histories], np.float64)
        return self.scaled(histories[:, -self.history :], histories)

    @property
    def reads(self) -> int:
        """How many values of a request matter: beyond `history` for an interval that follows."""
        return self._long if len(self.following) else self.history

    @property
    def _long(self) -> int:
        return self.history + HORIZONS * self.horizon

    def scaled(self, values: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """Return float32 standard scores of values in the data's own unit, (series, value)."""
        level, scale = self._frame(histories)
        return ((values - level) / scale).astype(np.float32)

    def unscaled(self, outputs: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """Return float64 values in the data's own unit."""
        level, scale = self._frame(histories)
        return np.asarray(outputs, np.float64) * scale + level

    def _frame(self, histories: np.ndarray) -> tuple[Any, Any]:
        """The level and the scale of each history: numbers, or float64 (series, 1)."""
        if not self.by_window:
            return self.mean, self.scale
        last = histories[:, -self.history :]
        own = last.std(axis=1, keepdims=True)
        return last.mean(axis=1, keepdims=True), np.maximum(own, FLATTEST * self.scale)

    def calibrated(self, outputs: np.ndarray, windows: Windows) -> "SeriesInputs":
        """Return a copy with intervals from validation windows.

        Args:
            outputs: the model's forecasts, standard scores (window, horizon).
            windows: histories and what came.
        """
        missed = np.abs(self.scaled(windows.target, windows.history) - outputs)
        # The k-th smallest of n residuals covers at least level p when k >= p (n + 1).
        ranks = _ranks(len(missed))
        return replace(self, radii=_sorted_rows(missed, ranks[ranks <= len(missed)]))

    def followed(self, run: Run, split: Mapping[str, np.ndarray], stride: int) -> "SeriesInputs":
        """Return a copy whose intervals follow a request's past forecasts, where the validation
        split has windows enough with what comes before them.

        Args:
            run: the model, from standard scores (series, history) to (series, horizon).
            split: the validation split.
            stride: rows between the starts of neighbouring windows.
        """
        windows = self.long_windows(split, stride)
        if len(windows.start) < FEWEST:
            return self
        missed, strain = self.missed(run, windows), self.strain(run, windows.history)
        ranks = np.minimum(_ranks(len(missed))[: len(self.radii)], len(missed))
        return replace(self, following=_sorted_rows(missed / strain, ranks))

    def long_windows(self, split: Mapping[str, np.ndarray], stride: int) -> Windows:
        """Return up to `CALIBRATING` windows of a split, their histories long enough to follow."""
        windows = replace(self, history=self._long).windows(split, stride)
        count = len(windows.start)
        few = np.linspace(0, count - 1, min(count, CALIBRATING)).astype(int)
        return Windows(*(column[few] for column in windows))

    def missed(self, run: Run, windows: Windows) -> np.ndarray:
        """Return by how much each step was missed, absolute standard scores (window, step)."""
        outputs = run(self.to_tensor(windows.history))
        return np.abs(self.scaled(windows.target, windows.history) - outputs)

    def strain(self, run: Run, histories: np.ndarray) -> np.ndarray:
        """Return how much wider than usual intervals must be to have held lately, (series, 1).

        The forecasts that the model would have made in the last horizons are graded in the order in
        which their targets came, and an interval of the level `TRACKED` is widened after a miss and
        narrowed else. Source: Gibbs and Candès, Adaptive Conformal Inference Under Distribution
        Shift, NeurIPS, 2021; in the form that tracks the width itself: Angelopoulos, Candès and
        Tibshirani, Conformal PID Control for Time Series Prediction, NeurIPS, 2023. Here it tracks
        the logarithm of the width, one for all steps of the horizon.

        Args:
            run: the model.
            histories: float64 (series, value), of the length of `long_windows`.
        """
        apart = math.ceil(self.horizon / GRADED_STEPS)  # of neighbouring forecasts, and of steps
        ahead = np.arange(apart, self.horizon + 1, apart)
        origin = np.arange(0, HORIZONS * self.horizon - apart + 1, apart)
        pasts = np.lib.stride_tricks.sliding_window_view(histories, self.history, axis=1)
        pasts = pasts[:, origin].reshape(-1, self.history)
        # Where each target is; of those still to come any value, which is not graded.
        place = np.minimum(self.history - 1 + origin[:, None] + ahead, histories.shape[1] - 1)
        targets = self.scaled(histories[:, place].reshape(len(pasts), -1), pasts)
        missed = np.abs(run(self.to_tensor(pasts))[:, ahead - 1] - targets)
        usual = np.maximum(self.radii[self._row(TRACKED)][ahead - 1], np.finfo(np.float32).tiny)
        with np.errstate(divide="ignore"):
            ratio = np.log(missed / usual).reshape(len(histories), len(origin), len(ahead))
        steps = np.arange(len(ahead))
        last = np.arange(len(ahead) - 1, len(origin))[:, None]  # whose first target comes
        width = np.zeros(len(histories))
        for scores in ratio[:, last - steps, steps].swapaxes(0, 1):
            over = (scores > width[:, None]).sum(axis=1) / len(ahead)
            width += RATE * (over - 1 + TRACKED)
        return np.exp(width)[:, None]

    def check_options(self, horizon: Any = None, level: Any = None) -> tuple[int, float]:
        """Return the steps and the level to answer with; None takes the model's own, and 0.95.

        Raises InputError: invalid_horizon, invalid_level.
        """
        highest = len(self.radii) / LEVELS
        horizon = self.horizon if horizon is None else horizon
        level = min(0.95, highest) if level is None else level
        if type(horizon) is not int or not 1 <= horizon <= self.horizon:
            message = f"horizon must be a whole number from 1 to {self.horizon}"
            raise InputError("invalid_horizon", f"{message}, not {shown(horizon)}.")
        if not (type(level) in NUMBERS and 1 / LEVELS <= level <= highest):
            message = f"level must be a number from {1 / LEVELS} to {highest}"
            raise InputError("invalid_level", f"{message}, not {shown(level)}.")
        return horizon, float(level)

    def to_answers(
        self,
        outputs: np.ndarray,
        histories: np.ndarray,
        strain: np.ndarray | None = None,
        horizon: Any = None,
        level: Any = None,
    ) -> list[dict]:
        """Turn forecasts (series, horizon) into `{"forecast", "lower", "upper", "level"}` each.

        Args:
            histories: of the requests, float64 (series, value): the last `history` of each count.
            strain: of each request that is long enough (series, 1), else NaN.
            horizon: steps wanted, 1 up to the model's.
            level: share of targets the interval holds.

        Raises:
            InputError: invalid_horizon, invalid_level.
        """
        horizon, level = self.check_options(horizon, level)
        if outputs.shape[1] != self.horizon:
            raise ValueError(f"The model foresees {outputs.shape[1]} steps, not {self.horizon}.")
        forecast = self.unscaled(outputs, histories)[:, :horizon]
        radius = np.broadcast_to(self.radius(level, histories, strain)[:, :horizon], forecast.shape)
        columns = zip(
            forecast.tolist(), (forecast - radius).tolist(), (forecast + radius).tolist(),
            strict=True,
        )  # fmt: skip
        return [
            {"forecast": middle, "lower": lower, "upper": upper, "level": level}
            for middle, lower, upper in columns
        ]

    def answers(self, run: Run, rows: Any, outputs: np.ndarray, **options: Any) -> list[dict]:
        """Return the answer to each request, whose interval follows its past where it is long.

        Args:
            run: the model.
            rows: histories, as `to_tensor` takes them.
            outputs: what the model said of them.
            options: horizon, level.

        Raises:
            InputError: invalid_horizon, invalid_level.
        """
        self.check_options(**options)
        last = np.array([row[-self.history :] for row in rows], np.float64)
        strain = np.full((len(rows), 1), np.nan)
        long = [number for number, row in enumerate(rows) if len(row) >= self._long]
        if long and len(self.following):
            pasts = np.array([rows[number][-self._long :] for number in long], np.float64)
            strain[long] = self.strain(run, pasts)
        return self.to_answers(outputs, last, strain, **options)

    def radius(
        self, level: float, histories: np.ndarray, strain: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the interval's half-width at each step, in the data's own unit.

        It is (1, horizon), or (series, horizon) where the series differ.
        strain: of each series (series, 1); where it is NaN, or none is given, it does not matter.
        """
        return self.scaled_radius(level, strain) * self._frame(histories)[1]

    def scaled_radius(self, level: float, strain: np.ndarray | None = None) -> np.ndarray:
        """Return the interval's half-width at each step in standard scores, as `radius`."""
        row = self._row(level)
        usual = self.radii[None, row].astype(np.float64)
        if strain is None or not len(self.following):
            return usual
        return np.where(np.isnan(strain), usual, self.following[row] * strain)

    def _row(self, level: float) -> int:
        """The row of a level in `radii`."""
        # Between two kept levels the wider one is taken: the promise is "at least".
        return min(math.ceil(level * LEVELS - 1e-9), len(self.radii)) - 1

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal, in scaled values: docs/architecture.md."""
        keys = ("forecast", "lower", "upper")
        if expected["level"] != answer["level"]:
            return False
        if any(len(expected[key]) != len(answer[key]) for key in keys):
            return False
        off = [np.subtract(expected[key], answer[key]) for key in keys]
        return bool(np.max(np.abs(off)) <= TOLERANCE * self.scale)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        fields = {"kind": self.kind, "mean": self.mean, "scale": self.scale} | self.sizes()
        if self.by_window:  # not in those of before
            fields["by_window"] = True
        arrays = {"radii": self.radii, "following": self.following}
        return fields, {name: array for name, array in arrays.items() if len(array)}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]) -> "SeriesInputs":
        names = ("history", "horizon", "mean", "scale", "by_window")
        known = {name: fields[name] for name in names if name in fields}
        return cls(**known, **dict[str, Any](arrays))

    def _values(self, history: Any) -> Sequence[float]:
        """Check one request's history and return its last values."""
        if not isinstance(history, list | tuple):
            message = f"history must be a list of numbers, not {shown(history)}."
            raise InputError("not_a_series", message)
        if len(history) < self.history:
            message = f"history has {len(history)} values; at least {self.history} are needed."
            raise InputError("history_too_short", message)
        if len(history) > MAX_HISTORY:
            message = f"history has {len(history):,} values; at most {MAX_HISTORY:,} are allowed."
            raise InputError("history_too_long", message)
        low, high = self.mean - MAX_SCALES * self.scale, self.mean + MAX_SCALES * self.scale
        for number, value in enumerate(history):
            # NaN is not between any two numbers, and no integer is too long to be compared.
            if not (type(value) in NUMBERS and low <= value <= high):
                message = (
                    f"history must hold finite numbers from {low:.6g} to {high:.6g}; "
                    f"value {number + 1} is {shown(value)}."
                )
                raise InputError("invalid_value", message)
        return history[-self.history :]


def _ranks(count: int) -> np.ndarray:
    """Which of `count` sorted residuals covers at least each level, from 1 on, int (level,)."""
    return np.ceil(np.arange(1, LEVELS) / LEVELS * (count + 1) - 1e-9).astype(int)


def _sorted_rows(missed: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Of each step the residuals of these ranks, float32 (rank, step)."""
    return np.sort(missed, axis=0)[ranks - 1].astype(np.float32)
