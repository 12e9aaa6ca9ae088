"""What an alarm says: which signal moved, from what to what, since when, and five examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from pipelines.monitoring.drift import evidence
from pipelines.monitoring.drift.signals import CLASS, RANK, Values
from pipelines.monitoring.drift.tolerance import CLASSES, TAIL, Watched

if TYPE_CHECKING:
    import pyarrow

EXAMPLES = 5
ENOUGH = np.log(100)  # of a score's capital, for a sentence about it
QUARTERS = (0.25, 0.5, 0.75)
SPREAD, LOW_TAIL = 1, 2  # places among the scores of a rank


@dataclass(frozen=True)
class Alarm:
    """A signal that has left its tolerance.

    says: what moved, from what to what, since when. before, after: of the held-out rows and of the
    requests since, the quartiles of a number, or a share alone. since: when the first request after
    the change was answered; noticed: the last one before the alarm; ISO, UTC. requests: how many
    had been by then. examples: request ids, those that moved furthest, the newest first.
    """

    signal: str
    says: str
    before: list[float]
    after: list[float]
    since: str
    noticed: str
    requests: int
    examples: list[str]


def moment(table: "pyarrow.Table", request: int) -> str:
    """When a request was answered: ISO, UTC."""
    answered = datetime.fromtimestamp(table["time"][request].as_py() / 1e6, UTC)
    return answered.isoformat(timespec="seconds")


def alarm(
    watched: Watched,
    values: Values,
    bets: tuple[np.ndarray, np.ndarray],
    look: int,
    table: "pyarrow.Table",
    labels: Sequence[str],
) -> Alarm:
    """Put an alarm into words.

    Args:
        watched: the signal.
        values: of the requests.
        bets: what `evidence.capitals` returned of them.
        look: the one at which it was noticed.
        table: the requests' records, by time.
        labels: of the model.
    """
    capitals, gains = bets
    score, side, stake = _best(capitals[look])
    first = evidence.began(gains[:, score, side, stake], look) * evidence.LOOK
    since = values.of(slice(first, len(table)))
    before, after = (_shown(watched, one, score) for one in (watched.reference, since))
    began, seen = moment(table, first), (look + 1) * evidence.LOOK
    says = (
        f"{_moved(watched, before, after, score, labels)} since {began[:16].replace('T', ' ')} UTC"
    )
    examples = _furthest(watched, since, score, side)
    ids = [table["request_id"][request].as_py() for request in examples]
    noticed = moment(table, seen - 1)
    return Alarm(watched.signal.name, says, before, after, began, noticed, seen, ids)


def _best(capitals: np.ndarray) -> tuple[int, int, int]:
    """The score, side and stake that won most: of the first score that alone says enough, which is
    the plainest, else of all. capitals: logarithms."""
    most = capitals.max(axis=(1, 2))
    over = most >= min(ENOUGH, most.max())
    score = int(over.argmax())
    side, stake = np.unravel_index(capitals[score].argmax(), capitals[score].shape)
    return score, int(side), int(stake)


def _shown(watched: Watched, values: Values, score: int) -> list[float]:
    """The quartiles of a number; the share of what is counted."""
    if watched.signal.kind == RANK and score <= SPREAD:
        return np.quantile(values.value, QUARTERS).tolist()
    counted = watched.tolerated.scores[score][watched.bins(values.value)]
    return [float(np.average(counted, weights=values.weight))]


def _moved(
    watched: Watched, before: list[float], after: list[float], score: int, labels: Sequence[str]
) -> str:
    words = watched.signal.words
    if watched.signal.kind == RANK and score == 0:
        return f"the median of {words} went from {_number(before[1])} to {_number(after[1])}"
    if watched.signal.kind == RANK and score == SPREAD:
        ends = (f"{_number(one[0])}–{_number(one[2])}" for one in (before, after))
        return f"the middle half of {words} went from {' to '.join(ends)}"
    if watched.signal.kind == RANK:
        end = np.quantile(watched.reference.value, TAIL if score == LOW_TAIL else 1 - TAIL)
        words = f"inputs with {words} {'below' if score == LOW_TAIL else 'above'} {_number(end)}"
    if watched.signal.kind == CLASS:
        is_rest = score == CLASSES - 1 < len(labels) - 1
        words = f"{words} {'of any other label' if is_rest else repr(labels[score])}"
    return f"{words} went from {before[0]:.1%} to {after[0]:.1%}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _furthest(watched: Watched, values: Values, score: int, side: int) -> list[int]:
    """The requests of the most extreme inputs; of equal ones the newest."""
    scores = watched.tolerated.scores[score][watched.bins(values.value)]
    order = np.lexsort([-values.request, scores if side else -scores])
    return list(dict.fromkeys(values.request[order].tolist()))[:EXAMPLES]
