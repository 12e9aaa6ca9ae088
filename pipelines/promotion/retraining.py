"""What a retraining comes to: nothing left to do, the best fit before the gate, the champion."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from pipelines.experiments import ranking, registry, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.promotion import (
    approval,
    contender,
    decision,
    evaluation,
    ledger,
    markdown,
    reconcile,
)
from pipelines.promotion.approval import Question
from pipelines.reports import comparison, leaderboard, page
from pipelines.runtime import console, settings
from pipelines.training import baselines
from pipelines.training.successive_halving import Plan


@dataclass(frozen=True)
class Outcome:
    """What `espalier run --json` holds of a task.

    trained, reused: numbers of fits, without blends and refits. champion: the current one.
    reason: why there is none. left_out: fits for which the budget was too small. awaiting: the
    version that waits for a person. trial: the version that is on trial.
    """

    dataset: str
    dataset_hash: str | None = None
    trained: int = 0
    reused: int = 0
    champion: contender.Summary | None = None
    reason: str = ""
    left_out: tuple[str, ...] = ()
    awaiting: Question | None = None
    trial: str | None = None


class Verdict(NamedTuple):
    """What became of the champion: Promoted, On trial, Kept, Refused or Awaiting, or why nothing
    was done, Nothing new or Not yet; and a sentence."""

    name: str
    text: str


def finished(plan: Plan) -> Outcome | None:
    """The outcome where nothing is left to do; None where there is something to fit or decide."""
    if baselines.unscored(plan.dataset):
        return None
    looks = verification.reusable(plan.looks)
    if len(looks) < len(plan.looks):
        return None
    fits = plan.fits(looks.values())
    records = verification.reusable(fits)
    if len(records) < len(fits):
        return None
    made = [*plan.blends(records.values()), *plan.refits(records.values())]
    following = verification.reusable(made)
    candidates = [*records.values(), *following.values()]
    if len(following) < len(made) or not up_to_date(plan.dataset, candidates):
        return None
    return outcome(plan.dataset, trained=0, reused=len(looks) + len(fits))


def up_to_date(dataset: DatasetVersion, records: list[Record]) -> bool:
    """Whether these fits have nothing left to decide: what `decide` would do is done."""
    task, name = dataset.task, dataset.name
    entries = ledger.entries(registry.model_name(task, name))
    entry, trial = ledger.awaiting(entries), ledger.trial(entries)
    if not reconcile.is_reconciled(task, name) or (entry and approval.is_over(entry)):
        return False
    if trial is not None:  # what is newer is decided about after it
        return datetime.now(UTC) < ledger.limit(trial)
    champion, gate_rules = registry.champion(task, name), rules.of(task, name)
    for candidate in ranking.ranked(dataset, records):
        if champion is not None and champion.run_id == candidate.run_id:
            return True
        if approval.asked_already(dataset, candidate, champion, gate_rules):
            return True
        refusal = decision.refused_before(dataset, candidate, champion, gate_rules)
        if refusal is None:
            return False
        if decision.on_evidence(refusal):
            return True
    return True


def decide(dataset: DatasetVersion, records: list[Record]) -> Verdict:
    """Let the best of `records` try to be champion; returns what became of it.

    What a budget refuses gives way to the next by validation. A refusal by the test rows ends it:
    each further look at them would let chance promote one. While a challenger is on trial nothing
    is decided: each night's candidate would cut the trial of the last one short.

    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    task, name = dataset.task, dataset.name
    approval.expire(task, name)
    waiting, entries = approval.waiting(task, name), ledger.entries(registry.model_name(task, name))
    head, trial = ledger.head(entries), ledger.trial(entries)
    champion, gate_rules = contender.current_champion(task, name), rules.of(task, name)
    if champion is not None and trial is not None and ledger.holds(trial):
        text = f"{champion.name} stays: version {trial.to_version} is on trial beside it"
        return _verdict("Kept", f"{text}, and what is newer is decided about after that")
    current = champion.version if champion else None
    # Without a champion there is none to stay, and what is not served is asked nothing.
    terms = decision.Terms.of(gate_rules) if champion and settings.endpoint(task, name) else None
    verdict, before = None, ""
    for best in ranking.ranked(dataset, records):
        if champion is not None and champion.version.run_id == best.run_id:
            kept = _verdict("Kept", f"{champion.name} stays")
            return verdict or kept
        if asked := approval.asked_already(dataset, best, current, gate_rules):
            return _verdict("Awaiting", asked.sentence)
        if champion is not None and trial is not None and trial.run_id == best.run_id:
            tried = f"version {trial.to_version} was tried beside it"
            text = f"{champion.name} stays: {tried}, and the home that serves has not ended that"
            return verdict or _verdict("Kept", text)
        if refusal := decision.refused_before(dataset, best, current, gate_rules):
            before = f"{best.arch} was refused before: {refusal.reason}"
            if decision.on_evidence(refusal):
                break
            continue
        folder = verification.verify(best)
        candidate = contender.Contender(decision.enter(dataset, best, gate_rules), folder)
        evaluated = evaluation.evaluate(dataset, candidate, champion, head, gate_rules)
        entry = decision.decide(evaluated, terms=terms)
        head = ledger.head([entry])
        verdict = _decided(candidate, entry, waiting)
        if not evaluated.gives_way:
            break
    return verdict or _verdict("Refused", before)


def _decided(
    candidate: contender.Contender, entry: ledger.Entry, waiting: Question | None
) -> Verdict:
    """The verdict on a candidate; waiting: what waited for a person before it."""
    if entry.action == "awaiting":
        asked = approval.question(entry).sentence
        if waiting and waiting.version != entry.to_version:
            asked += f"; it takes the place of version {waiting.version}, which waited"
        return _verdict("Awaiting", f"{candidate.name} passed: {entry.reason}; {asked}")
    if entry.action in ledger.TRIALS:
        text = f"{candidate.name} {markdown.VERBS[entry.action]}: {entry.reason}"
        return _verdict("On trial", text)
    result = "Promoted" if entry.action == "promotion" else "Refused"
    return _verdict(result, f"{candidate.name} {result.lower()}: {entry.reason}")


def _verdict(name: str, text: str) -> Verdict:
    console.line("champion", text)
    return Verdict(name, text)


def settled(outcome: Outcome) -> Verdict:
    """The verdict where nothing was left to do."""
    text = f"all {outcome.reused} fits on this data are on record"
    if outcome.trial:
        text += f"; version {outcome.trial} is on trial, and they are decided about after that"
    else:
        text += ", and were decided about"
    if champion := outcome.champion:
        text = f"{champion.arch} v{champion.version} stays: {text}"
    if outcome.awaiting:
        return Verdict("Awaiting", f"{text}; {outcome.awaiting.sentence}")
    return Verdict("Nothing new", text if champion else f"{text}: {outcome.reason}")


def answered(task: str, before: Outcome, by: str, no: str | None = None) -> tuple[Outcome, Verdict]:
    """What a task came to once a person has answered; arguments as `approval.answer` takes them."""
    version = before.awaiting.version if before.awaiting else None
    entry = approval.answer(task, before.dataset, version, by, no=no)
    dataset = DatasetVersion(task, before.dataset, str(before.dataset_hash))
    result = "Promoted" if entry.action == "promotion" else "Refused"
    text = f"version {entry.to_version} {result.lower()}: {entry.reason}"
    after = outcome(dataset, before.trained, before.reused, before.left_out)
    return after, _verdict(result, text)


def report(
    dataset: DatasetVersion,
    run_id: str,
    budget: str | None = None,
    left_out: Collection[str] = (),
) -> str:
    """Say on the retraining's own run what it came to, and keep the page of it there.

    Args:
        dataset: the version that was retrained on.
        run_id: the retraining's run.
        budget: what it could spend; None: as much as it took.
        left_out: the fits for which that was too small.

    Returns:
        What it says, in Markdown.
    """
    board = comparison.compare(dataset)
    page.attach(dataset, board, run_id)
    entries = ledger.entries(registry.model_name(dataset.task, dataset.name))
    best = next((row for row in leaderboard.best(board) if not row["rescored"]), None)
    note = markdown.retraining(board, markdown.decision(entries[-1]) if entries else "", left_out)
    tags: dict[str, str] = {"espalier.decision": entries[-1].action} if entries else {}
    if budget:
        tags |= {"espalier.budget": budget, "espalier.left_out": "; ".join(left_out)}
    page.describe(
        run_id,
        note,
        tags,
        {f"{split}_{board['metric']}": best[split]["mean"] for split in ("validation", "test")}
        if best
        else {},
    )
    return note


def outcome(
    dataset: DatasetVersion, trained: int, reused: int, left_out: Collection[str] = ()
) -> Outcome:
    """The outcome of a task whose best fit was decided about."""
    champion = registry.champion(dataset.task, dataset.name)
    summary = None if champion is None else contender.summary(champion)
    entries = ledger.entries(registry.model_name(dataset.task, dataset.name))
    refused = [entry.reason for entry in entries if entry.action == "refusal"]
    asked, trial, reason = approval.waiting(dataset.task, dataset.name), ledger.trial(entries), ""
    if champion is None and (asked or refused):
        reason = asked.sentence if asked else refused[-1]
    return Outcome(
        dataset.name,
        dataset.hash,
        trained,
        reused,
        summary,
        reason,
        tuple(left_out),
        asked,
        trial.to_version if trial else None,
    )
