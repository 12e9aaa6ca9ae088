"""The verdict on a challenger on trial: it becomes champion, is taken back, or goes on being tried.

Read from the request log of all workers, and of all hosts that share it. Each kind of evidence is a
bet against chance that may be looked at after every request: if nothing is wrong, the chance that
its capital ever reaches 1 / ALPHA is at most ALPHA.

- errors: one that the challenger alone made, or a worker's word that it is ten times slower
- labels: which of the two was wrong, of requests that both answered (shadow) or one did (canary)
- disagreement: more often than on the test split, whose rows are few, and beyond a tolerance
- the limit of time: a challenger that was tried, and against which nothing speaks, is promoted

Source: Ville, Étude critique de la notion de collectif, 1939; Robbins, Statistical Methods Related
to the Law of the Iterated Logarithm, Annals of Mathematical Statistics, 1970.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pipelines.experiments import registry
from pipelines.monitoring import feedback, trial_counts
from pipelines.monitoring.feedback import Answers
from pipelines.monitoring.trial_counts import Counts
from pipelines.promotion import decision, ledger
from pipelines.runtime import environment

ALPHA = 0.05  # of the challengers that are no worse, how many are taken back at most
SURE = 1e-3  # the chance that the test split's bound on disagreement is too low
TOLERANCE = 0.05  # what disagreement may exceed that by: no traffic is quite the test split
MOST = 690.0  # the logarithm of a capital that is still a number
LEAST = 500  # answers without which the limit of time says nothing

Verdict = Literal["promote", "withdraw", "continue"]


@dataclass(frozen=True)
class Trial:
    """A challenger on trial, and what is to become of it.

    since, until: ISO, UTC. predicted: the share of disagreement that is still no surprise; None
    where the test split predicts none. evidence: kind → capital of its bet; taken back or promoted
    where it is 1 / ALPHA. began, head: the ledger's entry, and its head when this was judged.
    """

    task: str
    dataset: str
    champion: str | None
    challenger: str
    share: int
    since: str
    until: str
    counts: Counts
    predicted: float | None
    evidence: dict[str, float]
    verdict: Verdict
    reason: str
    began: ledger.Entry
    head: ledger.Head

    @property
    def shown(self) -> bool:
        """Whether something spoke against it: not only that too few requests came."""
        return bool(self.counts.failed) or against(self.evidence)

    def to_dict(self) -> dict[str, Any]:
        """The trial as JSON: counts instead of the single answers."""
        counts = asdict(self.counts)
        ours, theirs = counts.pop("ours"), counts.pop("theirs")
        counts |= {
            "failed": len(self.counts.failed),
            "labelled": {
                "both": self.counts.better + self.counts.worse + self.counts.same,
                "challenger": len(ours),
                "champion": len(theirs),
            },
            "wrong": {"challenger": sum(ours), "champion": sum(theirs)},
        }
        names = ("task", "dataset", "champion", "challenger", "share", "since", "until")
        facts = {name: getattr(self, name) for name in names}
        return facts | {
            "counts": counts,
            "predicted": self.predicted,
            "evidence": self.evidence,
            "shown": self.shown,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def judge(
    task: str,
    dataset: str,
    answers: Answers,
    now: datetime | None = None,
) -> Trial | None:
    """Judge the challenger that is on trial; None where none is. Nothing is changed.

    Args:
        task, dataset: of the model.
        answers: what is kept of the request log, and what came back.
        now: the present by default.
    """
    entries = ledger.entries(registry.model_name(task, dataset))
    began = ledger.trial(entries)
    if began is None or not isinstance(began.evidence, dict):
        return None
    until, terms = ledger.limit(began), began.evidence
    asked = answers.asked.get(began.model, feedback.no_requests(task))
    labels = feedback.by_request(answers.labels)
    counts = trial_counts.count(began, asked, answers.wanted, labels)
    predicted = bound(terms["differing"])
    evidence = capitals(counts, terms["share"], predicted)
    over = (now or datetime.now(UTC)) >= until
    verdict, reason = decided(counts, evidence, predicted, over)
    return Trial(
        task,
        dataset,
        began.from_version,
        began.to_version,
        terms["share"],
        began.at,
        until.isoformat(timespec="milliseconds"),
        counts,
        predicted,
        evidence,
        verdict,
        reason,
        began,
        ledger.head(entries),
    )


def end(trial: Trial) -> ledger.Entry | None:
    """Make a verdict true; returns its record, None where the trial goes on.

    Raises LedgerMovedError where something else was decided since it was judged.
    """
    if trial.verdict == "continue":
        return None
    action: Literal["promotion", "withdrawal"] = (
        "promotion" if trial.verdict == "promote" else "withdrawal"
    )
    return decision.end_trial(
        trial.task,
        trial.dataset,
        trial.began,
        trial.head,
        action,
        trial.reason,
        trial.to_dict(),
    )


def bound(differing: Mapping[str, float] | None) -> float | None:
    """The largest share of disagreement that the test split predicts, with the tolerance.

    differing: of the trial's entry; None where no test rows were compared.
    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits, Biometrika, 1934.
    """
    from scipy.special import bdtri

    if differing is None or not differing["rows"]:
        return None
    differ, rows = int(differing["differ"]), int(differing["rows"])
    most = 1.0 if differ >= rows else float(bdtri(differ, rows, SURE))
    return min(most + TOLERANCE, 1.0)


def capitals(counts: Counts, share: int, predicted: float | None) -> dict[str, float]:
    """What each bet has won.

    Of answers that only one of the two gave, each of the challenger is set beside as many of the
    champion as the share allows: whose is a wrong one among them? Where both are equally good, the
    challenger's by the chance of its part. That holds for any share of wrong ones: the mean of such
    a block is largest where the two are equal, and then at most 1 (inequality of the means).

    Returns:
        worse, better: by labels. differing: beyond what was predicted.
    """
    worse, better, chance = counts.worse, counts.better, 0.5
    if share:
        beside = (100 - share) // share
        blocks = min(len(counts.ours), len(counts.theirs) // beside)
        chance = 1 / (1 + beside)
        worse, better = sum(counts.ours[:blocks]), sum(counts.theirs[: blocks * beside])
    bets = {
        "worse": capital(worse, better, chance),
        "better": capital(better, worse, 1 - chance),
        "differing": capital(counts.differing, counts.both - counts.differing, predicted or 1.0),
    }
    return {kind: float(bet) for kind, bet in bets.items()}


def capital(hits: ArrayLike, misses: ArrayLike, chance: float) -> np.ndarray:
    """What a bet on hits being more likely than `chance` has made of 1, whatever the order.

    Of all likelier chances equal parts are staked. Its expectation is at most 1 where `chance` is
    not exceeded.
    """
    from scipy.special import betaln
    from scipy.stats import beta

    hits, misses = np.asarray(hits), np.asarray(misses)
    if chance >= 1:
        return np.ones(hits.shape)
    log = betaln(hits + 1, misses + 1) + beta.logsf(chance, hits + 1, misses + 1)
    log -= math.log1p(-chance) + hits * math.log(chance) + misses * math.log1p(-chance)
    return np.exp(np.minimum(log, MOST))


def against(evidence: Mapping[str, float]) -> bool:
    """Whether too much speaks against it for chance; half is staked on each of two bets."""
    return (evidence["worse"] + evidence["differing"]) / 2 >= 1 / ALPHA


def decided(
    counts: Counts, evidence: Mapping[str, float], predicted: float | None, over: bool
) -> tuple[Verdict, str]:
    """What is to become of the challenger, and why; over: the limit of time was reached."""
    if counts.failed:
        error, times = counts.failed[0], len(counts.failed)
        return "withdraw", f"it failed where the champion answered: {error}, {times} times"
    labelled = _labelled(counts)
    if evidence["better"] >= 1 / ALPHA:
        return "promote", f"it is better by what came back: {labelled}"
    if against(evidence):
        if evidence["worse"] >= 1 / ALPHA:
            return "withdraw", f"it is worse by what came back: {labelled}"
        share = f"{counts.differing} of {counts.both} requests"
        return "withdraw", f"it differs on {share}, and the test split predicts {predicted:.1%}"
    tried = f"{counts.answered} requests, nothing against it"
    if not over:
        return "continue", f"{tried} so far"
    if not counts.seen:
        elsewhere = f"no request since it began is in the log of {environment.home()}"
        ends = "the monitor of the home that serves it ends it"
        return "continue", f"{elsewhere}: {ends}, or `espalier rollback --challenger`"
    if counts.answered < LEAST:
        few = f"it answered {counts.answered} requests in its time"
        return "withdraw", f"{few}, and {LEAST} are the least that say anything"
    return "promote", f"it passed the gate, and its time is over: {tried}"


def _labelled(counts: Counts) -> str:
    def wrong(ones: Sequence[bool]) -> str:
        return f"{sum(ones)} of {len(ones)}"

    if counts.ours:
        return f"wrong {wrong(counts.ours)}, the champion {wrong(counts.theirs)}"
    return f"nearer to the label {counts.better} times, further from it {counts.worse} times"
