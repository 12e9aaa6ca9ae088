"""What waits for a person's yes: a candidate that passed every check, where the gate asks for one.

The question is the ledger's last entry `awaiting` that nothing has ended. It holds no lock, and is
answered from any host. docs/decisions/0070-a-person-answers-in-the-ledger.md
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from models.artifact.artifact import ArtifactError
from pipelines.experiments import dataset as data
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import checks, rules
from pipelines.gate.checks import Check
from pipelines.gate.rules import Rules
from pipelines.locks import lock
from pipelines.promotion import decision, evaluation, ledger, reconcile
from pipelines.promotion.contender import Contender
from pipelines.promotion.ledger import Entry
from pipelines.runtime import console
from pipelines.runtime.settings import UsageError


class ApprovalRefused(RuntimeError):
    """A candidate cannot become champion though a person said yes; the message says why."""


@dataclass(frozen=True)
class Question:
    """A version that waits for a person. since, until: ISO, UTC. command: what answers it."""

    task: str
    dataset: str
    version: str
    since: str
    until: str
    command: str

    @property
    def sentence(self) -> str:
        """What a person reads of it."""
        return f"version {self.version} waits for a yes until {self.until}: `{self.command}`"


def question(entry: Entry) -> Question:
    """What an entry asks."""
    _, task, dataset = entry.model.split("-", 2)
    command = f"espalier approve {task} {entry.to_version} --dataset {dataset} --as NAME"
    return Question(task, dataset, entry.to_version, entry.at, _until(entry), command)


def waiting(task: str, dataset: str) -> Question | None:
    """What waits for a person now, if anything does."""
    entry = ledger.awaiting(ledger.entries(registry.model_name(task, dataset)))
    return None if entry is None or is_over(entry) else question(entry)


def is_over(entry: Entry) -> bool:
    """Whether the time to answer has passed."""
    return datetime.now(UTC) >= datetime.fromisoformat(_until(entry))


def expire(task: str, dataset: str) -> Entry | None:
    """Put on record that nobody answered in time; returns the refusal, where that was due."""
    entries = ledger.entries(registry.model_name(task, dataset))
    entry = ledger.awaiting(entries)
    if entry is None or not is_over(entry):
        return None
    unanswered = Check(checks.APPROVAL, False, f"nobody said yes by {_until(entry)}")
    return decision.answer(entry, unanswered, ledger.head(entries))


def asked_already(
    dataset: DatasetVersion, candidate: Record, champion: Version | None, rules: Rules
) -> Question | None:
    """What asks a person about this candidate already, with nothing changed since."""
    entry = ledger.awaiting(ledger.entries(registry.model_name(dataset.task, dataset.name)))
    if rules.approval == "none" or entry is None or entry.run_id != candidate.run_id:
        return None
    changed = is_over(entry) or changes(entry, dataset, champion, rules)
    return None if changed else question(entry)


def changes(
    entry: Entry, dataset: DatasetVersion, champion: Version | None, rules: Rules
) -> list[str]:
    """What is not as it was when a question was put, so that its verdict may be another.

    What else came into the ledger meanwhile, such as refusals of others, changes none.
    """
    changed, beside = [], champion.version if champion else None
    if beside != entry.from_version:
        changed.append(f"the champion is {_name(beside)}, and was {_name(entry.from_version)}")
    if dataset.hash != entry.dataset_hash:
        changed.append(f"the data is {dataset.hash[:8]}, and was {str(entry.dataset_hash)[:8]}")
    before = _evidence(entry).get("rules", {})
    changed += [
        f"{name} of the gate is {value}, and was {before.get(name)}"
        for name, value in rules.of_verdict.items()
        if before.get(name) != value
    ]
    return changed


def answer(
    task: str, dataset: str, version: str | None, by: str, *, no: str | None = None
) -> Entry:
    """Answer for a candidate that waits, as a person; returns what goes on record.

    What has changed since it was asked is said, and the gate then judges once more: beside the
    present champion, on the present data. Else no lock is held for longer than a decision takes.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        version: the version that is meant; None: the one that waits.
        by: who answers.
        no: why it is not to be champion; None: it is.

    Raises:
        UsageError: it does not wait.
        ApprovalRefused: it waits no more, or must not serve.
        LedgerMovedError: something else was decided about the model meanwhile.
    """
    reconcile.catch_up(task, dataset)
    entries = ledger.entries(registry.model_name(task, dataset))
    entry, head = _asked(task, dataset, version, entries), ledger.head(entries)
    if no is not None:
        check = Check(checks.APPROVAL, False, f"{by} said no: {no}", {"by": by})
        return decision.answer(entry, check, head)
    check = Check(checks.APPROVAL, True, f"{by} said yes", {"by": by})
    with reconcile.promotion_lock(task, dataset):
        champion = reconcile.follow(task, dataset)
    candidate, gate_rules = _verified(entry), rules.of(task, dataset)
    present = DatasetVersion(task, dataset, str(entry.dataset_hash))
    with suppress(UsageError):  # this host may have no data
        present = data.present(task, dataset)
    changed = changes(entry, present, champion.version if champion else None, gate_rules)
    if not changed:
        if later := head[0] - entry.position:
            console.line("since", f"{later} decisions about other versions, which change nothing")
        return decision.answer(entry, check, head, candidate)
    for sentence in changed:
        console.line("changed", sentence)
    with lock.hold(lock.of_dataset(task, dataset)):
        judged = evaluation.evaluate(present, candidate, champion, head, gate_rules, named=True)
        return decision.decide(replace(judged, checks=[*judged.checks, check]))


def _asked(task: str, dataset: str, version: str | None, entries: Sequence[Entry]) -> Entry:
    """The entry that asks about the version. Raises UsageError, or ApprovalRefused: too late."""
    entry, model = ledger.awaiting(entries), registry.model_name(task, dataset)
    if entry is None:
        raise UsageError(f"nothing of {model} waits for a yes: `espalier status` says what does")
    if version not in (None, entry.to_version):
        raise UsageError(
            f"version {version} of {model} does not wait for a yes: version {entry.to_version} does"
        )
    if is_over(entry):
        waited = question(entry)
        expire(task, dataset)
        again = f"espalier promote --task {task} --dataset {dataset} {waited.version}"
        raise ApprovalRefused(
            f"version {waited.version} of {model} waited until {waited.until}, and nobody said "
            f"yes: `{again}` puts it before the gate again"
        )
    return entry


def _verified(entry: Entry) -> Contender:
    """What waits, and its artifact: as a record, since what is to be signed is not signed yet."""
    version = registry.version(entry.model, entry.to_version)
    name = f"{entry.model}/{entry.to_version}"
    if version is None:
        raise ApprovalRefused(f"{name} is not in the registry any more")
    try:
        return Contender(version, verification.verify(tracking.record(version.run_id)))
    except ArtifactError as error:
        raise ApprovalRefused(f"{name} must not serve: {error}") from None


def _name(version: str | None) -> str:
    return "none" if version is None else f"v{version}"


def _until(entry: Entry) -> str:
    return _evidence(entry).get("until", entry.at)


def _evidence(entry: Entry) -> dict:
    # Text is evidence that was changed into no JSON.
    return entry.evidence if isinstance(entry.evidence, dict) else {}
