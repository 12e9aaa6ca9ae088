"""Who may be champion: the best fit before the gate, the decision on record, and what follows.

Written so that a kill anywhere leaves the old champion serving, and doing it again finishes: the
order is version `pending`, checks, the ledger's record, and then what `pipelines.reconcile` does.
"""

from data import versions
from models import artifact
from pipelines import (
    choose,
    console,
    halving,
    lease,
    ledger,
    reconcile,
    registry,
    rivals,
    settings,
    tracking,
    trial,
)
from pipelines.lease import Lease, LeaseHeldError
from pipelines.registry import Version
from pipelines.settings import UsageError
from pipelines.tracking import Record
from pipelines.trial import Trial
from pipelines.verdict import gate, rules
from pipelines.verdict.rules import Rules


def finished(task: str, dataset: str, dataset_hash: str, facts: dict, profile: str) -> dict | None:
    """The outcome where nothing is left to do; None where something is to fit, decide or publish.

    facts: the prepared data's dataset.json.
    """
    if rivals.unscored(task, dataset, dataset_hash):
        return None
    asked = (task, dataset, dataset_hash, facts, profile)
    looks = halving.looks(*asked)
    seen = tracking.reusable(looks)
    if len(seen) < len(looks):
        return None
    fits = halving.fits(*asked, seen.values())
    known = tracking.reusable(fits)
    if len(known) < len(fits) or not settled(task, dataset, dataset_hash, [*known.values()]):
        return None
    return outcome(task, dataset, dataset_hash, trained=0, reused=len(looks) + len(fits))


def settled(task: str, dataset: str, dataset_hash: str, records: list[Record]) -> bool:
    """Whether these fits have nothing left to decide: what `consider` would do is done."""
    if not reconcile.in_line(task, dataset):
        return False
    candidate, champion = choose.best(task, records), _standing(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        return True
    ruled = rules.of(task, dataset)
    return _refused(task, dataset, dataset_hash, candidate, champion, ruled)


def consider(
    held: Lease, task: str, dataset: str, dataset_hash: str, records: list[Record]
) -> Version | None:
    """Let the best of `records` try to be champion; returns the champion that stands afterwards.

    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    champion = _standing(task, dataset)
    candidate, ruled = choose.best(task, records), rules.of(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        console.line("champion", f"{champion.arch} v{champion.version} stays")
        return champion
    if _refused(task, dataset, dataset_hash, candidate, champion, ruled):
        return champion
    version = _entered(task, dataset, candidate)
    tried = trial.hold(task, dataset, dataset_hash, version, champion, ruled)
    trial.show(tried.checks)
    decide(held, task, dataset, tried)
    console.line("champion", f"{version.arch} v{version.version}: {tried.reason}")
    return _standing(task, dataset)


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
    dataset_hash = versions.dataset_hash(dataset)
    if dataset_hash is None:
        raise UsageError(
            f"{dataset} has no version here yet: `espalier run --dataset {dataset}` makes one"
        )
    if dry_run:
        return _try(None, task, dataset, dataset_hash, ruled, asked, force)
    with lease.hold(task) as held:
        reconcile.reconcile(task, dataset)
        return _try(held, task, dataset, dataset_hash, ruled, asked, force)


def decide(
    held: Lease, task: str, dataset: str, tried: Trial, force: str | None = None
) -> ledger.Entry:
    """Put on record what became of a trial, and make it true.

    Raises LeaseLostError where another holds the task now, LeaseHeldError where the champion is not
    the one any more that the candidate stood beside.
    """
    lease.current(held)
    with reconcile.seat(task, dataset) as seated:
        champion = reconcile.follow(seated, task, dataset)
        _check_unchanged(tried, champion)
        entry = _record(seated, tried, force)
        reconcile.follow(seated, task, dataset)
    return entry


def _check_unchanged(tried: Trial, champion: Version | None) -> None:
    was, is_now = (one.version if one else None for one in (tried.champion, champion))
    if was != is_now:
        raise LeaseHeldError(
            f"the champion of {tried.candidate.name} was changed from {was} to {is_now} while "
            f"version {tried.candidate.version} was tried: run it again"
        )


def _record(seated: Lease, tried: Trial, force: str | None) -> ledger.Entry:
    forced = not tried.passed and tried.servable and force is not None
    action = "promotion" if tried.passed else "force" if forced else "refusal"
    candidate, champion = tried.candidate, tried.champion
    return ledger.append(
        seated,
        candidate.name,
        action,
        from_version=champion.version if champion else None,
        to_version=candidate.version,
        run_id=candidate.run_id,
        fingerprint=candidate.fingerprint,
        dataset_hash=tried.dataset_hash,
        evidence={
            "rules": tried.rules.told(),
            "checks": [check.told() for check in tried.checks],
        },
        reason=force if forced else tried.reason,
    )


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
        "champion": None if champion is None else _facts(champion),
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
    task: str,
    dataset: str,
    dataset_hash: str,
    ruled: Rules,
    asked: str | None,
    force: str | None,
) -> dict:
    """Try a candidate; without a lease nothing is registered, recorded or crowned."""
    champion, candidate = _standing(task, dataset), _candidate(task, dataset, dataset_hash, asked)
    told = {
        "task": task,
        "dataset": dataset,
        "dataset_hash": dataset_hash,
        "dry_run": held is None,
        "forced": False,
        "ledger": None,
    }
    if champion is not None and champion.run_id == candidate.run_id:
        reason = f"{champion.arch} v{champion.version} is the champion already"
        return told | {
            "candidate": _facts(champion),
            "champion": _facts(champion),
            "promoted": False,
            "reason": reason,
            "checks": [],
        }
    version = (_entered if held else registry.prospect)(task, dataset, candidate)
    tried = trial.hold(task, dataset, dataset_hash, version, champion, ruled, keep=held is not None)
    trial.show(tried.checks)
    promoted, reason = tried.passed, tried.reason
    if held:
        entry = decide(held, task, dataset, tried, force)
        champion = _standing(task, dataset)
        promoted, reason = entry.action != "refusal", entry.reason
        told |= {
            "forced": entry.action == "force",
            "ledger": {"position": entry.position, "hash": entry.hash},
        }
    return told | {
        "candidate": _facts(version),
        "champion": None if champion is None else _facts(champion),
        "promoted": promoted,
        "reason": reason,
        "checks": [check.told() for check in tried.checks],
    }


def _entered(task: str, dataset: str, candidate: Record) -> Version:
    """The candidate's version, as the challenger; its artifact is whole."""
    artifact.check(tracking.artifact_folder(candidate.run_id), candidate.manifest_sha256)
    version = registry.register(task, dataset, candidate)
    registry.challenge(version)
    return version


def _standing(task: str, dataset: str) -> Version | None:
    """The champion, unless its artifact is damaged: it could not be published again."""
    champion = registry.champion(task, dataset)
    return champion if champion is not None and tracking.whole(champion) else None


def _candidate(task: str, dataset: str, dataset_hash: str, asked: str | None) -> Record:
    """The fit that is meant; only full fits may be champion."""
    if asked is None:
        fits = [r for r in tracking.records(task, dataset, dataset_hash) if not r.look]
        best = next(filter(tracking.whole, choose.ranked(task, fits)), None)
        if best is None:
            raise UsageError(
                f"{dataset} has no full fit at its present version: "
                f"`espalier run --dataset {dataset}` makes some"
            )
        return best
    model = registry.model_name(task, dataset)
    if asked.isdecimal():
        version = registry.version(model, asked)
        if version is None:
            raise UsageError(f"{model} has no version {asked}")
        return tracking.record(version.run_id)
    found = [r for r in tracking.records(task, dataset) if asked in (r.run_id, r.fingerprint)]
    if not found:
        raise UsageError(
            f"{asked!r} is no finished fit on {dataset}: expected a version's number, a "
            "fingerprint or a run id, as `espalier compare --json` and MLflow show them"
        )
    if found[-1].look:
        raise UsageError(f"{asked!r} was a first look: only full fits may be champion")
    return found[-1]


def _refused(
    task: str,
    dataset: str,
    dataset_hash: str,
    candidate: Record,
    champion: Version | None,
    ruled: Rules,
) -> bool:
    """Whether this very question was answered with no before, by more than a slow moment."""
    standing = champion.version if champion else None
    return any(
        entry.action == "refusal"
        and not {check["name"] for check in entry.evidence["checks"] if not check["passed"]}
        <= gate.OF_THE_MOMENT
        and (entry.run_id, entry.from_version) == (candidate.run_id, standing)
        and (entry.dataset_hash, entry.evidence["rules"]) == (dataset_hash, ruled.told())
        for entry in ledger.entries(registry.model_name(task, dataset))
    )


def _facts(version: Version) -> dict:
    metrics = tracking.record(version.run_id).metrics
    test = {
        name.removeprefix("test_"): value
        for name, value in metrics.items()
        if name.startswith("test_")
    }
    return {
        "version": version.version,
        "arch": version.arch,
        "fingerprint": version.fingerprint,
        "test": test,
    }
