"""From a history to a tensor of standard scores, and from a tensor to a forecast."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from models.inputs.answers import TOLERANCE
from models.inputs.errors import NUMBERS, InputError, shown

MAX_HISTORY = 10_000  # values in one request
MAX_SCALES = 1e6  # a value further from the training mean, in its deviations, is refused
LEVELS = 1000  # interval levels are kept in steps of one thousandth


class Windows(NamedTuple):
    """Cut windows: `start` is the row of each history's first value."""

    start: np.ndarray  # int64 (window,)
    history: np.ndarray  # float64 (window, history), in the data's own unit
    target: np.ndarray  # float64 (window, horizon), in the data's own unit


@dataclass(frozen=True)
class SeriesInputs:
    """Histories at the regular interval to float32 (series, history) standard scores, and back.

    A request's last `history` values count. Intervals are split-conformal (Vovk, Gammerman and
    Shafer, Algorithmic Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive
    Inference for Regression, JASA 2018): at each step of the horizon, the absolute residual that
    the wanted share of validation residuals does not exceed.
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
        return cls.fit(split["value"], facts["history"], facts["horizon"])

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
        return self.scaled(histories[:, -self.history :])

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Return float32 standard scores of values in the data's own unit."""
        return ((values - self.mean) / self.scale).astype(np.float32)

    def unscaled(self, outputs: np.ndarray) -> np.ndarray:
        """Return float64 values in the data's own unit."""
        return np.asarray(outputs, np.float64) * self.scale + self.mean

    def calibrated(self, outputs: np.ndarray, targets: np.ndarray) -> "SeriesInputs":
        """Return a copy with intervals from validation windows.

        Args:
            outputs: the model's forecasts, standard scores (window, horizon).
            targets: what came, in the data's own unit (window, horizon).
        """
        residuals = np.sort(np.abs(self.scaled(targets) - outputs), axis=0)
        # The k-th smallest of n residuals covers at least level p when k >= p (n + 1).
        levels = np.arange(1, LEVELS) / LEVELS
        ranks = np.ceil(levels * (len(residuals) + 1) - 1e-9).astype(int)
        ranks = ranks[ranks <= len(residuals)]
        return replace(self, radii=residuals[ranks - 1].astype(np.float32))

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

    def to_answers(self, outputs: np.ndarray, horizon: Any = None, level: Any = None) -> list[dict]:
        """Turn forecasts (series, horizon) into `{"forecast", "lower", "upper", "level"}` each.

        Args:
            horizon: steps wanted, 1 up to the model's.
            level: share of targets the interval holds.

        Raises:
            InputError: invalid_horizon, invalid_level.
        """
        horizon, level = self.check_options(horizon, level)
        if outputs.shape[1] != self.horizon:
            raise ValueError(f"The model foresees {outputs.shape[1]} steps, not {self.horizon}.")
        forecast = self.unscaled(outputs[:, :horizon])
        radius = self.radius(level)[:horizon]
        columns = zip(
            forecast.tolist(), (forecast - radius).tolist(), (forecast + radius).tolist(),
            strict=True,
        )  # fmt: skip
        return [
            {"forecast": middle, "lower": lower, "upper": upper, "level": level}
            for middle, lower, upper in columns
        ]

    def radius(self, level: float) -> np.ndarray:
        """Return the interval's half-width at each step, in the data's own unit (horizon,)."""
        # Between two kept levels the wider one is taken: the promise is "at least".
        return self.radii[math.ceil(level * LEVELS - 1e-9) - 1] * self.scale

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as design.md defines it: in scaled values."""
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
        return fields, {"radii": self.radii} if len(self.radii) else {}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]) -> "SeriesInputs":
        numbers = (fields[name] for name in ("history", "horizon", "mean", "scale"))
        return cls(*numbers, **dict[str, Any](arrays))

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
