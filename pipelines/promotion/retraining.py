"""What a retraining comes to: nothing left to do, the best fit before the gate, the champion."""

from pipelines.experiments import ranking, registry, tracking, verification
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.promotion import contender, decision, evaluation, ledger, reconcile
from pipelines.runtime import console
from pipelines.training import baselines, successive_halving


def finished(task: str, dataset: str, dataset_hash: str, facts: dict, profile: str) -> dict | None:
    """The outcome where nothing is left to do; None where something is to fit, decide or publish.

    facts: the prepared data's dataset.json.
    """
    if baselines.unscored(task, dataset, dataset_hash):
        return None
    asked = (task, dataset, dataset_hash, facts, profile)
    looks = successive_halving.looks(*asked)
    seen = tracking.reusable(looks)
    if len(seen) < len(looks):
        return None
    fits = successive_halving.fits(*asked, seen.values())
    known = tracking.reusable(fits)
    if len(known) < len(fits) or not settled(task, dataset, dataset_hash, [*known.values()]):
        return None
    return outcome(task, dataset, dataset_hash, trained=0, reused=len(looks) + len(fits))


def settled(task: str, dataset: str, dataset_hash: str, records: list[Record]) -> bool:
    """Whether these fits have nothing left to decide: what `consider` would do is done."""
    if not reconcile.is_reconciled(task, dataset):
        return False
    candidate, champion = ranking.best(task, records), registry.champion(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        return True
    ruled = rules.of(task, dataset)
    return decision.refused_before(task, dataset, dataset_hash, candidate, champion, ruled)


def consider(task: str, dataset: str, dataset_hash: str, records: list[Record]) -> Version | None:
    """Let the best of `records` try to be champion; returns the current champion afterwards.

    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    head = ledger.head(ledger.entries(registry.model_name(task, dataset)))
    champion = contender.current_champion(task, dataset)
    current = champion and champion.version
    best, ruled = ranking.best(task, records), rules.of(task, dataset)
    if current is not None and current.run_id == best.run_id:
        console.line("champion", f"{current.arch} v{current.version} stays")
        return current
    if decision.refused_before(task, dataset, dataset_hash, best, current, ruled):
        return current
    artifact = verification.verify(best)
    candidate = contender.Contender(decision.enter(task, dataset, best), artifact)
    evaluated = evaluation.evaluate(task, dataset, dataset_hash, candidate, champion, head, ruled)
    evaluation.show(evaluated.checks)
    decision.decide(task, dataset, evaluated)
    verb = "promoted" if evaluated.passed else "refused"
    console.line("champion", f"{candidate.name} {verb}: {evaluated.reason}")
    return registry.champion(task, dataset)


def outcome(task: str, dataset: str, dataset_hash: str, trained: int, reused: int) -> dict:
    """What `espalier run --json` says of a task: the champion that stands, or why none does."""
    champion = registry.champion(task, dataset)
    entries = ledger.entries(registry.model_name(task, dataset))
    refused = [entry.reason for entry in entries if entry.action == "refusal"]
    return {
        "dataset": dataset,
        "dataset_hash": dataset_hash,
        "trained": trained,
        "reused": reused,
        "champion": None if champion is None else contender.summary(champion).to_dict(),
        "reason": refused[-1] if champion is None and refused else "",
    }


def nothing(dataset: str, reason: str) -> dict:
    """The outcome of a task that was stopped before it could choose."""
    return {
        "dataset": dataset,
        "dataset_hash": None,
        "trained": 0,
        "reused": 0,
        "champion": None,
        "reason": reason,
    }
