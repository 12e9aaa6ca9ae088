"""Let the champion before this one serve again."""

from pipelines.experiments import registry, tracking
from pipelines.promotion import ledger, reconcile
from pipelines.runtime import console, settings


class RollbackRefused(RuntimeError):
    """There is nothing to go back to, or what is there is damaged; the message says which."""


def rollback(task: str, dataset: str | None, reason: str) -> dict:
    """Crown the champion before the present one; done again, it goes further back.

    Returns task, dataset, from and to (versions), arch and fingerprint of the one that serves now,
    and ledger: position and hash of the record.
    It does not wait for a retraining of the task that is going on.
    Raises RollbackRefused; the present champion then stays.
    """
    dataset = settings.dataset_of(task, dataset)
    model = registry.model_name(task, dataset)
    with reconcile.seat(task, dataset) as seated:
        reconcile.follow(seated, task, dataset)
        standing = ledger.standing(ledger.entries(model))
        if len(standing) < 2:
            raise RollbackRefused(f"{model} has had no champion before the present one")
        left, back = standing[-1], standing[-2]
        version = registry.version(model, back)
        complaint = _complaint(model, back, version)
        crowned = _crowned(model, back)
        entry = ledger.append(
            seated,
            model,
            "refusal" if complaint else "rollback",
            from_version=left,
            to_version=back,
            run_id=crowned.run_id,
            fingerprint=crowned.fingerprint,
            dataset_hash=crowned.dataset_hash,
            evidence={"rules": {}, "checks": []},
            reason=complaint or reason,
        )
        reconcile.follow(seated, task, dataset)
    if complaint:
        raise RollbackRefused(complaint)
    return {
        "task": task,
        "dataset": dataset,
        "from": left,
        "to": back,
        "arch": version.arch,
        "fingerprint": version.fingerprint,
        "ledger": {"position": entry.position, "hash": entry.hash},
    }


def show(told: dict) -> None:
    """Print who serves now."""
    said = (
        f"{told['arch']} v{told['to']} is champion of {told['dataset']} again, not v{told['from']}"
    )
    console.out().print(said, markup=False)


def _complaint(model: str, number: str, version: registry.Version | None) -> str | None:
    """Why the version must not serve; None where its artifact is what was registered."""
    if version is None:
        return f"{model}/{number} is not in the registry any more"
    damage = tracking.damage(version)
    return None if damage is None else f"{model}/{number} must not serve: {damage}"


def _crowned(model: str, number: str) -> ledger.Entry:
    """The record of how the version last became champion."""
    entries = reversed(ledger.entries(model))
    return next(e for e in entries if e.to_version == number and e.action != "refusal")
