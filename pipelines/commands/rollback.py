"""The command `rollback`: the champion before the current one serves again."""

from dataclasses import asdict, dataclass

from models.artifact.artifact import ArtifactError
from pipelines.experiments import registry, verification
from pipelines.experiments.registry import Version
from pipelines.promotion import ledger, reconcile
from pipelines.promotion.contender import Contender
from pipelines.runtime import console, settings


class RollbackRefused(RuntimeError):
    """There is nothing to go back to, or what is there is damaged; the message says which."""


@dataclass(frozen=True)
class Rollback:
    """Which version was left for which; arch and fingerprint are those of the one that serves now.

    ledger: position and hash of the record.
    """

    task: str
    dataset: str
    left: str
    to: str
    arch: str
    fingerprint: str
    ledger: dict

    def to_dict(self) -> dict:
        """The outcome as JSON, where the version that was left is called `from`."""
        outcome = asdict(self)
        return outcome | {"from": outcome.pop("left")}


def rollback(task: str, dataset: str | None, reason: str) -> Rollback:
    """Make the champion before the current one champion; done again, it goes further back.

    It does not wait for a retraining of the task that is going on.
    Raises RollbackRefused; the current champion then stays.
    """
    dataset = settings.dataset_of(task, dataset)
    model = registry.model_name(task, dataset)
    with reconcile.promotion_lock(task, dataset):
        reconcile.follow(task, dataset)
        entries = ledger.entries(model)
        champions = ledger.champions(entries)
        if len(champions) < 2:
            raise RollbackRefused(f"{model} has had no champion before the current one")
        left, back = champions[-1].to_version, champions[-2]
        version = registry.version(model, back.to_version)
        verified, complaint = _verified(f"{model}/{back.to_version}", version)
        decision = ledger.Decision(
            model=model,
            action="refusal" if complaint else "rollback",
            from_version=left,
            to_version=back.to_version,
            run_id=back.run_id,
            fingerprint=back.fingerprint,
            dataset_hash=back.dataset_hash,
            evidence={"rules": {}, "checks": []},
            reason=complaint or reason,
        )
        entry = ledger.append(decision, ledger.head(entries))
        reconcile.follow(task, dataset, *verified)
    if complaint or version is None:
        raise RollbackRefused(complaint)
    head = {"position": entry.position, "hash": entry.hash}
    return Rollback(task, dataset, left, version.version, version.arch, version.fingerprint, head)


def show(outcome: Rollback) -> None:
    """Print who serves now."""
    message = f"{outcome.arch} v{outcome.to} is champion of {outcome.dataset} again"
    console.out().print(f"{message}, not v{outcome.left}", markup=False)


def _verified(name: str, version: Version | None) -> tuple[list[Contender], str | None]:
    """The version's artifact, or why it must not serve."""
    if version is None:
        return [], f"{name} is not in the registry any more"
    try:
        return [Contender(version, verification.verify(version))], None
    except ArtifactError as error:
        return [], f"{name} must not serve: {error}"
