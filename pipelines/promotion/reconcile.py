"""Bring the registry and the published pointer in line with the ledger, which decides.

A decision is one record in the ledger; everything else follows from it: the version's state, the
`champion` alias, the pointer that services watch, the head of the ledger tagged on the champion.
Each step may be repeated, so that whoever comes next finishes what a killed process began.
"""

from contextlib import AbstractContextManager

from pipelines.experiments import leaderboard_rows, registry, tracking
from pipelines.experiments.registry import Version
from pipelines.locks import lock
from pipelines.locks.lock import Lease
from pipelines.promotion import ledger
from pipelines.release import publish
from pipelines.runtime import console, settings

SEAT_SECONDS = 10  # for another decision about the same model


class BrokenLedgerError(RuntimeError):
    """The ledger is not what was written, and nothing follows it; the message says where."""


def reconcile(task: str, dataset: str) -> Version | None:
    """Finish or remove what a killed process left; returns the champion that stands.

    Runs still marked RUNNING are ended, pending versions that nothing was decided about are
    removed. Call it while holding the task's lease, and only then: under it nobody else's run is
    going on.
    """
    tracking.mend(task, dataset)
    with seat(task, dataset) as seated:
        champion = follow(seated, task, dataset)
        for version in registry.versions(task, dataset):
            if version.state == "pending":
                registry.remove(version)
    return champion


def seat(task: str, dataset: str) -> AbstractContextManager[Lease]:
    """Hold the model's seat of champion: who decides about it, for the second that this takes.

    It is another lease than the task's, which a retraining holds for hours: a rollback must not
    wait for that.
    """
    return lock.hold(f"{registry.model_name(task, dataset)}@{registry.CHAMPION}", SEAT_SECONDS)


def follow(seated: Lease, task: str, dataset: str) -> Version | None:
    """Make true what the ledger says; returns the champion, unless its artifact is damaged.

    Raises LeaseLostError: neither alias nor version nor pointer follows a ledger that another
    process may have added to.
    """
    model = registry.model_name(task, dataset)
    entries = _whole_ledger(task, dataset) or _adopted(seated, task, dataset)
    lock.current(seated)
    _settle_states(task, dataset, entries)
    standing = ledger.standing(entries)
    if not standing:
        return None
    champion = registry.version(model, standing[-1])
    if champion is None:
        console.line("champion", f"{model}/{standing[-1]} is not in the registry any more")
        return None
    lock.current(seated)
    registry.crown(champion)
    registry.tag_head(champion, entries[-1].position, entries[-1].hash)
    if not tracking.whole(champion):
        console.line("champion", f"{champion.arch} v{champion.version}: its artifact is damaged")
        return None
    if not published(task, dataset, champion):
        lock.current(seated)  # the artifact may have come from far away meanwhile
        publish.publish(task, champion)
    return champion


def in_line(task: str, dataset: str) -> bool:
    """Whether `follow` would find nothing to do."""
    model = registry.model_name(task, dataset)
    entries = ledger.entries(model)
    champion = registry.champion(task, dataset)
    standing = ledger.standing(entries)
    if not leaderboard_rows.unchanged(task, dataset) and any(
        version.state == "pending" for version in registry.versions(task, dataset)
    ):
        return False
    if champion is None or not standing:
        return champion is None and not standing
    return (
        champion.version == standing[-1]
        and champion.head == (entries[-1].position, entries[-1].hash)
        and published(task, dataset, champion)
    )


def published(task: str, dataset: str, champion: Version) -> bool:
    """Whether the pointer names the champion, and its artifact is whole; true where the dataset is
    not one that is served."""
    if settings.served()[task] != dataset:
        return True
    return publish.names(publish.read(task), champion) and publish.intact(task)


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


def _adopted(seated: Lease, task: str, dataset: str) -> list[ledger.Entry]:
    """The first entry of a ledger that begins when there is a champion already."""
    champion = registry.champion(task, dataset)
    if champion is None:
        return []
    entry = ledger.append(
        seated,
        champion.name,
        "promotion",
        from_version=None,
        to_version=champion.version,
        run_id=champion.run_id,
        fingerprint=champion.fingerprint,
        dataset_hash=champion.dataset_hash,
        evidence={"rules": {}, "checks": []},
        reason="it was champion when this ledger began",
    )
    return [entry]


def _settle_states(task: str, dataset: str, entries: list[ledger.Entry]) -> None:
    """Give each version the state that was decided.

    One that was refused may be forced in later; one that was ready stays so, to roll back to.
    """
    decided = {entry.to_version: entry for entry in entries}
    for version in registry.versions(task, dataset):
        entry = decided.get(version.version)
        if entry is None:
            continue
        if entry.action != "refusal":
            if version.state != "ready":
                registry.ready(version)
        elif version.state == "pending":
            registry.refuse(version, entry.reason)
