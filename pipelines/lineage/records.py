"""What is on record of one identity: of a dataset's version, a run, a model's version, a ledger.

Read from dvc.lock and git, MLflow, the ledger, and the pointers that services watch. The fields of
each record are those that `espalier trace --json` prints.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data import prepared, versions
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.promotion import ledger
from pipelines.promotion.ledger import Entry
from pipelines.release import bento, publish
from pipelines.runtime import settings

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

# The system metrics that MLflow samples while a fit runs say nothing of the model.
SYSTEM = "system/"


@dataclass(frozen=True)
class Interval:
    """When a version was champion; begun_by, ended_by: positions of entries; None: it still is."""

    version: str | None
    since: str
    begun_by: int
    until: str | None = None
    ended_by: int | None = None


@dataclass(frozen=True)
class Book:
    """A model's ledger, and what the registry holds beside it.

    archs: version → architecture. aliases: champion and challenger, where they are set → version.
    broken: a sentence that names the first break of the chain; None when it is whole. remark: what
    else a reader should know, or "".
    """

    model: str
    entries: list[Entry]
    archs: dict[str, str]
    aliases: dict[str, str]
    broken: str | None
    remark: str

    def state(self) -> dict[str, Any]:
        """The state of the ledger, without its entries, as JSON."""
        return {
            "model": self.model,
            "length": len(self.entries),
            "champion": self.aliases.get(registry.CHAMPION),
            "broken": self.broken,
            "remark": self.remark,
        }

    def to_dict(self) -> dict[str, Any]:
        """The same with every decision, and the intervals in which each version was champion."""
        return self.state() | {
            "archs": self.archs,
            "decisions": [asdict(entry) for entry in self.entries],
            "reigns": [asdict(interval) for interval in intervals(self.entries)],
        }


@dataclass(frozen=True)
class RunSummary:
    """What a run was, how it ended and what it scored; why: the cause of its failure."""

    run_id: str
    name: str
    kind: str
    look: bool
    status: str
    why: str | None
    fingerprint: str | None
    metric: str
    higher_is_better: bool
    validation: float | None
    test: float | None


@dataclass(frozen=True)
class Run(RunSummary):
    """A run of whatever kind, with all that decided its outcome; dirty: None where not known."""

    task: str
    dataset: str
    dataset_hash: str
    arch: str | None
    profile: str | None
    seed: int | None
    parameters: dict[str, Any]
    backend: dict[str, str] | None
    commit: str | None
    dirty: bool | None
    parent: str | None
    started: str | None
    ended: str | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class Version:
    """A registered version, what was decided about it, when it was champion, what names it."""

    model: str
    version: str
    state: str
    aliases: list[str]
    arch: str
    fingerprint: str
    run_id: str
    manifest_sha256: str
    registered: str | None
    decisions: list[Entry]
    reigns: list[Interval]
    pointers: list[str]
    bentos: list[str]


@dataclass(frozen=True)
class Data:
    """A dataset's version; checkout: the command that brings its files back, if there is one."""

    task: str
    dataset: str
    hash: str
    commit: str | None
    checkout: str | None


@dataclass(frozen=True)
class Lineage:
    """What is known by a name.

    kind: version, run, data, fingerprint or request. requests: records of the request log. runs: in
    full. fits: those that came from the data or are below a parent run, the best first. ledgers:
    those of the models that these may be of.
    """

    what: str
    kind: str
    requests: list[dict[str, Any]]
    data: list[Data]
    runs: list[Run]
    fits: list[RunSummary]
    versions: list[Version]
    ledgers: list[Book]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `requests` is there where the name is that of a request."""
        content = asdict(self) | {"ledgers": [book.state() for book in self.ledgers]}
        if self.kind != "request":
            del content["requests"]
        return content


@dataclass(frozen=True)
class History:
    """What was decided about every model."""

    ledgers: list[Book]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"ledgers": [book.to_dict() for book in self.ledgers]}


def book(model: str) -> Book:
    """The ledger of a registered model, verified against the longest head that was noted.

    Each version that was champion carries the head of its time: a cut end shows even where the
    alias was set back with it.
    """
    registered, aliases = registry.of_model(model), registry.aliases(model)
    heads = [version.head for version in registered if version.head]
    entries = ledger.entries(model)
    return Book(
        model,
        entries,
        archs={version.version: version.arch for version in registered},
        aliases=aliases,
        broken=ledger.verify(entries, max(heads, default=None)),
        remark=_remark(entries, aliases.get(registry.CHAMPION), bool(heads)),
    )


def intervals(entries: Iterable[Entry]) -> list[Interval]:
    """When which version was champion, oldest first."""
    past: list[Interval] = []
    for entry in entries:
        if entry.action != "refusal":
            if past:
                past[-1] = replace(past[-1], until=entry.at, ended_by=entry.position)
            past.append(Interval(entry.to_version, entry.at, entry.position))
    return past


def version(registered: "ModelVersion", book: Book) -> Version:
    """A version of ours that MLflow holds."""
    number, tags = str(registered.version), registered.tags
    return Version(
        model=registered.name,
        version=number,
        state=tags[registry.STATE],
        aliases=[alias for alias, version in book.aliases.items() if version == number],
        arch=tags["espalier.arch"],
        fingerprint=tags["espalier.fingerprint"],
        run_id=registered.run_id or "",
        manifest_sha256=tags["espalier.manifest_sha256"],
        registered=_iso(registered.creation_timestamp),
        decisions=[entry for entry in book.entries if _concerns(entry, number)],
        reigns=[interval for interval in intervals(book.entries) if interval.version == number],
        pointers=_pointers(registered.name, number),
        bentos=bento.carriers(registered.name, number),
    )


def run(run: "MlflowRun") -> Run:
    """A run that MLflow holds, in full."""
    tags, metrics = run.data.tags, run.data.metrics
    return Run(
        **vars(summary(run)),
        task=tags["espalier.task"],
        dataset=tags["espalier.dataset"],
        dataset_hash=tags["espalier.dataset_hash"],
        arch=tags.get("espalier.arch"),
        profile=tags.get("espalier.profile"),
        seed=json.loads(tags.get("espalier.seed", "null")),
        parameters=json.loads(tags.get("espalier.parameters", "{}")),
        backend=json.loads(tags.get(tracking.BACKEND, "null")),
        commit=tags.get("mlflow.source.git.commit"),
        dirty=json.loads(tags.get("espalier.git_dirty", "null")),
        parent=tags.get("mlflow.parentRunId"),
        started=_iso(run.info.start_time),
        ended=_iso(run.info.end_time),
        metrics={name: metrics[name] for name in sorted(metrics) if not name.startswith(SYSTEM)},
    )


def summary(run: "MlflowRun") -> RunSummary:
    """A run that MLflow holds, as one line of several."""
    tags = run.data.tags
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name,
        kind=tags["espalier.kind"],
        look=json.loads(tags.get("espalier.look", "false")),
        status=run.info.status,
        why=tags.get(tracking.FAILURE) or tags.get(tracking.PRUNED),
        fingerprint=tags.get("espalier.fingerprint"),
        **_scores(tags["espalier.task"], run.data.metrics),
    )


def fit(task: str, record: tracking.Record) -> RunSummary:
    """A finished fit, as one line of several."""
    return RunSummary(
        run_id=record.run_id,
        name=f"{record.arch} {record.seed}",
        kind=tracking.FIT,
        look=record.look,
        status="FINISHED",
        why=None,
        fingerprint=record.fingerprint,
        **_scores(task, record.metrics),
    )


def data(dataset: DatasetVersion, parents: Sequence[str]) -> Data:
    """A dataset's version.

    Args:
        dataset: The version.
        parents: Runs that may have kept the dvc.lock of their time, the newest last.
    """
    place, commit = f"{prepared.PREPARED}/{dataset.name}", versions.commit_of(dataset.hash)
    checkout: str | None = f"dvc pull {place}"
    if versions.dataset_hash(dataset.name) != dataset.hash:
        if commit is not None:
            checkout = f"git checkout {commit[:12]} -- dvc.lock && {checkout}"
        else:
            kept = _kept_lock(dataset.hash, parents)
            checkout = f"cp {kept} dvc.lock && {checkout}" if kept else None
    return Data(dataset.task, dataset.name, dataset.hash, commit, checkout)


def _scores(task: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    metric, higher_is_better = ranking.METRIC[task]
    scores = {split: metrics.get(f"{split}_{metric}") for split in ("validation", "test")}
    return {"metric": metric, "higher_is_better": higher_is_better} | scores


def _kept_lock(dataset_hash: str, parents: Sequence[str]) -> Path | None:
    for run_id in reversed(parents):
        path = tracking.artifact_of(run_id, "dvc.lock")
        if path.is_file() and dataset_hash in path.read_text(encoding="utf-8"):
            return path
    return None


def _concerns(entry: Entry, version: str) -> bool:
    """Whether a decision was about the version, or ended its time."""
    return entry.to_version == version or (
        entry.from_version == version and entry.action != "refusal"
    )


def _pointers(name: str, version: str) -> list[str]:
    """The pointers of this home, which services watch, that name the version."""
    pointers = {task: publish.read(task) for task in settings.TASKS}
    return [
        str(publish.folder() / f"{task}.json")
        for task, pointer in pointers.items()
        if pointer is not None and (pointer.name, pointer.version) == (name, version)
    ]


def _remark(entries: Sequence[Entry], champion: str | None, noted: bool) -> str:
    standing = [None, *ledger.champions(entries)][-1]
    if not entries:
        return "" if champion is None else "its champion is older than its ledger"
    if champion != standing:
        decided = f"version {standing}" if standing else "no version"
        return f"the ledger says that {decided} is champion, the alias names {champion or 'none'}"
    if not noted:
        return "no version carries its head: a cut end would not show"
    return ""


def _iso(milliseconds: int | None) -> str | None:
    """ISO, UTC, as the ledger writes it."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
