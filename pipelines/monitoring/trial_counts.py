"""What the requests of a trial showed: counted in the records that a look keeps of the log."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.monitoring import feedback
from pipelines.promotion import ledger

if TYPE_CHECKING:
    import pyarrow

COMPARED = ("label", "forecast")  # with what came back
MEANS = ("forecast_mean", "challenger.forecast_mean")
PREFIX = {1: "", 2: "challenger."}  # of the columns of an answer; see `Tried`
Labels = Mapping[str, Any]  # request id → a label, or a list of them; values, of a forecast


@dataclass
class Counts:
    """What the requests of a trial showed.

    seen: records of the model, whoever answered. answered: requests that the challenger answered.
    failed: the error of each that it alone failed. differing, both: requests that both answered,
    and those on which they differ. better, worse: labelled ones on which the challenger is nearer
    to the label, or further. ours, theirs: whether the challenger was wrong on what it alone
    answered, and the champion, in the order of time.
    """

    seen: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    differing: int = 0
    both: int = 0
    better: int = 0
    worse: int = 0
    same: int = 0
    ours: list[bool] = field(default_factory=list)
    theirs: list[bool] = field(default_factory=list)


def count(
    began: ledger.Entry, asked: "pyarrow.Table", wanted: "pyarrow.Table", labels: Labels
) -> Counts:
    """What the records of a trial show.

    Args:
        began: the ledger's entry.
        asked, wanted: `Answers.asked` of the model, and `Answers.wanted`.
        labels: by request id.
    """
    from pyarrow import compute

    terms: Any = began.evidence
    tried = _tried(began, asked.select(feedback.OF_TRIALS))
    both = (tried.ours > 0) & (tried.theirs > 0)
    counts = Counts(
        seen=tried.seen,
        answered=int((tried.ours > 0).sum()),
        failed=tried.failed,
        differing=_differing(tried, both, (terms["differing"] or {}).get("beyond")),
        both=int(both.sum()),
    )
    labelled = _tried(began, wanted.filter(compute.equal(wanted["model"], began.model)))
    columns = [f"{prefix}{name}" for prefix in PREFIX.values() for name in COMPARED]
    records = labelled.rows.select(["request_id", *columns]).to_pylist()
    by_place = zip(records, labelled.ours.tolist(), labelled.theirs.tolist(), strict=True)
    for record, ours, theirs in reversed(list(by_place)):  # the oldest first
        _compare(counts, _side(record, ours), _side(record, theirs), labels[record["request_id"]])
    return counts


@dataclass(frozen=True)
class Tried:
    """The answers of a trial.

    seen: all records. failed: the error of each request that the challenger alone failed. rows: the
    other records that hold an answer of either. ours, theirs: where the challenger's stands in each
    of them, and the champion's: 2 for `challenger`, 1 for the record itself, 0 for nowhere.
    """

    seen: int
    failed: list[str]
    rows: "pyarrow.Table"
    ours: np.ndarray
    theirs: np.ndarray


def _tried(began: ledger.Entry, records: "pyarrow.Table") -> Tried:
    from pyarrow import compute

    start = int(datetime.fromisoformat(began.at).timestamp() * 1e6)
    since = compute.greater_equal(records["time"], start).to_numpy()
    ours, theirs = (_place(records, one) for one in (began.to_version, began.from_version))
    answered = since & (records["status"].to_numpy() == 200) & ((ours > 0) | (theirs > 0))
    second = compute.fill_null(records["challenger.status"], 0).to_numpy()
    failed = answered & (ours == 2) & (second != 200)
    kept = answered & ~failed
    errors = records["challenger.error"].filter(failed).to_pylist()
    return Tried(int(since.sum()), errors, records.filter(kept), ours[kept], theirs[kept])


def _place(records: "pyarrow.Table", version: str | None) -> np.ndarray:
    """See `Tried`. The second answer first: a canary that answered may be called too slow there."""
    from pyarrow import compute

    second, first = (
        compute.fill_null(compute.equal(records[name], version), False).to_numpy()
        for name in ("challenger.version", "version")
    )
    return np.where(second, 2, np.where(first, 1, 0))


def _side(record: Mapping[str, Any], place: int) -> dict[str, Any] | None:
    """One of the two answers of a record; see `Tried`."""
    if not place:
        return None
    answer = {name: record[f"{PREFIX[place]}{name}"] for name in COMPARED}
    return {name: value for name, value in answer.items() if value is not None}


def _compare(counts: Counts, challenger: Any, champion: Any, label: Any) -> None:
    """Count who was right about one labelled request."""
    errors = [None if one is None else error(one, label) for one in (challenger, champion)]
    match errors:
        case [float() as ours, float() as theirs]:
            counts.better += ours < theirs
            counts.worse += ours > theirs
            counts.same += ours == theirs
        case [float() as ours, None] if "label" in challenger:
            counts.ours.append(ours > 0)
        case [None, float() as theirs] if "label" in champion:
            counts.theirs.append(theirs > 0)


def error(answer: Mapping[str, Any], label: Any) -> float | None:
    """How far an answer on record is from the label: the share of wrong classes, or the mean
    absolute error of the forecast; None where they do not go together."""
    if "label" in answer:
        right = label if isinstance(label, list) else [label]
        words = all(isinstance(one, str) for one in right)
        if not words or len(right) != len(answer["label"]):
            return None
        wrong = [one != other for one, other in zip(answer["label"], right, strict=True)]
        return sum(wrong) / len(wrong)
    forecast = answer.get("forecast")
    if not forecast or not isinstance(label, list):
        return None
    apart = [
        abs(one - other)
        for one, other in zip(forecast, label, strict=False)
        if isinstance(other, int | float)  # null where no value came
    ]
    return math.fsum(apart) / len(apart) if apart else None


def _differing(tried: Tried, both: np.ndarray, beyond: float | None) -> int:
    """How many of these requests got two answers that differ: another class; of forecasts, more
    than `beyond` apart on average."""
    from pyarrow import compute

    rows, champion_first = tried.rows, tried.theirs[both] == 1
    labels = [rows[name].filter(both).combine_chunks() for name in ("label", "challenger.label")]
    has_label = [compute.is_valid(one).to_numpy(zero_copy_only=False) for one in labels]
    classes = np.where(champion_first, *has_label)
    differing = classes & _unequal(*labels)
    if beyond is not None:
        means = (rows[name].to_numpy()[both] for name in MEANS)
        differing |= ~classes & (np.abs(np.subtract(*means)) > beyond)  # not where one is missing
    return int(differing.sum())


def _unequal(ones: "pyarrow.ListArray", others: "pyarrow.ListArray") -> np.ndarray:
    """Whether lists of words differ, bool (list,)."""
    from pyarrow import compute

    lengths = [
        compute.fill_null(compute.list_value_length(one), -1).to_numpy() for one in (ones, others)
    ]
    unequal = lengths[0] != lengths[1]
    alike = [one.filter(~unequal) for one in (ones, others)]
    items = compute.not_equal(*(compute.list_flatten(one) for one in alike))
    places = compute.list_parent_indices(alike[0]).filter(items).to_numpy()
    unequal[np.flatnonzero(~unequal)[places]] = True
    return unequal
