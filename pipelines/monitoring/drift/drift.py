"""Whether what a champion is asked, and what it answers, has left what its held-out rows showed.

All is computed anew from the request log, and nothing is kept: whoever looks later sees the same.
Why one may look as often as one likes says `evidence`, what counts as the same `tolerance`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.experiments import registry
from pipelines.monitoring.drift import alarms, evidence, references, signals, tolerance
from pipelines.monitoring.drift.alarms import Alarm
from pipelines.monitoring.drift.signals import Values
from pipelines.monitoring.drift.tolerance import Watched

if TYPE_CHECKING:
    import pyarrow

ALPHA = 0.01  # the chance of an alarm, ever, while every signal stays inside its tolerance
UNNAMED = (
    "its forecasts come in order and do not name their series, so that each says again what the "
    "one before has said: send `series` and `time` with them"
)
MOST = 1e6  # evidence that is told of


@dataclass(frozen=True)
class Drift:
    """What the requests to a champion say.

    requests: those of the champion that were read; looked: how many, in whole hundreds, were
    tested (`signals.independent`). since: when the first one was answered: ISO, UTC. evidence: the
    largest that there was, of which 1 / `ALPHA` is an alarm, up to a million; signals: that of each
    one alone.
    unknown: why nothing can be said; None where it can.
    """

    task: str
    dataset: str
    version: str | None
    requests: int = 0
    looked: int = 0
    since: str | None = None
    evidence: float = 0.0
    signals: Mapping[str, float] = field(default_factory=dict)
    alarms: Sequence[Alarm] = ()
    unknown: str | None = None

    @property
    def drifted(self) -> str | None:
        """One sentence; None where there was no alarm."""
        if not self.alarms:
            return None
        more = len(self.alarms) - 1
        others = f", and {more} more signal{'s' * (more > 1)} moved" if more else ""
        return f"{self.alarms[0].says}{others}"

    def to_dict(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return asdict(self) | {"drifted": self.drifted}


@dataclass(frozen=True)
class Bets:
    """What the bets on a champion's signals came to: see `evidence`.

    watched: the signals. each: their capitals and gains. apart: the logarithm of each one's mean
    capital after each look, (signal, look). together: that of all, (look,).
    """

    watched: Sequence[Watched]
    each: Sequence[tuple[np.ndarray, np.ndarray]]
    apart: np.ndarray
    together: np.ndarray

    @property
    def noticed(self) -> int | None:
        """The first look at which the evidence was enough."""
        over = self.together >= -np.log(ALPHA)
        return int(over.argmax()) if over.any() else None

    def moved(self) -> dict[int, int]:
        """Signal → the look at which it was noticed: the first, and those that alone would be
        evidence enough for an alarm."""
        if self.noticed is None:
            return {}
        enough = np.log(len(self.watched) / ALPHA)
        moved = {int(self.apart[:, self.noticed].argmax()): self.noticed}
        for place in np.argsort(-self.apart.max(axis=1), kind="stable").tolist():
            if self.apart[place].max() >= enough:
                moved.setdefault(place, int((self.apart[place] >= enough).argmax()))
        return moved


def of(task: str, dataset: str, champion: registry.Version | None, asked: "pyarrow.Table") -> Drift:
    """Test the requests that the champion has answered.

    Args:
        task, dataset: whose champion.
        champion: None where there is none.
        asked: the records of its model by time, also of what it refused: `Answers.asked`.
    """
    from pyarrow import compute

    if champion is None:
        return Drift(task, dataset, None, unknown=f"{dataset} has no champion")
    try:
        inputs, held_out = references.of(task, dataset, champion)
    except references.NoReference as error:
        return Drift(task, dataset, champion.version, unknown=str(error))
    own = compute.equal(asked["version"], champion.version)
    answered = asked if compute.all(own).as_py() else asked.filter(own)  # without a copy
    table = signals.independent(inputs, answered)
    looked = len(table) // evidence.LOOK * evidence.LOOK
    drift = Drift(task, dataset, champion.version, len(answered), looked)
    if looked:
        return _tested(drift, inputs, watch(inputs, held_out), table)
    is_unnamed = inputs.kind == "series" and signals.in_order(answered)
    return replace(drift, unknown=UNNAMED if is_unnamed else None)


def watch(inputs: Any, held_out: "pyarrow.Table") -> list[Watched]:
    """Return what is watched of a champion, by its held-out rows.

    Args:
        inputs: of the champion.
        held_out: a record for each row.
    """
    known, labels = signals.read(inputs, held_out), len(getattr(inputs, "labels", ()))
    return watch_values(inputs.kind, known, labels)


def watch_values(kind: str, known: Mapping[str, Values], labels: int) -> list[Watched]:
    """Return what is watched, by the values of held-out rows in their order; see `watch`."""
    made = (
        tolerance.watch(signal, known[signal.name], labels, kind == "series")
        for signal in signals.SIGNALS[kind]
    )
    return [one for one in made if one is not None]


def bet(watched: Sequence[Watched], values: Mapping[str, Values], count: int) -> Bets:
    """Bet on every signal of the first `count` requests."""
    each = [
        evidence.capitals(one.tolerated, one.counts(values[one.signal.name], count, evidence.LOOK))
        for one in watched
    ]
    capitals = [one for one, _ in each]
    apart = np.array([evidence.mean(one) for one in capitals])
    return Bets(watched, each, apart, evidence.together(capitals))


def _tested(drift: Drift, inputs: Any, watched: Sequence[Watched], table: "pyarrow.Table") -> Drift:
    values, labels = signals.read(inputs, table), getattr(inputs, "labels", ())
    bets = bet(watched, values, drift.looked)
    raised = [
        alarms.alarm(one, values[one.signal.name], bets.each[place], look, table, labels)
        for place, look in bets.moved().items()
        for one in [watched[place]]
    ]
    most = np.array([bets.together.max(), *bets.apart.max(axis=1)])
    most = np.exp(np.minimum(most, np.log(MOST)))
    names = [one.signal.name for one in watched]
    return replace(
        drift,
        since=alarms.moment(table, 0),
        evidence=float(most[0]),
        signals=dict(zip(names, most[1:].tolist(), strict=True)),
        alarms=raised,
    )
