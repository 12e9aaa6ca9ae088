"""A decision about a champion: who enters, what goes on record.

Written so that a kill anywhere leaves the old champion serving, and doing it again finishes: the
order is version `pending`, checks, the ledger's record, and then what `reconcile` does.
"""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from models.artifact.artifact import ArtifactError
from pipelines.experiments import leaderboard_rows, registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import checks, rules
from pipelines.gate.checks import Check
from pipelines.gate.rules import Rules
from pipelines.processes import events, servers
from pipelines.promotion import ledger, markdown, reconcile
from pipelines.promotion.contender import Contender
from pipelines.promotion.evaluation import Evaluation, complains
from pipelines.release import signing
from pipelines.runtime import environment

ANNOUNCED = "decisions announced"  # the note of how many were sent as events
MOST = 20  # that are sent at once, where nobody could be told for long


class Terms(NamedTuple):
    """How a challenger is tried: the percentage of requests that it answers, 0 to shadow the
    champion, and the days after which the trial ends by itself."""

    share: int = 0
    days: int = 7

    @property
    def kind(self) -> Literal["shadow", "canary"]:
        """What the trial is called."""
        return "canary" if self.share else "shadow"

    @classmethod
    def of(cls, rules: Rules) -> "Terms | None":
        """What the gate asks of a retraining; None where it asks for no trial."""
        if rules.trial == "none":
            return None
        return cls(0 if rules.trial == "shadow" else rules.trial, rules.trial_days)


def enter(dataset: DatasetVersion, candidate: Record, rules: Rules) -> Version:
    """Register the candidate, whose artifact was verified, as the challenger.

    Raises SigningError where this machine may not promote; what waits is signed where it is
    approved.
    """
    if rules.approval == "none":
        signing.require()
    version = registry.register(dataset.task, dataset.name, candidate)
    if ledger.trial(ledger.entries(version.name)) is None:  # whoever is on trial keeps the alias
        registry.set_challenger(version)
    return version


def refused_before(
    dataset: DatasetVersion, candidate: Record, champion: Version | None, rules: Rules
) -> ledger.Entry | None:
    """The refusal that answered this very question, or a trial of it that too few requests met; one
    slow moment of the machine is none."""
    beside = champion.version if champion else None
    slow = 0
    for entry in reversed(ledger.entries(registry.model_name(dataset.task, dataset.name))):
        if (entry.run_id, entry.dataset_hash) != (candidate.run_id, dataset.hash):
            continue
        # What was complained of is the gate's to say.
        few = entry.action == "withdrawal" and not complains(entry)
        if few and entry.from_version == beside:
            return entry
        # Text is evidence that was changed into no JSON.
        if entry.action != "refusal" or not isinstance(entry.evidence, dict):
            continue
        if entry.evidence["rules"] != rules.of_verdict:
            continue
        failed = _failed(entry.evidence)
        slow += failed <= checks.LOAD_DEPENDENT
        if failed & checks.EVIDENCE and entry.from_version != beside:
            continue
        if slow > 1 or not failed <= checks.LOAD_DEPENDENT:
            return entry
    return None


def on_evidence(refusal: ledger.Entry) -> bool:
    """Whether no other fit may try: the test rows were the cause, and it would be on the same ones,
    or there were too few requests for a trial."""
    evidence = refusal.evidence
    if refusal.action == "withdrawal":
        return True
    decisive = checks.EVIDENCE | {checks.APPROVAL}  # a person is asked after the test rows
    return isinstance(evidence, dict) and bool(_failed(evidence) & decisive)


def _failed(evidence: dict) -> set[str]:
    return {check["name"] for check in evidence["checks"] if not check["passed"]}


def decide(
    evaluation: Evaluation, force: str | None = None, terms: Terms | None = None
) -> ledger.Entry:
    """Put on record what an evaluation came to, and make it true.

    Args:
        evaluation: of the candidate, beside the champion and the ledger's head of that time.
        force: why the candidate becomes champion though checks failed.
        terms: of its trial beside the champion; None: it becomes champion at once.

    Raises:
        LedgerMovedError: something else was decided about the model meanwhile.
        SigningError: it would be champion, and cannot be signed as it must.
    """
    candidate, champion = evaluation.candidate, evaluation.champion
    task, dataset = evaluation.dataset.task, evaluation.dataset.name
    version = candidate.version
    opposed = not evaluation.passed or (evaluation.awaits and terms is None)
    override = force if evaluation.servable and opposed else None
    action = _action(evaluation, override is not None, terms)
    serves = action not in ("refusal", "awaiting")
    signature = signing.sign(version, candidate.folder) if serves else None
    with reconcile.promotion_lock(task, dataset):
        if registry.version(version.name, version.version) is None:
            raise ledger.LedgerMovedError(
                f"another run removed version {version.version} of {version.name}: run it again"
            )
        decision = ledger.Decision(
            model=version.name,
            action=action,
            from_version=champion.version.version if champion else None,
            to_version=version.version,
            run_id=version.run_id,
            fingerprint=version.fingerprint,
            dataset_hash=evaluation.dataset.hash,
            evidence=_evidence(evaluation, action, signature, terms),
            reason=evaluation.reason if override is None else override,
        )
        entry = ledger.append(decision, evaluation.head)
        reconcile.follow(task, dataset, *filter(None, (candidate, champion)))
    announce(task, dataset, entry)
    return entry


def announce(task: str, dataset: str, entry: ledger.Entry | None = None) -> None:
    """Send what was decided, and is done, as events: also what nobody could send before.

    Killed before that is noted, it is sent again, and the server knows it by its hash.

    Args:
        task, dataset: of the model.
        entry: the decision; None: all that are on record.
    """
    made = ledger.entries(registry.model_name(task, dataset))
    end = entry.position if entry else len(made)
    noted = leaderboard_rows.noted(task, dataset, ANNOUNCED)
    # What was decided before anybody noted it was sent then, or never will be.
    first = int(noted) if noted else end - bool(entry)
    for one in made[first:end][-MOST:]:
        text = f"version {one.to_version} {markdown.VERBS[one.action]}: {one.reason}"
        page = servers.page_of(one.run_id or "")
        sent = events.emit(one.action, task, dataset, text, page, one.hash)
        if not sent and os.environ.get(environment.PREFECT):
            return  # whoever comes next sends it
    leaderboard_rows.note(task, dataset, ANNOUNCED, str(end))


def answer(
    question: ledger.Entry, check: Check, head: ledger.Head, candidate: Contender | None = None
) -> ledger.Entry:
    """Put on record what was answered to a candidate that waits, and make it true.

    Args:
        question: the entry that asks.
        check: whether it becomes champion, and who said so.
        head: of the ledger, read before the question and the champion were looked up.
        candidate: what waits, verified; a no needs none.

    Raises:
        LedgerMovedError, SigningError: as `decide`.
    """
    _, task, dataset = question.model.split("-", 2)
    asked = dict(question.evidence) if isinstance(question.evidence, dict) else {"checks": []}
    asked.pop("until", None)
    evidence = asked | {"checks": [*asked["checks"], check.to_dict()], "repeats": question.position}
    if candidate and (signature := signing.sign(candidate.version, candidate.folder)):
        evidence["signature"] = signature
    with reconcile.promotion_lock(task, dataset):
        decision = ledger.Decision(
            model=question.model,
            action="promotion" if check.passed else "refusal",
            from_version=question.from_version,
            to_version=question.to_version,
            run_id=question.run_id,
            fingerprint=question.fingerprint,
            dataset_hash=question.dataset_hash,
            evidence=evidence,
            reason=question.reason if check.passed else f"{check.name}: {check.evidence}",
        )
        entry = ledger.append(decision, head)
        reconcile.follow(task, dataset, *filter(None, [candidate]))
    announce(task, dataset, entry)
    return entry


def _action(evaluation: Evaluation, forced: bool, terms: Terms | None) -> ledger.Action:
    if forced:
        return "force"
    if not evaluation.passed:
        return "refusal"
    if terms is not None:
        return terms.kind
    return "awaiting" if evaluation.awaits else "promotion"


def _evidence(
    evaluation: Evaluation, action: ledger.Action, signature: str | None, terms: Terms | None
) -> dict:
    """What a decision was made by, as it goes on record."""
    evidence: dict[str, Any] = {
        "rules": evaluation.rules.of_verdict,
        "checks": [check.to_dict() for check in evaluation.checks],
        "test_rows": evaluation.test_rows,
    }
    if action == "awaiting":
        evidence |= _until(evaluation.rules)
    if terms is not None:
        evidence |= {"share": terms.share, "days": terms.days, "differing": evaluation.differing}
    return evidence | ({} if signature is None else {"signature": signature})


def _until(rules: Rules) -> dict[str, str]:
    """For how long a candidate waits for a person, as it goes on record."""
    until = datetime.now(UTC) + timedelta(days=rules.approval_days)
    return {"until": until.isoformat(timespec="seconds")}


def end_trial(
    task: str,
    dataset: str,
    trial: ledger.Entry,
    head: ledger.Head,
    action: Literal["promotion", "withdrawal"],
    reason: str,
    verdict: Mapping[str, object] | None = None,
) -> ledger.Entry:
    """End a trial on record, and make it true: the challenger becomes champion, or is taken back.

    Where a person is asked, what would be champion waits; whose artifact is damaged is taken back.

    Args:
        task, dataset: of the model.
        trial: what put the challenger on trial.
        head: of the ledger, beside which this was decided.
        action: what becomes of it.
        reason: in one sentence.
        verdict: what the requests of the trial showed, as JSON.

    Raises:
        LedgerMovedError: something else was decided about the model meanwhile.
    """
    verified: list[Contender] = []
    if action == "promotion":
        version = registry.version(trial.model, trial.to_version)
        try:
            if version is None:
                raise ArtifactError(f"version {trial.to_version} is not in the registry any more")
            verified = [Contender(version, verification.verify(tracking.record(version.run_id)))]
        except ArtifactError as error:
            action, reason = "withdrawal", f"it must not serve: {error}"
    gate_rules, done = rules.of(task, dataset), cast("ledger.Action", action)
    evidence = dict(trial.evidence) if isinstance(trial.evidence, dict) else {}
    if action == "withdrawal":
        evidence = {"rules": {}, "checks": []}
    elif gate_rules.approval == "required":
        done, evidence = "awaiting", evidence | _until(gate_rules)
    ended = replace(trial, action=done, evidence=evidence | {"trial": verdict}, reason=reason)
    decision = ledger.Decision(**{f.name: getattr(ended, f.name) for f in fields(ledger.Decision)})
    with reconcile.promotion_lock(task, dataset):
        entry = ledger.append(decision, head)
        reconcile.follow(task, dataset, *verified)
    announce(task, dataset, entry)
    return entry


def sign(champion: Contender) -> bool:
    """Sign a champion of before there was the present key; returns whether that was due."""
    version = champion.version
    if not signing.is_due(version):
        return False
    _, task, dataset = version.name.split("-", 2)
    with reconcile.promotion_lock(task, dataset):
        if signature := signing.sign(version, champion.folder):
            registry.sign(version, signature)
            reconcile.follow(task, dataset, champion)
    return True
