"""A decision about a champion: who enters, what goes on record.

Written so that a kill anywhere leaves the old champion serving, and doing it again finishes: the
order is version `pending`, checks, the ledger's record, and then what `reconcile` does.
"""

from pipelines.experiments import registry
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import checks
from pipelines.gate.rules import Rules
from pipelines.promotion import ledger, reconcile
from pipelines.promotion.evaluation import Evaluation


def enter(dataset: DatasetVersion, candidate: Record) -> Version:
    """Register the candidate, whose artifact was verified, as the challenger."""
    version = registry.register(dataset.task, dataset.name, candidate)
    registry.set_challenger(version)
    return version


def refused_before(
    dataset: DatasetVersion, candidate: Record, champion: Version | None, rules: Rules
) -> bool:
    """Whether this very question was answered with no before, by more than a slow moment."""
    beside = champion.version if champion else None
    return any(
        entry.action == "refusal"
        and isinstance(entry.evidence, dict)  # text where it was changed into no JSON
        and not {check["name"] for check in entry.evidence["checks"] if not check["passed"]}
        <= checks.LOAD_DEPENDENT
        and (entry.run_id, entry.from_version) == (candidate.run_id, beside)
        and (entry.dataset_hash, entry.evidence["rules"]) == (dataset.hash, rules.model_dump())
        for entry in ledger.entries(registry.model_name(dataset.task, dataset.name))
    )


def decide(evaluation: Evaluation, force: str | None = None) -> ledger.Entry:
    """Put on record what an evaluation came to, and make it true.

    Args:
        evaluation: of the candidate, beside the champion and the ledger's head of that time.
        force: why the candidate becomes champion though checks failed.

    Raises:
        LedgerMovedError: something else was decided about the model meanwhile.
    """
    candidate, champion = evaluation.candidate, evaluation.champion
    task, dataset = evaluation.dataset.task, evaluation.dataset.name
    version = candidate.version
    override = force if evaluation.servable and not evaluation.passed else None
    with reconcile.promotion_lock(task, dataset):
        if registry.version(version.name, version.version) is None:
            raise ledger.LedgerMovedError(
                f"another run removed version {version.version} of {version.name}: run it again"
            )
        decision = ledger.Decision(
            model=version.name,
            action="promotion" if evaluation.passed else "refusal" if override is None else "force",
            from_version=champion.version.version if champion else None,
            to_version=version.version,
            run_id=version.run_id,
            fingerprint=version.fingerprint,
            dataset_hash=evaluation.dataset.hash,
            evidence={
                "rules": evaluation.rules.model_dump(),
                "checks": [check.to_dict() for check in evaluation.checks],
            },
            reason=evaluation.reason if override is None else override,
        )
        entry = ledger.append(decision, evaluation.head)
        reconcile.follow(task, dataset, *filter(None, (candidate, champion)))
    return entry
