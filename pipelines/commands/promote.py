"""What a person decides about a champion: the commands `promote`, `approve` and `rollback`."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from models import architectures
from models.artifact.artifact import ArtifactError
from pipelines.experiments import dataset as data
from pipelines.experiments import ranking, registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import rules
from pipelines.lineage import card
from pipelines.locks import lock
from pipelines.promotion import approval, contender, decision, evaluation, ledger, reconcile
from pipelines.promotion.approval import Question
from pipelines.promotion.contender import Contender, Summary
from pipelines.promotion.evaluation import Evaluation
from pipelines.promotion.ledger import Entry
from pipelines.runtime import console, settings
from pipelines.runtime.settings import UsageError


@dataclass(frozen=True)
class Promotion:
    """What became of a candidate.

    champion: the current one afterwards. ledger: position and hash of the record, if there is one.
    trial: shadow or canary, where it is on trial now, or would be; else "". awaiting: the
    candidate, where it passed and waits for a person.
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
    trial: str = ""
    ledger: dict | None = None
    checks: list[dict] = field(default_factory=list)
    awaiting: Question | None = None

    @property
    def accepted(self) -> bool:
        """Whether the gate said yes: the candidate is champion, on trial, or would be; or waits."""
        same = self.champion is not None and self.champion.version == self.candidate.version
        return self.promoted or same or bool(self.trial) or self.awaiting is not None


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


def promote(
    task: str,
    dataset: str | None,
    name: str | None = None,
    *,
    dry_run: bool = False,
    force: str | None = None,
    terms: decision.Terms | None = None,
) -> Promotion:
    """Put one candidate before the gate; make it champion if every check passes.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task; by default the one that is served.
        name: the number of a version, the fingerprint or run id of a finished fit, or an
            architecture or "blend", for its best full fit; by default the best of all, on
            validation.
        dry_run: check, and change nothing.
        force: why it becomes champion whatever the statistics say; what a service would refuse to
            load stays refused.
        terms: of its trial beside the champion; None: no trial.
    """
    dataset = settings.dataset_of(task, dataset)
    gate_rules, version = rules.of(task, dataset), data.present(task, dataset)
    outcome = partial(Promotion, task, dataset, version.hash, dry_run)
    with nullcontext() if dry_run else lock.hold(lock.of_dataset(task, dataset)):
        reconciled = None if dry_run else reconcile.unless_settled(task, dataset)
        head = ledger.head(ledger.entries(registry.model_name(task, dataset)))
        champion = contender.current_champion(task, dataset, reconciled)
        if terms is not None and champion is None:
            raise UsageError(f"{dataset} has no champion to try one beside: leave the trial out")
        record, folder = _candidate(version, name, champion)
        if champion is not None and champion.version.run_id == record.run_id:
            return _already(outcome, champion, dry_run)
        asks_anew = force is None and terms is None  # a trial ends the waiting
        if asks_anew and (waits := _waits(outcome, version, record, champion, gate_rules)):
            return waits
        if dry_run:
            candidate = Contender(registry.preview(task, dataset, record), folder)
        else:
            candidate = Contender(decision.enter(version, record, gate_rules), folder)
        asks = {"keep": not dry_run, "whole": force is not None, "named": name is not None}
        evaluated = evaluation.evaluate(version, candidate, champion, head, gate_rules, **asks)
        entry = None if dry_run else decision.decide(evaluated, force, terms)
        if entry and entry.action in ledger.BEGIN:
            card.keep_or_say(task, dataset)
        trial = terms.kind if terms and evaluated.passed else ""
        return _outcome(partial(outcome, trial=trial), evaluated, entry)


def _already(outcome: Callable[..., Promotion], champion: Contender, dry_run: bool) -> Promotion:
    """What becomes of the champion itself, which is signed where that is due."""
    current = contender.summary(champion.version)
    if not dry_run and decision.sign(champion):
        console.line("signed", champion.name)
    return outcome(current, current, False, f"{champion.name} is the champion already")


def _outcome(
    outcome: Callable[..., Promotion], evaluated: Evaluation, entry: Entry | None
) -> Promotion:
    """What became of a candidate; entry: the decision on record, if there is one."""
    candidate = contender.summary(evaluated.candidate.version)
    champion = evaluated.champion and contender.summary(evaluated.champion.version)
    checks = [check.to_dict() for check in evaluated.checks]
    if entry is None:
        reason = evaluated.reason + ("; a person is asked then" if evaluated.awaits else "")
        return outcome(candidate, champion, evaluated.passed, reason, checks=checks)
    promoted = entry.action in ledger.BEGIN
    return outcome(
        candidate,
        candidate if promoted else champion,
        promoted,
        entry.reason,
        forced=entry.action == "force",
        ledger={"position": entry.position, "hash": entry.hash},
        checks=checks,
        awaiting=approval.question(entry) if entry.action == "awaiting" else None,
    )


def _waits(
    outcome: Callable[..., Promotion],
    dataset: DatasetVersion,
    record: Record,
    champion: Contender | None,
    gate_rules: rules.Rules,
) -> Promotion | None:
    """The outcome where a person is asked about the candidate already: it is not judged again."""
    beside = champion.version if champion else None
    asked = approval.asked_already(dataset, record, beside, gate_rules)
    version = registry.find(dataset.task, dataset.name, record) if asked else None
    if asked is None or version is None:
        return None
    standing = contender.summary(beside) if beside else None
    reason = "it passed before"
    return outcome(contender.summary(version), standing, False, reason, awaiting=asked)


def sentence(outcome: Promotion) -> str:
    """What became of a candidate."""
    verb = "promoted" if outcome.accepted else "refused"
    if outcome.dry_run:
        verb = f"would be {verb}"
    elif outcome.forced:
        verb = "promoted by force"
    if outcome.trial:
        verb = f"{'would be' if outcome.dry_run else 'is'} on trial ({outcome.trial})"
    candidate = outcome.candidate
    if outcome.awaiting:
        return f"{candidate.arch}: {outcome.reason}; {outcome.awaiting.sentence}"
    message = f"{candidate.arch} v{candidate.version} {verb}: {outcome.reason}"
    if outcome.accepted and not (outcome.promoted or outcome.trial):
        message = f"{candidate.arch} v{candidate.version} stays champion: nothing was decided"
    return message


def approve(
    task: str, dataset: str | None, version: str | None, by: str, *, no: str | None = None
) -> Promotion:
    """Answer for a candidate that waits, as a person: see `pipelines.promotion.approval.answer`."""
    dataset = settings.dataset_of(task, dataset)
    entry = approval.answer(task, dataset, version, by, no=no)
    promoted = entry.action == "promotion"
    if promoted:
        card.keep_or_say(task, dataset)
    candidate = registry.version(entry.model, entry.to_version)
    champion = registry.champion(task, dataset)
    if candidate is None:
        raise ledger.LedgerMovedError(f"another run removed version {entry.to_version}")
    said = f"{by} said yes; {entry.reason}" if promoted else entry.reason
    return Promotion(
        task,
        dataset,
        str(entry.dataset_hash),
        False,
        contender.summary(candidate),
        contender.summary(champion) if champion else None,
        promoted,
        said,
        ledger={"position": entry.position, "hash": entry.hash},
        checks=entry.evidence["checks"] if isinstance(entry.evidence, dict) else [],
    )


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
            before = " before the current one" if champions else ""
            raise RollbackRefused(f"{model} has had no champion{before}")
        left, back = champions[-1].to_version, champions[-2]
        version = registry.version(model, back.to_version)
        verified, complaint = _verified(f"{model}/{back.to_version}", version)
        decided = ledger.Decision(
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
        entry = ledger.append(decided, ledger.head(entries))
        reconcile.follow(task, dataset, *verified)
    decision.announce(task, dataset, entry)
    if complaint or version is None:
        raise RollbackRefused(complaint)
    card.keep_or_say(task, dataset)
    head = {"position": entry.position, "hash": entry.hash}
    return Rollback(task, dataset, left, version.version, version.arch, version.fingerprint, head)


def take_back(task: str, dataset: str | None, reason: str) -> Rollback:
    """End the trial that is on: its challenger is taken back, and the champion stays.

    Raises RollbackRefused where none is on.
    """
    dataset = settings.dataset_of(task, dataset)
    model = registry.model_name(task, dataset)
    reconcile.catch_up(task, dataset)
    entries = ledger.entries(model)
    trial = ledger.trial(entries)
    champion = registry.champion(task, dataset)
    if trial is None or champion is None:
        raise RollbackRefused(f"{model} has no challenger on trial")
    entry = decision.end_trial(task, dataset, trial, ledger.head(entries), "withdrawal", reason)
    head = {"position": entry.position, "hash": entry.hash}
    named = champion.version, champion.arch, champion.fingerprint
    return Rollback(task, dataset, trial.to_version, *named, head)


def show_rollback(outcome: Rollback) -> None:
    """Print who serves now."""
    message = f"{outcome.arch} v{outcome.to} is champion of {outcome.dataset} again"
    console.out().print(f"{message}, not v{outcome.left}", markup=False)


def _candidate(
    dataset: DatasetVersion, name: str | None, champion: Contender | None
) -> tuple[Record, Path]:
    """The fit that is meant, with its artifact; only full fits may be champion."""
    verified = {champion.version.run_id: champion.folder} if champion else {}
    names = [*architectures.names(dataset.task), architectures.BLEND]
    arch = name if name in names else None
    if name is not None and arch is None:
        record = _named(dataset, name)
        return record, verified.get(record.run_id) or verification.verify(record)
    fits = [fit for fit in tracking.records(dataset) if not fit.look and arch in (None, fit.arch)]
    for fit in ranking.ranked(dataset, fits):
        if folder := verified.get(fit.run_id) or verification.whole(fit):
            return fit, folder
    command, made = f"espalier run --dataset {dataset.name}", "full fit"
    if arch == architectures.BLEND:
        made = "blend"
    elif arch is not None:
        command = f"espalier train --task {dataset.task} --arch {arch} --dataset {dataset.name}"
        made = f"full fit of {arch}"
    raise UsageError(f"{dataset.name} has no {made} at its present version: `{command}` makes one")


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
            f"{name!r} is no finished fit on {dataset.name}: expected a version's number, an "
            "architecture, or a fingerprint or run id as `espalier compare --json` shows them"
        )
    if records[-1].look:
        raise UsageError(f"{name!r} was a first look: only full fits may be champion")
    return records[-1]


def _verified(name: str, version: Version | None) -> tuple[list[Contender], str | None]:
    """The version's artifact, or why it must not serve."""
    if version is None:
        return [], f"{name} is not in the registry any more"
    try:
        return [Contender(version, verification.verify(version))], None
    except ArtifactError as error:
        return [], f"{name} must not serve: {error}"
