"""What a retraining comes to: nothing left to do, the best fit before the gate, the champion."""

from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.locks.lock import Lease
from pipelines.promotion import decision, evaluation, ledger, reconcile
from pipelines.runtime import console
from pipelines.training import baselines
from pipelines.training.successive_halving import Plan


def finished(plan: Plan) -> dict | None:
    """The outcome where nothing is left to do; None where there is something to fit or decide."""
    if baselines.unscored(plan.dataset):
        return None
    looks = tracking.reusable(plan.looks)
    if len(looks) < len(plan.looks):
        return None
    fits = plan.fits(looks.values())
    records = tracking.reusable(fits)
    if len(records) < len(fits) or not settled(plan.dataset, [*records.values()]):
        return None
    return outcome(plan.dataset, trained=0, reused=len(looks) + len(fits))


def settled(dataset: DatasetVersion, records: list[Record]) -> bool:
    """Whether these fits have nothing left to decide: what `consider` would do is done."""
    task, name = dataset.task, dataset.name
    if not reconcile.in_line(task, name):
        return False
    candidate, champion = ranking.best(task, records), decision.standing(task, name)
    if champion is not None and champion.run_id == candidate.run_id:
        return True
    return decision.refused_before(dataset, candidate, champion, rules.of(task, name))


def consider(held: Lease, dataset: DatasetVersion, records: list[Record]) -> Version | None:
    """Let the best of `records` try to be champion; returns the champion that stands afterwards.

    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    task, name = dataset.task, dataset.name
    champion = decision.standing(task, name)
    candidate, ruled = ranking.best(task, records), rules.of(task, name)
    if champion is not None and champion.run_id == candidate.run_id:
        console.line("champion", f"{champion.arch} v{champion.version} stays")
        return champion
    if decision.refused_before(dataset, candidate, champion, ruled):
        return champion
    version = decision.enter(task, name, candidate)
    tried = evaluation.hold(dataset, version, champion, ruled)
    evaluation.show(tried.checks)
    decision.take(held, task, name, tried)
    verb = "promoted" if tried.passed else "refused"
    console.line("champion", f"{version.arch} v{version.version} {verb}: {tried.reason}")
    return decision.standing(task, name)


def outcome(dataset: DatasetVersion, trained: int, reused: int) -> dict:
    """What `espalier run --json` says of a task: the champion that stands, or why none does."""
    champion = registry.champion(dataset.task, dataset.name)
    entries = ledger.entries(registry.model_name(dataset.task, dataset.name))
    refused = [entry.reason for entry in entries if entry.action == "refusal"]
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.hash,
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
