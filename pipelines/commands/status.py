"""The command `status`: what serves and since when, what runs, what lies on the disk."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.prepared import PREPARED
from data.stored import RAW
from pipelines.experiments import registry
from pipelines.locks import lock
from pipelines.processes import service
from pipelines.promotion import approval, ledger
from pipelines.promotion.approval import Question
from pipelines.release import publish
from pipelines.runtime import console, environment, settings


@dataclass(frozen=True)
class Serving:
    """An endpoint.

    model, version: what is published for it; None before its first champion. since: when that
    became champion, ISO, UTC. trial: the version that is on trial beside it, and how.
    """

    path: str
    dataset: str
    model: str | None
    version: str | None
    since: str | None
    trial: str | None = None


@dataclass(frozen=True)
class Status:
    """What a machine does.

    running: TASK/DATASET → who holds its lock. disk: what → bytes. awaiting: what waits for a
    person.
    """

    serving: list[Serving]
    running: dict[str, str]
    disk: dict[str, int]
    awaiting: list[Question]


def status() -> Status:
    """Look at pointers, ledger, locks and folders; nothing is changed, and no service is asked."""
    home, root = environment.home(), environment.ROOT
    places = {
        "runs and artifacts": [home / "mlartifacts", home / "mlflow.db"],
        "published": [home / "published", home / "followed"],
        "Bentos": [home / "bentoml"],
        "checkpoints": [home / "checkpoints"],
        "logs": [home / "logs", home / "requests", home / "labels"],
        "data": [root / RAW, root / PREPARED],
        "versions of data": [root / ".dvc/cache", root / ".espalier/dvc-remote", home / "fetched"],
    }
    disk = {what: bytes_in(folders) for what, folders in places.items()}
    endpoints = settings.endpoints().items()
    asked = [approval.waiting(task, name) for name, task in settings.datasets().items()]
    serving = [_serving(name, *of) for name, of in endpoints]
    return Status(serving, _running(), disk, [one for one in asked if one])


def show(state: Status) -> None:
    """Print it as three short tables."""
    table = console.table("serves, where `espalier serve` runs")
    for column in ("endpoint", "dataset", "version", "since"):
        table.add_column(column, overflow="fold")
    for one in state.serving:
        version = f"{one.model}/{one.version}" if one.model else "none yet"
        version += f"; on trial: {one.trial}" if one.trial else ""
        table.add_row(f"POST {one.path}", one.dataset, version, one.since or "")
    console.out().print(table)
    for name, holder in state.running.items():
        console.line(name, holder)
    if not state.running:
        console.line("running", "no dataset is being retrained")
    for asked in state.awaiting:
        console.line(f"{asked.task}/{asked.dataset}", asked.sentence)
    for what, size in state.disk.items():
        console.line("disk", f"{size / 1e6:,.1f} MB of {what}")


def _serving(name: str, task: str, dataset: str) -> Serving:
    pointer, path = publish.read(name), service.path_of(name)
    if pointer is None:
        return Serving(path, dataset, None, None, None)
    entries = ledger.entries(registry.model_name(task, dataset))
    champions, on_trial = ledger.champions(entries), ledger.trial(entries)
    trial = None
    if on_trial:
        trial = f"v{on_trial.to_version}, {on_trial.action} since {on_trial.at}"
    since = next((c.at for c in reversed(champions) if c.to_version == pointer.version), None)
    return Serving(path, dataset, pointer.name, pointer.version, since, trial)


def _running() -> dict[str, str]:
    names = [lock.of_dataset(task, dataset) for dataset, task in settings.datasets().items()]
    holders = {name: lock.holder(name, 0) for name in names}
    return {name: holder for name, holder in holders.items() if holder}


def bytes_in(places: Iterable[Path]) -> int:
    """What files, and all that lies in folders, take on the disk."""
    total = 0
    for place in places:
        for file in [place, *place.rglob("*")]:
            with suppress(OSError):  # it is gone by now
                total += file.stat().st_size if file.is_file() else 0
    return total
