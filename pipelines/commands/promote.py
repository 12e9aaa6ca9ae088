"""The verb `promote`: one candidate before the gate, champion where every check passes."""

from pipelines.experiments import dataset as data
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.gate.rules import Rules
from pipelines.locks import lock
from pipelines.locks.lock import Lease
from pipelines.promotion import decision, evaluation, reconcile
from pipelines.runtime import console, settings
from pipelines.runtime.settings import UsageError


def promote(
    task: str,
    dataset: str | None,
    asked: str | None = None,
    *,
    dry_run: bool = False,
    force: str | None = None,
) -> dict:
    """Put one candidate before the gate; crown it if every check passes.

    asked: the number of a version, or the fingerprint or run id of a finished fit; by default the
        fit that scored best on validation.
    dry_run: check, and change nothing. force: crown it whatever the statistics say, and keep this
        reason; what a service would not take in stays refused.
    Returns task, dataset, dataset_hash, candidate, champion (which stands afterwards), promoted,
    forced, dry_run, reason, checks, and ledger: position and hash of the record, if there is one.
    """
    dataset = settings.dataset_of(task, dataset)
    ruled = rules.of(task, dataset)
    version = data.present(task, dataset)
    if dry_run:
        return _try(None, version, ruled, asked, force)
    with lock.hold(task) as held:
        reconcile.reconcile(task, dataset)
        return _try(held, version, ruled, asked, force)


def accepted(told: dict) -> bool:
    """Whether the gate said yes: the candidate is champion, or would be."""
    stands = told["champion"] and told["champion"]["version"] == told["candidate"]["version"]
    return bool(told["promoted"] or stands)


def show(told: dict) -> None:
    """Print what became of a candidate; its checks stand above already."""
    verb = "promoted" if accepted(told) else "refused"
    if told["dry_run"]:
        verb = f"would be {verb}"
    elif told["forced"]:
        verb = "promoted by force"
    candidate = told["candidate"]
    said = f"{candidate['arch']} v{candidate['version']} {verb}: {told['reason']}"
    console.out().print(said, markup=False)


def _try(
    held: Lease | None,
    dataset: DatasetVersion,
    ruled: Rules,
    asked: str | None,
    force: str | None,
) -> dict:
    """Try a candidate; without a lease nothing is registered, recorded or crowned."""
    task, name = dataset.task, dataset.name
    champion, candidate = decision.standing(task, name), _candidate(dataset, asked)
    told = {
        "task": task,
        "dataset": name,
        "dataset_hash": dataset.hash,
        "dry_run": held is None,
        "forced": False,
        "ledger": None,
    }
    if champion is not None and champion.run_id == candidate.run_id:
        reason = f"{champion.arch} v{champion.version} is the champion already"
        return told | {
            "candidate": decision.told(champion),
            "champion": decision.told(champion),
            "promoted": False,
            "reason": reason,
            "checks": [],
        }
    version = (decision.enter if held else registry.prospect)(task, name, candidate)
    tried = evaluation.hold(dataset, version, champion, ruled, keep=held is not None)
    evaluation.show(tried.checks)
    promoted, reason = tried.passed, tried.reason
    if held:
        entry = decision.take(held, task, name, tried, force)
        champion = decision.standing(task, name)
        promoted, reason = entry.action != "refusal", entry.reason
        told |= {
            "forced": entry.action == "force",
            "ledger": {"position": entry.position, "hash": entry.hash},
        }
    return told | {
        "candidate": decision.told(version),
        "champion": None if champion is None else decision.told(champion),
        "promoted": promoted,
        "reason": reason,
        "checks": [check.told() for check in tried.checks],
    }


def _candidate(dataset: DatasetVersion, asked: str | None) -> Record:
    """The fit that is meant; only full fits may be champion."""
    if asked is None:
        fits = [r for r in tracking.records(dataset) if not r.look]
        best = next(filter(tracking.whole, ranking.ranked(dataset.task, fits)), None)
        if best is None:
            raise UsageError(
                f"{dataset.name} has no full fit at its present version: "
                f"`espalier run --dataset {dataset.name}` makes some"
            )
        return best
    model = registry.model_name(dataset.task, dataset.name)
    if asked.isdecimal():
        version = registry.version(model, asked)
        if version is None:
            raise UsageError(f"{model} has no version {asked}")
        return tracking.record(version.run_id)
    fits = tracking.all_records(dataset.task, dataset.name)
    found = [r for r in fits if asked in (r.run_id, r.fingerprint)]
    if not found:
        raise UsageError(
            f"{asked!r} is no finished fit on {dataset.name}: expected a version's number, a "
            "fingerprint or a run id, as `espalier compare --json` and MLflow show them"
        )
    if found[-1].look:
        raise UsageError(f"{asked!r} was a first look: only full fits may be champion")
    return found[-1]
