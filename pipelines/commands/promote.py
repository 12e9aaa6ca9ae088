"""The command `promote`: one candidate before the gate, champion where every check passes."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines.experiments import dataset as data
from pipelines.experiments import ranking, registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.locks import lock
from pipelines.promotion import contender, decision, evaluation, ledger, reconcile
from pipelines.promotion.contender import Contender, Summary
from pipelines.promotion.ledger import Entry
from pipelines.runtime import console, settings
from pipelines.runtime.settings import UsageError


@dataclass(frozen=True)
class Promotion:
    """What became of a candidate.

    champion: the current one afterwards. ledger: position and hash of the record, if there is one.
    """

    task: str
    dataset: str
    dataset_hash: str
    dry_run: bool
    candidate: Summary
    champion: Summary | None
    promoted: bool
    reason: str
    forced: bool = False
    ledger: dict | None = None
    checks: list[dict] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the gate said yes: the candidate is champion, or would be."""
        same = self.champion is not None and self.champion.version == self.candidate.version
        return self.promoted or same

    def to_dict(self) -> dict:
        """The outcome as JSON."""
        return asdict(self)


def promote(
    task: str,
    dataset: str | None,
    name: str | None = None,
    *,
    dry_run: bool = False,
    force: str | None = None,
) -> Promotion:
    """Put one candidate before the gate; make it champion if every check passes.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task; by default the one that is served.
        name: the number of a version, or the fingerprint or run id of a finished fit; by default
            the fit that scored best on validation.
        dry_run: check, and change nothing.
        force: why it becomes champion whatever the statistics say; what a service would refuse to
            load stays refused.
    """
    dataset = settings.dataset_of(task, dataset)
    gate_rules, version = rules.of(task, dataset), data.present(task, dataset)
    with nullcontext() if dry_run else lock.hold(task):
        reconciled = None if dry_run else reconcile.reconcile(task, dataset)
        head = ledger.head(ledger.entries(registry.model_name(task, dataset)))
        champion = contender.current_champion(task, dataset, reconciled)
        record, folder = _candidate(version, name, champion)
        if champion is not None and champion.version.run_id == record.run_id:
            reason = f"{champion.name} is the champion already"
            return _outcome(version, champion, champion, dry_run, promoted=False, reason=reason)
        if dry_run:
            candidate = Contender(registry.preview(task, dataset, record), folder)
        else:
            candidate = Contender(decision.enter(version, record), folder)
        evaluated = evaluation.evaluate(
            version, candidate, champion, head, gate_rules, keep=not dry_run
        )
        outcome = _outcome(
            version,
            candidate,
            champion,
            dry_run,
            promoted=evaluated.passed,
            reason=evaluated.reason,
            checks=[check.to_dict() for check in evaluated.checks],
        )
        return outcome if dry_run else _recorded(outcome, decision.decide(evaluated, force))


def _outcome(
    dataset: DatasetVersion,
    candidate: Contender,
    champion: Contender | None,
    dry_run: bool,
    **judgement: Any,
) -> Promotion:
    """The outcome before anything was recorded."""
    return Promotion(
        task=dataset.task,
        dataset=dataset.name,
        dataset_hash=dataset.hash,
        dry_run=dry_run,
        candidate=contender.summary(candidate.version),
        champion=contender.summary(champion.version) if champion else None,
        **judgement,
    )


def _recorded(outcome: Promotion, entry: Entry) -> Promotion:
    """The outcome as it stands in the ledger."""
    promoted = entry.action != "refusal"
    return replace(
        outcome,
        champion=outcome.candidate if promoted else outcome.champion,
        promoted=promoted,
        reason=entry.reason,
        forced=entry.action == "force",
        ledger={"position": entry.position, "hash": entry.hash},
    )


def show(outcome: Promotion) -> None:
    """Print what became of a candidate; its checks stand above already."""
    verb = "promoted" if outcome.accepted else "refused"
    if outcome.dry_run:
        verb = f"would be {verb}"
    elif outcome.forced:
        verb = "promoted by force"
    candidate = outcome.candidate
    message = f"{candidate.arch} v{candidate.version} {verb}: {outcome.reason}"
    console.out().print(message, markup=False)


def _candidate(
    dataset: DatasetVersion, name: str | None, champion: Contender | None
) -> tuple[Record, Path]:
    """The fit that is meant, with its artifact; only full fits may be champion."""
    if name is not None:
        record = _named(dataset, name)
        if champion is not None and champion.version.run_id == record.run_id:
            return record, champion.folder
        return record, verification.verify(record)
    fits = [fit for fit in tracking.records(dataset) if not fit.look]
    for fit in ranking.ranked(dataset.task, fits):
        if champion is not None and champion.version.run_id == fit.run_id:
            return fit, champion.folder
        if folder := verification.whole(fit):
            return fit, folder
    raise UsageError(
        f"{dataset.name} has no full fit at its present version: "
        f"`espalier run --dataset {dataset.name}` makes some"
    )


def _named(dataset: DatasetVersion, name: str) -> Record:
    model = registry.model_name(dataset.task, dataset.name)
    if name.isdecimal():
        version = registry.version(model, name)
        if version is None:
            raise UsageError(f"{model} has no version {name}")
        return tracking.record(version.run_id)
    fits = tracking.all_records(dataset.task, dataset.name)
    records = [fit for fit in fits if name in (fit.run_id, fit.fingerprint)]
    if not records:
        raise UsageError(
            f"{name!r} is no finished fit on {dataset.name}: expected a version's number, a "
            "fingerprint or a run id, as `espalier compare --json` and MLflow show them"
        )
    if records[-1].look:
        raise UsageError(f"{name!r} was a first look: only full fits may be champion")
    return records[-1]
