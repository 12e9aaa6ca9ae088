"""A decision about a champion: who stands, who enters, what is put on record.

Written so that a kill anywhere leaves the old champion serving, and doing it again finishes: the
order is version `pending`, checks, the ledger's record, and then what `reconcile` does.
"""

from models.artifact import artifact
from pipelines.experiments import registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import checks
from pipelines.gate.rules import Rules
from pipelines.locks import lock
from pipelines.locks.lock import Lease, LeaseHeldError
from pipelines.promotion import ledger, reconcile
from pipelines.promotion.evaluation import Trial


def standing(task: str, dataset: str) -> Version | None:
    """The champion, unless its artifact is damaged: it could not be published again."""
    champion = registry.champion(task, dataset)
    return champion if champion is not None and tracking.whole(champion) else None


def enter(task: str, dataset: str, candidate: Record) -> Version:
    """Register the candidate, whose artifact is whole, as the challenger; returns its version."""
    artifact.check(tracking.artifact_folder(candidate.run_id), candidate.manifest_sha256)
    version = registry.register(task, dataset, candidate)
    registry.challenge(version)
    return version


def refused_before(
    dataset: DatasetVersion, candidate: Record, champion: Version | None, ruled: Rules
) -> bool:
    """Whether this very question was answered with no before, by more than a slow moment."""
    beside = champion.version if champion else None
    return any(
        entry.action == "refusal"
        and not {check["name"] for check in entry.evidence["checks"] if not check["passed"]}
        <= checks.OF_THE_MOMENT
        and (entry.run_id, entry.from_version) == (candidate.run_id, beside)
        and (entry.dataset_hash, entry.evidence["rules"]) == (dataset.hash, ruled.told())
        for entry in ledger.entries(registry.model_name(dataset.task, dataset.name))
    )


def take(
    held: Lease, task: str, dataset: str, tried: Trial, force: str | None = None
) -> ledger.Entry:
    """Put on record what became of a trial, and make it true.

    Raises LeaseLostError where another holds the task now, LeaseHeldError where the champion is not
    the one any more that the candidate stood beside.
    """
    lock.current(held)
    with reconcile.seat(task, dataset) as seated:
        champion = reconcile.follow(seated, task, dataset)
        _check_unchanged(tried, champion)
        entry = _record(seated, tried, force)
        reconcile.follow(seated, task, dataset)
    return entry


def told(version: Version) -> dict:
    """A version as `--json` tells it, with its scores on test."""
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
