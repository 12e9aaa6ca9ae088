"""Bring the registry and the published pointer in line with the ledger, which decides.

A decision is one record in the ledger; everything else follows from it: the version's state, the
`champion` alias, the pointer that services watch, the head of the ledger tagged on the champion;
and of a challenger on trial the alias, the pointer and the tag, which go when its trial ends.
Each step may be repeated, so that whoever comes next finishes what a killed process began.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from models.artifact.artifact import ArtifactError
from pipelines.experiments import leaderboard_rows, registry, tracking, verification
from pipelines.experiments.registry import Version
from pipelines.locks import lock
from pipelines.promotion import ledger, markdown
from pipelines.promotion.contender import Contender
from pipelines.release import publish
from pipelines.runtime import console, keys, settings

PROMOTION_SECONDS = 10  # for another decision about the same model


class BrokenLedgerError(RuntimeError):
    """The ledger is not what was written, and nothing follows it; the message says where."""


def reconcile(task: str, dataset: str) -> Contender | None:
    """Finish or remove what a killed process left; returns the current champion.

    Runs still marked RUNNING are ended, pending versions that nothing was decided about are
    removed. Call it while holding the dataset's lock, and only then: nobody else's run is going on.
    """
    tracking.mend(task, dataset)
    with promotion_lock(task, dataset):
        champion = follow(task, dataset)
        for version in registry.versions(task, dataset):
            if version.state == "pending":
                registry.remove(version)
    return champion


def unless_settled(task: str, dataset: str) -> Contender | None:
    """`reconcile` where the last run left something to do; else MLflow, whose import takes seconds,
    is not asked, and nothing is verified."""
    publish.declare()
    if leaderboard_rows.unchanged(task, dataset) and is_reconciled(task, dataset):
        return None
    return reconcile(task, dataset)


def catch_up(task: str, dataset: str) -> bool:
    """Make true what the ledger says where a decision was killed; no run that goes on is touched,
    and nothing is verified where nothing is to be done. Returns whether something was."""
    if is_reconciled(task, dataset):
        return False
    with promotion_lock(task, dataset):
        follow(task, dataset)
    return True


def promotion_lock(task: str, dataset: str) -> AbstractContextManager[None]:
    """Hold the model's promotion lock, for the second that a decision about it takes.

    It is another lock than the dataset's, which a retraining holds for hours: a rollback must not
    wait for that.
    """
    name = f"{registry.model_name(task, dataset)}@{registry.CHAMPION}"
    return lock.hold(name, PROMOTION_SECONDS)


@contextmanager
def standstill() -> Iterator[None]:
    """Have no command train, decide or release while the block lasts.

    Raises LockHeldError where one does.
    """
    with ExitStack() as stack:
        stack.enter_context(lock.hold("release"))
        for dataset, task in settings.datasets().items():
            stack.enter_context(lock.hold(lock.of_dataset(task, dataset)))
            stack.enter_context(promotion_lock(task, dataset))
        yield


def follow(task: str, dataset: str, *verified: Contender) -> Contender | None:
    """Make true what the ledger says; returns the champion, unless its artifact is damaged.

    Who was asleep meanwhile may write what is out of date: the last to write reads the ledger
    after that, and writes again where it has moved.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        verified: what this run has verified, with the copies that are published.
    """
    model = registry.model_name(task, dataset)
    publish.declare()
    while True:
        entries = _whole_ledger(task, dataset) or _adopted(task, dataset)
        folders = {one.version.manifest_sha256: one.folder for one in verified}
        champion = _apply(task, dataset, entries, folders)
        _apply_trial(task, dataset, entries, folders)
        if ledger.head(ledger.entries(model)) == ledger.head(entries):
            return champion


def is_reconciled(task: str, dataset: str) -> bool:
    """Whether `follow` would find nothing to do."""
    entries = ledger.entries(registry.model_name(task, dataset))
    champion, champions = registry.champion(task, dataset), ledger.champions(entries)
    if not leaderboard_rows.unchanged(task, dataset) and any(
        version.state == "pending" for version in registry.versions(task, dataset)
    ):
        return False
    if champion is None or not champions:
        return champion is None and not champions
    endpoint, trial = settings.endpoint(task, dataset), ledger.trial(entries)
    return (
        champion.version == champions[-1].to_version
        and champion.head == ledger.head(entries)
        and ledger.verify(entries) is None
        and (endpoint is None or _published(endpoint, champion))
        and (endpoint is None or _tried(endpoint, trial))
    )


def _apply(
    task: str, dataset: str, entries: list[ledger.Entry], verified: dict[str, Path]
) -> Contender | None:
    _update_states(task, dataset, entries)
    champions = ledger.champions(entries)
    if not champions:
        return None
    model, number = registry.model_name(task, dataset), champions[-1].to_version
    version = registry.version(model, number)
    if version is None:
        console.line("champion", f"{model}/{number} is not in the registry any more")
        return None
    version = _signed(version, champions[-1])
    registry.set_champion(version, ledger.head(entries))
    folder = verified.get(version.manifest_sha256)
    endpoint = settings.endpoint(task, dataset)
    published = endpoint is not None and _published(endpoint, version, folder)
    try:
        folder = folder or verification.verify(version)
    except ArtifactError as error:
        console.line("champion", f"{version.arch} v{version.version} must not serve: {error}")
        return None
    if endpoint is not None and not published:
        publish.publish(endpoint, version, verified=folder)
    return Contender(version, folder)


def _signed(version: Version, entry: ledger.Entry) -> Version:
    """The version with the signature that was recorded with the decision: whoever was killed before
    the tag has signed nonetheless."""
    evidence = entry.evidence
    recorded = evidence.get("signature") if isinstance(evidence, dict) else None
    if recorded not in (None, version.signature) and not (
        version.signature and keys.are_trusted(version.signature, version.manifest_sha256)
    ):
        return registry.sign(version, recorded)
    return version


def _apply_trial(
    task: str, dataset: str, entries: list[ledger.Entry], verified: dict[str, Path]
) -> None:
    """Publish who is on trial beside the champion, and nobody else."""
    trial, endpoint = ledger.trial(entries), settings.endpoint(task, dataset)
    share = until = terms = challenger = None
    if trial and isinstance(trial.evidence, dict):
        share, until = trial.evidence["share"], ledger.limit(trial).isoformat()
        terms = json.dumps({"champion": trial.from_version, "until": until})
    for version in registry.versions(task, dataset):
        on_trial = trial is not None and version.version == trial.to_version
        if on_trial and trial is not None:
            challenger = _signed(version, trial)
        wanted = (share, terms) if on_trial else (None, None)
        if (version.trial, version.terms) != wanted:
            registry.set_trial(version, *wanted)
    if endpoint is None:
        return
    folder = None
    if challenger is not None:
        folder = verified.get(challenger.manifest_sha256) or verification.whole(challenger)
    if challenger is None or folder is None or share is None:
        publish.withdraw_challenger(endpoint)
    else:
        publish.publish_challenger(endpoint, challenger, share, folder, until)


def _tried(endpoint: str, trial: ledger.Entry | None) -> bool:
    """Whether services are told to try who is on trial, until its limit, or nobody."""
    pointer = publish.challenger(endpoint)
    told = pointer and (pointer.version, pointer.until)
    return told == (trial and (trial.to_version, ledger.limit(trial).isoformat()))


def _published(endpoint: str, version: Version, verified: Path | None = None) -> bool:
    """Whether the endpoint's pointer names the version, and its artifact is whole."""
    named = publish.names(publish.read(endpoint), version)
    return named and (verified is not None or publish.intact(endpoint))


def _whole_ledger(task: str, dataset: str) -> list[ledger.Entry]:
    """The entries, once their chain holds and reaches as far as any version has noted."""
    model = registry.model_name(task, dataset)
    heads = [version.head for version in registry.versions(task, dataset) if version.head]
    entries = ledger.entries(model)
    if broken := ledger.verify(entries, max(heads, default=None)):
        raise BrokenLedgerError(
            f"the ledger of {model} is not what was written: {broken}. Bring the state database "
            f"back from a copy; or, to begin a new ledger knowingly, move it away and delete the "
            f"tag {registry.HEAD} from the versions of {model}"
        )
    return entries


def _adopted(task: str, dataset: str) -> list[ledger.Entry]:
    """The first entry of a ledger that begins when there is a champion already."""
    champion = registry.champion(task, dataset)
    if champion is None:
        return []
    decision = ledger.Decision(
        model=champion.name,
        action="promotion",
        from_version=None,
        to_version=champion.version,
        run_id=champion.run_id,
        fingerprint=champion.fingerprint,
        dataset_hash=champion.dataset_hash,
        evidence={"rules": {}, "checks": []},
        reason="it was champion when this ledger began",
    )
    return [ledger.append(decision, ledger.head([]))]


def _update_states(task: str, dataset: str, entries: list[ledger.Entry]) -> None:
    """Give each version the state that was decided.

    One that was refused may be forced in later; one that was ready stays so, to roll back to.
    """
    decided = {entry.to_version: entry for entry in entries}
    waiting = ledger.awaiting(entries)
    for version in registry.versions(task, dataset):
        entry = decided.get(version.version)
        if entry is None or version.state == "ready":
            continue
        if entry.action in (*ledger.BEGIN, *ledger.TRIALS):
            registry.ready(version, markdown.decision(entry))
        elif entry == waiting:
            if version.state != "awaiting":
                registry.wait(version, markdown.decision(entry))
        elif version.state in ("pending", "awaiting"):
            replaced = "a later candidate took its place before anyone said yes"
            reason = replaced if entry.action == "awaiting" else entry.reason
            registry.refuse(version, reason, markdown.decision(entry))
