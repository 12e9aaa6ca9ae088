"""What the monitor does for a dataset: look, end a trial that is decided, say whether to retrain.

The command and the flow do the same. An event is sent once for each champion and cause, however
often one looks; what asks for a retraining is sent again after the cooldown, where none has begun.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pipelines.experiments import leaderboard_rows, registry
from pipelines.experiments.registry import Version
from pipelines.lineage import card
from pipelines.monitoring import collect, feedback, gauges, live_score, retrain, trial
from pipelines.monitoring.drift import drift
from pipelines.monitoring.drift.drift import Drift
from pipelines.monitoring.feedback import Answers
from pipelines.monitoring.live_score import Monitored
from pipelines.monitoring.retrain import Facts, Verdict
from pipelines.monitoring.trial import Trial
from pipelines.processes import events, servers
from pipelines.promotion import decision, ledger, reconcile
from pipelines.runtime import settings

NOTED = "event "  # begins the name of the note on an event


@dataclass(frozen=True)
class Signals:
    """What requests say of a champion: a sentence, or None where nothing is wrong."""

    drifted: str | None = None
    below: str | None = None


@dataclass(frozen=True)
class Look:
    """What was seen of a dataset, and decided.

    trial: what was on when it was looked at. failure: what kept it from being looked at, in words.
    """

    task: str
    dataset: str
    drift: Drift
    trial: Trial | None
    retrain: Verdict
    failure: str | None = None

    def to_dict(self) -> dict:
        """As JSON."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "drift": self.drift.to_dict(),
            "trial": self.trial and self.trial.to_dict(),
            "retrain": self.retrain.to_dict(),
            "failure": self.failure,
        }


@dataclass(frozen=True)
class Sent:
    """An event that was sent: of which champion, when, and whether its cause is over."""

    fingerprint: str
    at: float
    over: bool = False


def look(task: str, dataset: str) -> Look:
    """Look at a dataset; see `act`."""
    return _told(task, dataset, lambda: _act(task, dataset, live_score.monitored(task, dataset)))


def act(task: str, dataset: str, found: Monitored) -> Look:
    """End a trial that is decided, send the events that are due, show all of it on /metrics.

    found: the live scores, and what was kept of the log.
    """
    return _told(task, dataset, lambda: _act(task, dataset, found))


def _told(task: str, dataset: str, looking: Callable[[], Look]) -> Look:
    """The look; of one that failed why: other datasets are looked at all the same."""
    try:
        return looking()
    except Exception as error:  # of a lock, the ledger, a server, an entry that is gone
        failure = str(error) or type(error).__name__
        unknown = Drift(task, dataset, None, unknown=failure)
        return Look(task, dataset, unknown, None, Verdict(False, [failure], None, Facts()), failure)


def _act(task: str, dataset: str, found: Monitored) -> Look:
    tried = conclude(task, dataset, found.answers)
    champion, live = registry.champion(task, dataset), found.champion(task, dataset)
    if live and champion and live.version != champion.version:
        live = None  # of the one whose place the challenger has just taken
    below = live.below if live else None
    drifting, verdict = judge(task, dataset, champion, below, found.answers)
    announce(task, dataset, champion, Signals(drifting.drifted, below), verdict)
    if live is not None:
        gauges.write(
            task,
            dataset,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            version=live.version,
            score=live.score and live.score.score,
            promise=live.promised and live.promised.score,
            labelled=live.labelled,
            below=live.below,
            drift=None if drifting.unknown else drifting.evidence,
        )
    return Look(task, dataset, drifting, tried, verdict)


def failure(looks: Iterable[Look]) -> str:
    """Which datasets could not be looked at, and why; empty where all were."""
    return "; ".join(f"{one.dataset}: {one.failure}" for one in looks if one.failure)


def advise(task: str, dataset: str) -> Verdict:
    """Say whether to retrain, as a look would; nothing is changed."""
    found, champion = live_score.monitored(task, dataset), registry.champion(task, dataset)
    live = found.champion(task, dataset)
    return judge(task, dataset, champion, live.below if live else None, found.answers)[1]


def judge(
    task: str, dataset: str, champion: Version | None, below: str | None, answers: Answers
) -> tuple[Drift, Verdict]:
    """Look for drift, and say whether to retrain; nothing is changed.

    below: how far the champion's live score is below its promise; None where it is not.
    """
    asked = answers.asked.get(registry.model_name(task, dataset), feedback.no_requests(task))
    drifting = drift.of(task, dataset, champion, asked)
    labelled, drifted = collect.waiting(task, dataset, answers), drifting.drifted
    return drifting, retrain.decide(
        task, dataset, champion, drifted=drifted, below=below, labelled=labelled
    )


def conclude(task: str, dataset: str, answers: Answers | None = None) -> Trial | None:
    """Judge the trial that is on, and end it where that is decided; finish what was killed.

    answers: what is kept of the log; by default it is read where a trial is on.
    """
    if reconcile.catch_up(task, dataset):
        card.keep_or_say(task, dataset)
    decision.announce(task, dataset)
    if ledger.trial(ledger.entries(registry.model_name(task, dataset))) is None:
        return None
    answers = answers or feedback.answers(feedback.stored(), [task], dataset)
    if (tried := trial.judge(task, dataset, answers)) is None:
        return None  # it has just ended
    try:
        entry = trial.end(tried)
    except ledger.LedgerMovedError:  # somebody else has just ended it
        return None
    if entry is not None and entry.action == "promotion":
        card.keep_or_say(task, dataset)
    elif entry is not None and entry.action == "withdrawal":  # the artifact may be damaged
        tried = replace(tried, verdict="withdraw", reason=entry.reason)
    return tried


def announce(
    task: str, dataset: str, champion: Version | None, seen: Signals, verdict: Verdict
) -> None:
    """Send what is new: drift, a live score below the promise, that a retraining is worth it."""
    if champion is None:  # the nightly retraining makes the first
        return
    cooldown = settings.seconds_of(settings.retrain(dataset).cooldown, "hd")
    page, asked = servers.page_of(champion.run_id), verdict.text if verdict.retrain else None
    for kind, text, again in (
        ("drift", seen.drifted, None),
        ("live-score", seen.below, None),
        ("retrain", asked, cooldown),
    ):
        last = _noted(task, dataset, kind, champion.fingerprint)
        if text is None:
            if last and not last.over:
                _note(task, dataset, kind, replace(last, over=True))
        elif last is None or (last.over if again is None else time.time() - last.at > again):
            # Killed before the note, it is sent again, and the server knows it by what it follows.
            once = f"{champion.fingerprint} {last and last.at}"
            if events.emit(kind, task, dataset, text, page, once):
                _note(task, dataset, kind, Sent(champion.fingerprint, time.time()))


def _noted(task: str, dataset: str, kind: str, fingerprint: str) -> Sent | None:
    """The last event of a kind about this champion."""
    text = leaderboard_rows.noted(task, dataset, NOTED + kind)
    last = Sent(**json.loads(text)) if text else None
    return last if last and last.fingerprint == fingerprint else None


def _note(task: str, dataset: str, kind: str, sent: Sent) -> None:
    leaderboard_rows.note(task, dataset, NOTED + kind, json.dumps(asdict(sent)))
