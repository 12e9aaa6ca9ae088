"""What the monitor's flow does for a dataset: look, decide, and say what is new since it last did.

An event is sent once for each champion and cause, however often one looks; what asks for a
retraining is sent again after the cooldown, where none has begun.
"""

import json
import time
from dataclasses import asdict, dataclass, replace

from pipelines.experiments import leaderboard_rows, registry, tracking
from pipelines.monitoring import retrain
from pipelines.monitoring.retrain import Verdict
from pipelines.processes import events
from pipelines.runtime import console, settings

NOTED = "event "  # begins the name of the note on an event


@dataclass(frozen=True)
class Signals:
    """What requests say of a champion: a sentence, or None where nothing is wrong; and how many
    labelled ones there are that are no part of the dataset."""

    drifted: str | None = None
    below: str | None = None
    labelled: int = 0


@dataclass(frozen=True)
class Sent:
    """An event that was sent: of which champion, when, and whether its cause is over."""

    fingerprint: str
    at: float
    over: bool = False


def signals(task: str, dataset: str) -> Signals:
    """What the requests since the champion became one say of it."""
    return Signals()


def look(task: str, dataset: str) -> Verdict:
    """Look at a dataset's champion, send the events that are due, and return the verdict."""
    seen = signals(task, dataset)
    verdict = retrain.decide(
        task, dataset, drifted=seen.drifted, below=seen.below, labelled=seen.labelled
    )
    console.line("retrain", verdict.text)
    announce(task, dataset, seen, verdict)
    return verdict


def announce(task: str, dataset: str, seen: Signals, verdict: Verdict) -> None:
    """Send what is new: drift, a live score below the promise, that a retraining is worth it."""
    champion = registry.champion(task, dataset)
    if champion is None:  # the nightly retraining makes the first
        return
    cooldown = settings.seconds_of(settings.retrain(dataset).cooldown, "hd")
    page, asked = tracking.page_of(champion.run_id), verdict.text if verdict.retrain else None
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
