"""What a retraining comes to: nothing left to do, the best fit before the gate, the champion."""

from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.locks.lock import Lease
from pipelines.promotion import decision, evaluation, ledger, reconcile
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
    if not reconcile.in_line(task, dataset):
        return False
    candidate, champion = ranking.best(task, records), decision.standing(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        return True
    ruled = rules.of(task, dataset)
    return decision.refused_before(task, dataset, dataset_hash, candidate, champion, ruled)


def consider(
    held: Lease, task: str, dataset: str, dataset_hash: str, records: list[Record]
) -> Version | None:
    """Let the best of `records` try to be champion; returns the champion that stands afterwards.

    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    champion = decision.standing(task, dataset)
    candidate, ruled = ranking.best(task, records), rules.of(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        console.line("champion", f"{champion.arch} v{champion.version} stays")
        return champion
    if decision.refused_before(task, dataset, dataset_hash, candidate, champion, ruled):
        return champion
    version = decision.enter(task, dataset, candidate)
    tried = evaluation.hold(task, dataset, dataset_hash, version, champion, ruled)
    evaluation.show(tried.checks)
    decision.take(held, task, dataset, tried)
    verb = "promoted" if tried.passed else "refused"
    console.line("champion", f"{version.arch} v{version.version} {verb}: {tried.reason}")
    return decision.standing(task, dataset)


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
        "champion": None if champion is None else decision.told(champion),
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
