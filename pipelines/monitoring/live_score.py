"""How good a champion is on what was labelled, beside what it promised on the test split.

    espalier monitor --task image

The score of classes is their accuracy; of forecasts it is the mean absolute error relative to the
best naive forecast, as the gate has it. Whether a champion is below its promise is decided by
`pipelines/monitoring/sequential_test.py` on every label that there is, in the order in which they
came: of forecasts a mistake is one that is further off than the naive one, and of forecasts of one
series that share steps the first is taken.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation import measure
from models.evaluation.metrics import ACCURACY, MAE
from pipelines.experiments import registry
from pipelines.monitoring import feedback, forecasts, promise, sequential_test
from pipelines.monitoring.feedback import Answers, Matched
from pipelines.monitoring.forecasts import Graded
from pipelines.monitoring.promise import Promise, Score
from pipelines.monitoring.sequential_test import Finding
from pipelines.runtime import settings

if TYPE_CHECKING:
    import pyarrow

BINS = 8  # of time
PARTS = 20  # of a slice that are listed: the most frequent ones
FAMILIAR = {True: "familiar", False: "unfamiliar"}
KINDS = {"label": "truth", "familiar": "familiar", "client": "client"}


@dataclass(frozen=True)
class LiveScore:
    """What is known of one version.

    requests: answers since the time asked for. labelled: how many of its answers were labelled, or
    forecasts graded, at any time. metric: accuracy or relative_mae. score: of those since the time
    asked for; None where there is none. promised: on the test split, and promised_rows how many
    rows, or windows that share no step, that is of. covered: the share of values that the intervals
    held, level what they promised. mistakes, counted: what the verdict is of. evidence: against the
    promise; from 100 on it is broken. below: says so in a sentence; None where it is not. since:
    the time from which on it is, most likely. bins: over time. slices: kind → parts. foreign:
    labels that the model does not know, which are not counted.
    """

    task: str
    dataset: str
    version: str
    champion: bool
    requests: int
    labelled: int
    metric: str
    score: Score | None = None
    promised: Score | None = None
    promised_rows: int | None = None
    covered: float | None = None
    level: float | None = None
    promised_coverage: float | None = None
    mistakes: int = 0
    counted: int = 0
    evidence: float = 1.0
    below: str | None = None
    since: str | None = None
    bins: Sequence[Score] = ()
    slices: dict[str, Sequence[Score]] | None = None
    foreign: int = 0

    def to_dict(self) -> dict:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Monitored:
    """The live scores, what became of the labels, and what was kept of the log.

    labels: stored; matched; unknown, of no request in the log; unusable, for another kind of answer
    or without the index that it needs; foreign, of a class that the model does not know.
    """

    scores: Sequence[LiveScore]
    labels: dict[str, int]
    answers: Answers

    def champion(self, task: str, dataset: str) -> LiveScore | None:
        """The live score of a dataset's champion; None where there is no champion."""
        ours = (one for one in self.scores if (one.task, one.dataset) == (task, dataset))
        return next((one for one in ours if one.champion), None)

    def to_dict(self) -> dict:
        """As JSON."""
        return {"scores": [one.to_dict() for one in self.scores], "labels": self.labels}


def monitored(
    task: str | None = None, dataset: str | None = None, since: datetime | None = None
) -> Monitored:
    """Read log and labels once, and score each version that answered, and the champions.

    Args:
        task, dataset: whose; None: of all that is served or in the log.
        since: The earliest answer that is scored; verdicts are of all labels that are kept.
    """
    tasks = settings.TASKS if task is None else [task]
    answers = feedback.answers(feedback.stored(), tasks, dataset)
    matched = feedback.match(answers)
    counts = _counts(answers, since)
    scored = [
        one
        for name in _models(task, dataset, counts)
        for one in _scores(name, answers, counts.get(name, {}), matched, since)
    ]
    unusable = int(matched.unusable.sum())
    return Monitored(
        scored,
        {
            "stored": len(answers.labels),
            "matched": int((~matched.unknown).sum()) - unusable,
            "unknown": int(matched.unknown.sum()),
            "unusable": unusable,
            "foreign": sum(one.foreign for one in scored),
        },
        answers,
    )


def _counts(answers: Answers, since: datetime | None) -> dict[str, dict[str, int]]:
    """Model → version → how many answers it gave since then."""
    from pyarrow import compute

    counts = {}
    for name, asked in answers.asked.items():
        recent = compute.greater_equal(asked["time"], _microseconds(since))
        answered = compute.and_(recent, compute.equal(asked["status"], 200))
        found = asked["version"].filter(answered).value_counts().to_pylist()
        if found:
            counts[name] = {one["values"]: one["counts"] for one in found}
    return counts


def _models(task: str | None, dataset: str | None, logged: Iterable[str]) -> list[str]:
    """The registered models that are meant, those that are served first."""
    served = [registry.model_name(*of) for of in settings.endpoints().values()]
    if task is not None and dataset is not None:
        served.append(registry.model_name(task, dataset))
    return [
        name
        for name in dict.fromkeys([*served, *sorted(logged)])
        if task in (None, name.split("-")[1]) and dataset in (None, name.split("-", 2)[2])
    ]


def _scores(
    name: str,
    answers: Answers,
    counts: Mapping[str, int],
    matched: Matched,
    since: datetime | None,
) -> list[LiveScore]:
    _, task, dataset = name.split("-", 2)
    current = registry.recorded_champion(task, dataset)
    kept = [feedback.only(table, "model", name) for table in (matched.classes, matched.forecasts)]
    named = feedback.only(answers.named, "model", name)
    versions = {one for table in (*kept, named) for one in table["version"].unique().to_pylist()}
    versions |= {*counts, *([current.version] if current else [])}
    scored = []
    for version in sorted(versions, key=lambda number: (len(number), number), reverse=True):
        classes, grades = (feedback.only(table, "version", version) for table in kept)
        begun = LiveScore(
            task,
            dataset,
            version,
            bool(current and current.version == version),
            counts.get(version, 0),
            0,
            (MAE if task == "forecast" else ACCURACY).name,
        )
        promised = promise.of(task, dataset, version)
        if task == "forecast":
            scored.append(_of_forecasts(begun, promised, grades, named, since))
        else:
            scored.append(_of_classes(begun, promised, classes, since))
    return sorted(scored, key=lambda one: not one.champion)


def _of_classes(
    begun: LiveScore, promised: Promise | None, labelled: "pyarrow.Table", since: datetime | None
) -> LiveScore:
    import pyarrow
    from pyarrow import compute

    everything = len(labelled)
    if promised:
        own = compute.is_in(labelled["truth"], value_set=pyarrow.array(promised.labels))
        labelled = labelled.filter(own)
    right = compute.equal(labelled["truth"], labelled["predicted"]).to_numpy()
    time = labelled["time"].to_numpy()
    shown = time >= _microseconds(since)
    live = replace(begun, labelled=len(right), foreign=everything - len(right))
    if not len(right):
        return _beside(live, promised)
    score = partial(_share, right, shown)
    live = replace(
        live,
        score=score("all", np.ones(len(right), bool)) if shown.any() else None,
        bins=_bins(time, shown, score),
        slices=_slices(labelled, shown, score, promised),
    )
    order = compute.sort_indices(
        labelled, [("label_time", "ascending"), ("time", "ascending")]
    ).to_numpy()
    return _beside(live, promised, ~right[order], time[order])


def _of_forecasts(
    begun: LiveScore,
    promised: Promise | None,
    labelled: "pyarrow.Table",
    named: "pyarrow.Table",
    since: datetime | None,
) -> LiveScore:
    import pyarrow
    from pyarrow import compute

    if promised is None:  # the naive forecast that it is relative to is not known
        return begun
    season = int(settings.declared(begun.dataset).get("season", 1))
    sent = compute.is_in(named["request_id"], value_set=labelled["request_id"])
    own = feedback.only(named.filter(compute.invert(sent)), "version", begun.version)
    rows = pyarrow.concat_tables([labelled, own], promote_options="default")
    graded = forecasts.grade(rows, named, promised.naive, season, promised.history)
    if not len(graded.row):
        return _beside(begun, promised)
    rows = rows.take(graded.row)
    time, level = rows["time"].to_numpy(), rows["level"].to_numpy()
    shown = time >= _microseconds(since)
    owners = forecasts.owners(rows)
    series = np.array([str(one) for one in owners])
    interval = compute.fill_null(rows["interval"], 0).to_numpy()
    apart = graded.apart(owners, interval)
    score = partial(_relative, graded, series, interval, shown)
    usual = level == np.median(level)  # one level is promised at a time
    live = replace(
        begun,
        labelled=len(time),
        score=score("all", np.ones(len(time), bool)) if shown.any() else None,
        covered=float(graded.covered[usual & shown].mean()) if (usual & shown).any() else None,
        level=float(np.median(level)),
        bins=_bins(time, shown, score),
    )
    lost = graded.error >= graded.naive_error
    return _beside(live, promised, lost[apart], time[apart])


def _beside(
    live: LiveScore,
    promised: Promise | None,
    wrong: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> LiveScore:
    """Put a live score beside its promise.

    Args:
        live: what was measured.
        promised: None: nothing is known of it, and there is no verdict.
        wrong: bool (answer,), the mistakes in the order in which their labels came.
        time: of these answers, in microseconds.
    """
    if promised is None:
        return live
    live = replace(
        live,
        promised=promised.score,
        promised_rows=promised.rows,
        promised_coverage=promised.coverage,
    )
    if wrong is None or time is None or not promised.rows:
        return live
    finding = sequential_test.weigh(promised.mistakes, promised.rows, wrong)
    live = replace(
        live, mistakes=int(wrong.sum()), counted=len(wrong), evidence=round(finding.evidence, 3)
    )
    if finding.labels is None:
        return live
    since = _iso(time[finding.since])
    return replace(live, since=since, below=_sentence(live, promised, finding, wrong, since))


def _sentence(
    live: LiveScore, promised: Promise, finding: Finding, wrong: np.ndarray, since: str
) -> str:
    counted = wrong[finding.since :]
    what = "forecasts no better than the naive one" if live.task == "forecast" else "mistakes"
    moment = since[:16].replace("T", " ")
    share, expected = counted.mean(), promised.mistakes / promised.rows
    return (
        f"v{live.version} of {live.task} {live.dataset} is below its promise: since {moment} UTC "
        f"{share:.1%} {what} in {len(counted):,} labelled answers, where the test split had "
        f"{expected:.1%} in {promised.rows:,} (evidence {finding.evidence:,.0f}, "
        f"{1 / sequential_test.LEVEL:.0f} is enough)"
    )


def _share(
    right: np.ndarray, shown: np.ndarray, name: str, part: np.ndarray, promised: float | None = None
) -> Score:
    hits = right[part & shown]
    low, high = sequential_test.interval(int(hits.sum()), len(hits))
    return Score(name, len(hits), float(hits.mean()), low, high, promised)


def _relative(
    graded: Graded,
    series: np.ndarray,
    interval: np.ndarray,
    shown: np.ndarray,
    name: str,
    part: np.ndarray,
) -> Score:
    """The mean absolute error relative to the naive forecast's, as the gate has it."""
    part = part & shown
    steps = np.diff(np.sort(graded.origin[part]))
    apart = np.median(steps[steps > 0]) if (steps > 0).any() else 1
    block = max(2, int(np.ceil(np.median(interval[part] * graded.steps[part]) / apart)))
    rows = {
        "error": graded.error[part, None],
        "naive_error": graded.naive_error[part, None],
        "time": graded.origin[part].astype("datetime64[us]"),
        "series": series[part],
        "block": np.int64(block),
    }
    mean, low, high = measure.interval(MAE, [rows])
    return Score(name, int(part.sum()), mean, low, high)


def _bins(time: np.ndarray, shown: np.ndarray, score: Callable[..., Score]) -> list[Score]:
    """The score in up to BINS spans of equal length, each called by its first moment."""
    if not shown.any():
        return []
    edges = np.linspace(time[shown].min(), time[shown].max() + 1, BINS + 1)
    place = np.digitize(time, edges) - 1
    return [
        score(_iso(edges[number]), place == number)
        for number in range(BINS)
        if (shown & (place == number)).any()
    ]


def _slices(
    labelled: "pyarrow.Table",
    shown: np.ndarray,
    score: Callable[..., Score],
    promised: Promise | None,
) -> dict[str, Sequence[Score]]:
    from pyarrow import compute

    slices: dict[str, Sequence[Score]] = {}
    for kind, column in KINDS.items():
        encoded = compute.dictionary_encode(labelled[column].combine_chunks())
        code = compute.fill_null(encoded.indices, -1).to_numpy()
        names = [FAMILIAR.get(name, name) for name in encoded.dictionary.to_pylist()]
        counts = np.bincount(code[shown & (code >= 0)], minlength=len(names))
        of_label = (promised and promised.of_label) or {}
        slices[kind] = [
            score(names[number], code == number, of_label.get(names[number]))
            for number in np.argsort(-counts, kind="stable")[:PARTS]
            if counts[number]
        ]
    return slices


def _microseconds(since: datetime | None) -> int:
    return 0 if since is None else int(since.timestamp() * 1e6)


def _iso(microseconds: float) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")
