"""What is on record of one thing: of data, a run, a version, a model's ledger.

Read from dvc.lock and git, MLflow, the ledger, and the pointers that services watch; each comes as
a dict that is JSON already.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from data import prepared, versions
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.promotion import ledger
from pipelines.promotion.ledger import Entry
from pipelines.release import bento, publish
from pipelines.runtime import settings

# The system metrics that MLflow samples while a fit runs say nothing of the model.
SYSTEM = "system/"


@dataclass(frozen=True)
class Book:
    """A model's ledger, and what the registry holds beside it.

    aliases: champion and challenger, where they are set → version. broken: a sentence that names
    the first break of the chain; None when it is whole. remark: what else a reader should know,
    or "".
    """

    model: str
    entries: list[Entry]
    archs: dict[str, str]
    aliases: dict[str, str]
    broken: str | None
    remark: str

    def told(self) -> dict:
        """The state of the ledger, without its entries."""
        return {
            "model": self.model,
            "length": len(self.entries),
            "champion": self.aliases.get(registry.CHAMPION),
            "broken": self.broken,
            "remark": self.remark,
        }

    def told_in_full(self) -> dict:
        """The same, with every decision and every champion's time."""
        return self.told() | {
            "archs": self.archs,
            "decisions": [asdict(entry) for entry in self.entries],
            "reigns": reigns(self.entries),
        }


def book(model: str) -> Book:
    """The ledger of a registered model, verified against the longest head that was noted.

    Each version that was champion carries the head of its time: a cut end shows even where the
    alias was set back with it.
    """
    found, aliases = registry.of_model(model), registry.aliases(model)
    heads = [version.head for version in found if version.head]
    entries = ledger.entries(model)
    return Book(
        model,
        entries,
        archs={version.version: version.arch for version in found},
        aliases=aliases,
        broken=ledger.verify(entries, max(heads, default=None)),
        remark=_remark(entries, aliases.get(registry.CHAMPION), bool(heads)),
    )


def reigns(entries: Iterable[Entry]) -> list[dict]:
    """When which version was champion, oldest first: version, since and until (None: still), and
    the positions of the entries that began and ended it."""
    found: list[dict] = []
    for entry in entries:
        if entry.action == "refusal":
            continue
        if found:
            found[-1] |= {"until": entry.at, "ended_by": entry.position}
        begun = {"version": entry.to_version, "since": entry.at, "begun_by": entry.position}
        found.append(begun | {"until": None, "ended_by": None})
    return found


def version(found, book: Book) -> dict:
    """A registered version as MLflow holds it: what was decided about it, and when it served."""
    number, tags = str(found.version), found.tags
    return {
        "model": found.name,
        "version": number,
        "state": tags[registry.STATE],
        "aliases": [alias for alias, named in book.aliases.items() if named == number],
        "arch": tags["espalier.arch"],
        "fingerprint": tags["espalier.fingerprint"],
        "run_id": found.run_id,
        "manifest_sha256": tags["espalier.manifest_sha256"],
        "registered": _when(found.creation_timestamp),
        "decisions": [asdict(entry) for entry in book.entries if _concerns(entry, number)],
        "reigns": [reign for reign in reigns(book.entries) if reign["version"] == number],
        "pointers": _pointers(found.name, number),
        "bentos": bento.carriers(found.name, number),
    }


def run(found) -> dict:
    """A run as MLflow holds it, of whatever kind, with all that decided its outcome."""
    tags, metrics = found.data.tags, found.data.metrics
    return brief(found) | {
        "task": tags["espalier.task"],
        "dataset": tags["espalier.dataset"],
        "dataset_hash": tags["espalier.dataset_hash"],
        "arch": tags.get("espalier.arch"),
        "profile": tags.get("espalier.profile"),
        "seed": json.loads(tags.get("espalier.seed", "null")),
        "parameters": json.loads(tags.get("espalier.parameters", "{}")),
        "backend": json.loads(tags.get(tracking.BACKEND, "null")),
        "commit": tags.get("mlflow.source.git.commit"),
        "dirty": json.loads(tags.get("espalier.git_dirty", "null")),
        "parent": tags.get("mlflow.parentRunId"),
        "started": _when(found.info.start_time),
        "ended": _when(found.info.end_time),
        "metrics": {name: metrics[name] for name in sorted(metrics) if not name.startswith(SYSTEM)},
    }


def brief(found) -> dict:
    """A run as one line of several: what it was, how it ended, what it scored."""
    tags = found.data.tags
    metric, more_is_better = ranking.METRIC[tags["espalier.task"]]
    return {
        "run_id": found.info.run_id,
        "name": found.info.run_name,
        "kind": tags["espalier.kind"],
        "look": json.loads(tags.get("espalier.look", "false")),
        "status": found.info.status,
        "why": tags.get(tracking.FAILURE) or tags.get(tracking.PRUNED),
        "fingerprint": tags.get("espalier.fingerprint"),
        "metric": metric,
        "higher_is_better": more_is_better,
        "validation": found.data.metrics.get(f"validation_{metric}"),
        "test": found.data.metrics.get(f"test_{metric}"),
    }


def fit(task: str, record: tracking.Record) -> dict:
    """A finished fit as `brief` tells it."""
    metric, more_is_better = ranking.METRIC[task]
    return {
        "run_id": record.run_id,
        "name": f"{record.arch} {record.seed}",
        "kind": tracking.FIT,
        "look": record.look,
        "status": "FINISHED",
        "why": None,
        "fingerprint": record.fingerprint,
        "metric": metric,
        "higher_is_better": more_is_better,
        "validation": record.metrics[f"validation_{metric}"],
        "test": record.metrics[f"test_{metric}"],
    }


def data(dataset: DatasetVersion, parents: Sequence[str]) -> dict:
    """A dataset's version, and the command that brings its files back into the checkout.

    parents: runs that may have kept the dvc.lock of their time, the newest last.
    """
    place, commit = f"{prepared.PREPARED}/{dataset.name}", versions.commit_of(dataset.hash)
    pull = f"dvc pull {place}"
    if versions.dataset_hash(dataset.name) == dataset.hash:
        command = pull
    elif commit is not None:
        command = f"git checkout {commit[:12]} -- dvc.lock && {pull}"
    else:
        kept = _kept_lock(dataset.hash, parents)
        command = f"cp {kept} dvc.lock && {pull}" if kept else None
    return {
        "task": dataset.task,
        "dataset": dataset.name,
        "hash": dataset.hash,
        "commit": commit,
        "checkout": command,
    }


def _kept_lock(dataset_hash: str, parents: Sequence[str]) -> Path | None:
    for run_id in reversed(parents):
        path = tracking.dvc_lock(run_id)
        if path.is_file() and dataset_hash in path.read_text():
            return path
    return None


def _concerns(entry: Entry, version: str) -> bool:
    """Whether a decision was about the version, or ended its time."""
    return entry.to_version == version or (
        entry.from_version == version and entry.action != "refusal"
    )


def _pointers(name: str, version: str) -> list[str]:
    """The pointers of this home, which services watch, that name the version."""
    named = {task: publish.read(task) or {} for task in settings.TASKS}
    return [
        str(publish.folder() / f"{task}.json")
        for task, pointer in named.items()
        if (pointer.get("name"), pointer.get("version")) == (name, version)
    ]


def _remark(entries: Sequence[Entry], champion: str | None, noted: bool) -> str:
    standing = ledger.champions(entries)[-1:]
    if not entries:
        return "" if champion is None else "its champion is older than its ledger"
    if [champion] != (standing or [None]):
        said = f"version {standing[0]}" if standing else "no version"
        return f"the ledger says that {said} is champion, the alias names {champion or 'none'}"
    if not noted:
        return "no version carries its head: a cut end would not show"
    return ""


def _when(milliseconds: int | None) -> str | None:
    """ISO, UTC, as the ledger writes it."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
